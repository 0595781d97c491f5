"""How often the test of a verdict errs, and how often it sees a gain, by the loss that is tested.

    python bench/tested_loss.py

Pairs of forecasts of equal expected loss: percent of the draws in which ``diebold_mariano`` calls them different, where
5 is claimed (*size*; 100 less it is how often the 95 % interval holds the expected gain, since the interval is the
inverted test). And pairs of which the first is better: percent in which it is called so (*power*).

Losses: ``nll``; ``censored nll``, which verdicts test: the nll within the second law's central interval
(``nextbar.metrics.censored``); ``censored 99``, ``90``: the same within that of so many percent; ``crps``; of means
``square`` and ``absolute``. ``bootstrap-t`` is the nll again, by a
studentised bootstrap of circular blocks of max(H, n^(1/3)) origins in the place of the Student-t law.

Pairs; outcomes are Student-t with 4 degrees of freedom and variance 1 unless it says otherwise:

- ``t, normal``: a Student-t whose scale is too large by as much as a normal law loses by its tails; ``normal, t``: the
  other way round; ``t3, normal``: of outcomes with 3 degrees of freedom. Power: the true law against the normal one.
- ``skewed t, t``: outcomes are skewed by -0.15, the first law by so much that both lose the same.
- ``two ARCH, t`` and ``two ARCH, normal``: spreads with autoregressive errors of their own (0.9 a bar, deviation 0.2 of
  the log). Power: the first has 0.15.
- ``means``: forecasts of the mean with errors of their own under Student-t(3) moves; ``errors``: independent errors of
  Student-t(3) law, whose squares have no variance. Power: a signal of 1.4 % of the variance; errors 10 % smaller.

Losses of H steps are means over H successive ones.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from common import show
from scipy import integrate, optimize
from scipy.signal import lfilter
from scipy.special import stdtrit
from size import over_bars

from nextbar.metrics.censored import tail_of
from nextbar.metrics.significance import LEAST_AVERAGES, cosine_averages, long_run_variance
from nextbar.metrics.standard_laws import Normal, SkewT, StandardLaw, StudentT

ORIGINS = (60, 100, 300, 1000, 5000)
HORIZONS = (1, 6, 24)
NOMINAL = 0.05
CHUNK = 500_000
RESAMPLES = 199
MOST_RESAMPLED = 200
"""draws of the bootstrap, which takes as long as all others together"""


class Law(NamedTuple):
    """A law of mean 0 and a standard deviation, or of one for each outcome."""

    standard: StandardLaw
    deviation: Any = 1.0

    def losses(self, y: np.ndarray, bounds: Mapping[str, tuple[Any, Any]]) -> dict[str, np.ndarray]:
        """By name; ``bounds``: of the censored ones."""
        unit = self.standard.unit(np.asarray(self.deviation, float))
        nll, crps, _ = self.standard.losses(y / unit)
        nll = nll + np.log(unit)
        out = {"nll": nll}
        for name, (low, high) in bounds.items():
            below, above = self.standard.cdf(low / unit), self.standard.sf(high / unit)
            out[name] = np.where(y <= low, -np.log(below), np.where(y >= high, -np.log(above), nll))
        return out | {"crps": crps * unit}

    def bounds(self, tail: float) -> dict[str, tuple[Any, Any]]:
        """Its central intervals by name of the censored loss; ``tail``: probability of a side in ``censored nll``."""
        unit = self.standard.unit(np.asarray(self.deviation, float))
        tails = {"censored nll": tail, "censored 99": 0.005, "censored 90": 0.05}
        return {name: (unit * self.standard.ppf(p), unit * self.standard.ppf(1 - p)) for name, p in tails.items()}


NORMAL, HEAVY = Normal(), StudentT(np.asarray(4.0))


def student(df: float, deviation: Any = 1.0) -> Law:
    return Law(StudentT(np.asarray(df)), deviation)


def skewed(skew: float) -> Law:
    return Law(SkewT(np.asarray(4.0), np.asarray(skew)))


def gains(y: np.ndarray, first: Law, second: Law, tail: float) -> dict[str, np.ndarray]:
    """Loss of the second less that of the first, by name."""
    bounds = second.bounds(tail)
    ours, theirs = first.losses(y, bounds), second.losses(y, bounds)
    return {name: theirs[name] - ours[name] for name in ours}


Pair = tuple[Callable[[float], tuple[Law, Law]], Law, tuple[float, float], float]
PAIRS: dict[str, Pair] = {
    "t, normal": (lambda s: (student(4, s), Law(Normal())), student(4), (1.02, 4), 1.0),
    "normal, t": (lambda s: (Law(Normal()), student(4, s)), student(4), (1.02, 4), math.nan),
    "t3, normal": (lambda s: (student(3, s), Law(Normal())), student(3), (1.02, 5), 1.0),
    "skewed t, t": (lambda skew: (skewed(skew), student(4)), skewed(-0.15), (-0.9, -0.16), -0.15),
}
"""by name: both laws of a parameter, the law of outcomes, where the parameter of equal loss lies, its true value"""


@cache
def equal(pair: str, loss: str, tail: float) -> float:
    """The parameter with which both laws have the same expected loss."""
    laws, truth, (low, high), _ = PAIRS[pair]
    edges = [-np.inf, -30, -8, -4, -2.6, -1, 0, 1, 2.6, 4, 8, 30, np.inf]

    def expected(parameter: float) -> float:
        def weighted(y: float) -> float:
            at = np.asarray(y)
            return float(gains(at, *laws(parameter), tail)[loss] * np.exp(-truth.losses(at, {})["nll"]))

        return sum(integrate.quad(weighted, a, b, limit=200)[0] for a, b in pairwise(edges))

    grid = np.linspace(low, high, 12)
    value = [expected(parameter) for parameter in grid]
    k = next(k for k in range(len(grid) - 1) if value[k] * value[k + 1] < 0)
    return float(optimize.brentq(expected, grid[k], grid[k + 1], xtol=1e-4))


def of_pair(
    pair: str, rng: np.random.Generator, shape: tuple[int, int], planted: bool, tail: float
) -> dict[str, np.ndarray]:
    """Gains (R, n + H - 1) of a pair of laws that do not change."""
    laws, truth, _, best = PAIRS[pair]
    uniform = rng.random(shape)
    y_RN = truth.standard.unit(np.asarray(1.0)) * truth.standard.ppf(uniform)
    if planted:
        return {} if math.isnan(best) else gains(y_RN, *laws(best), tail)
    return {
        loss: gains(y_RN, *laws(equal(pair, loss, tail)), tail)[loss] for loss in gains(np.zeros(1), *laws(0.5), tail)
    }


def autoregressive(rng: np.random.Generator, shape: tuple[int, int], memory: float, deviation: float) -> np.ndarray:
    shock = rng.standard_normal(shape)
    shock[:, 1:] *= math.sqrt(1 - memory**2)
    return deviation * lfilter([1.0], [1.0, -memory], shock, axis=1)


def of_archs(
    standard: StandardLaw, rng: np.random.Generator, shape: tuple[int, int], planted: bool, tail: float
) -> dict[str, np.ndarray]:
    """Gains of two laws with spreads of their own."""
    y_RN = rng.standard_t(4, shape) / math.sqrt(2)
    first, second = (
        Law(standard, np.exp(autoregressive(rng, shape, 0.9, deviation)))
        for deviation in (0.15 if planted else 0.2, 0.2)
    )
    gain = gains(y_RN, first, second, tail)
    if planted:
        return gain
    return {name: value - offset(standard is HEAVY, name, tail) for name, value in gain.items()}


@cache
def offset(is_heavy: bool, loss: str, tail: float) -> float:
    """Expected gain of two equal spreads: the interval is the second's, which moves a censored one a little from 0."""
    if not loss.startswith("censored"):
        return 0.0
    standard = HEAVY if is_heavy else NORMAL
    rng, shape = np.random.default_rng(1), (1_000, 2_000)
    y_RN = rng.standard_t(4, shape) / math.sqrt(2)
    first, second = (Law(standard, np.exp(0.2 * rng.standard_normal(shape))) for _ in range(2))
    return float(gains(y_RN, first, second, tail)[loss].mean())


def of_means(kind: str, rng: np.random.Generator, shape: tuple[int, int], planted: bool) -> tuple[Any, Any]:
    """Errors of two forecasts of the mean, (R, n + H - 1) each."""
    if kind == "errors":
        first, second = rng.standard_t(3, (2, *shape)) / math.sqrt(3)
        return (0.9 * first if planted else first), second
    move = rng.standard_t(3, shape) / math.sqrt(3)
    if planted:
        signal = autoregressive(rng, shape, 0.5, 0.12)
        return move, move + signal
    first, second = 0.12 * rng.standard_normal((2, *shape))
    return move - first, move - second


def drawn(name: str, rng: np.random.Generator, rows: int, n: int, horizon: int, planted: bool) -> dict[str, np.ndarray]:
    """Gains (R, n) by loss."""
    shape, tail = (rows, n + horizon - 1), tail_of(n, horizon)
    if name in ("means", "errors"):
        first, second = (over_bars(e, horizon) * math.sqrt(horizon) for e in of_means(name, rng, shape, planted))
        return {"square": second**2 - first**2, "absolute": np.abs(second) - np.abs(first)}
    if name in PAIRS:
        gain = of_pair(name, rng, shape, planted, tail)
    else:
        gain = of_archs(HEAVY if name.endswith(" t") else NORMAL, rng, shape, planted, tail)
    return {loss: over_bars(value, horizon) for loss, value in gain.items()}


def tested(gain_RN: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each draw is called different, and whether it is called better."""
    n = gain_RN.shape[1]
    averages = cosine_averages(n, horizon)
    t_R = gain_RN.mean(axis=1) / np.sqrt(long_run_variance(gain_RN, averages) / n)
    different_R = np.abs(t_R) > stdtrit(averages, 1 - NOMINAL / 2)
    return different_R, different_R & (t_R > 0)


def bootstrap_t(gain_RN: np.ndarray, horizon: int, rng: np.random.Generator) -> np.ndarray:
    """Whether each draw is called different by a studentised bootstrap of circular blocks."""
    n, averages = gain_RN.shape[1], cosine_averages(gain_RN.shape[1], horizon)
    block = max(horizon, round(n ** (1 / 3)))
    out = []
    for gain in gain_RN:
        t = abs(gain.mean()) / math.sqrt(long_run_variance(gain, averages) / n)
        begin = rng.integers(0, n, (RESAMPLES, -(-n // block)))
        row = ((begin[..., None] + np.arange(block)) % n).reshape(RESAMPLES, -1)[:, :n]
        again = (gain - gain.mean())[row]
        t_again = np.abs(again.mean(axis=1)) / np.sqrt(long_run_variance(again, averages) / n)
        out.append(np.mean(t_again >= t) < NOMINAL)
    return np.array(out)


def rows_of(name: str, n: int, horizon: int, draws: int, seed: int) -> list[dict[str, Any]]:
    """Size and power by loss, in percent of the draws."""
    rng = np.random.default_rng([seed, n, horizon])
    count: dict[str, dict[str, float]] = {}
    left = draws
    while left:
        rows = min(left, max(1, CHUNK // n))
        left -= rows
        for planted in (False, True):
            for loss, gain in drawn(name, rng, rows, n, horizon, planted).items():
                different, better = tested(gain, horizon)
                row = count.setdefault(loss, {"size": 0.0, "power": 0.0})
                row["power" if planted else "size"] += 100 / draws * (better if planted else different).sum()
                if loss == "nll" and not planted and "bootstrap-t" not in count:
                    some = bootstrap_t(gain[:MOST_RESAMPLED], horizon, rng)
                    count["bootstrap-t"] = {"size": 100 * some.mean()}
    return [{"pair": name, "loss": loss, "horizon": horizon, "origins": n, **row} for loss, row in count.items()]


NAMES = (*PAIRS, "two ARCH, t", "two ARCH, normal", "means", "errors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", nargs="*", default=NAMES)
    parser.add_argument("--origins", nargs="*", type=int, default=ORIGINS)
    parser.add_argument("--horizons", nargs="*", type=int, default=HORIZONS)
    args = parser.parse_args()
    rows = [
        row
        for name in args.pairs
        for horizon in args.horizons
        for n in args.origins
        if cosine_averages(n, horizon) >= LEAST_AVERAGES
        for row in rows_of(name, n, horizon, args.draws, args.seed)
    ]
    show({"rows": rows, "draws": args.draws, "seed": args.seed})


if __name__ == "__main__":
    main()
