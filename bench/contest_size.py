"""How often contests, tests of coverage and tests of the PIT call wrong what is right, where 5 in 100 are claimed.

    python bench/contest_size.py

Contests of six equally good forecasts, each test put to the same draws: a model confidence set that loses one of them,
a test of superior predictive ability that finds one better than the first, StepM likewise; by nextbar's law of luck
(``metrics/null_draws.py``) and by arch's stationary bootstrap, whose blocks are as long as the rule of Politis and
White says, 3 H at least. The losses, whose overlap is that of forecasts over H bars:

- ``squares``: squared errors with independent normal errors, moving sums of H shocks
- ``scores``: log scores of spreads that follow an autoregressive log volatility (0.95 a bar, standard deviation 0.39)
  with noise of their own (0.9 a bar, 0.3)

Hits are drawn with the probability they should have, beside a quantile that follows a random walk; PITs are uniform.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from typing import Any

import numpy as np
from arch.bootstrap import MCS, SPA, optimal_block_length
from common import show
from scipy.signal import lfilter
from size import over_bars

from nextbar.metrics.contests import Contest, contest
from nextbar.metrics.coverage_tests import coverage_test
from nextbar.metrics.pit_tests import pit_test

FORECASTS = 6
CONTESTS = ((45, 1), (100, 1), (300, 1), (1000, 1), (90, 6), (360, 6), (1000, 6), (360, 24), (1000, 24))
WINDOWS = (50, 100, 250, 500, 1000, 2500)
RESAMPLES = 300
NOMINAL = 0.05


def squares(rng: np.random.Generator, n: int, horizon: int) -> np.ndarray:
    """Losses (n, K)."""
    return horizon * over_bars(rng.standard_normal((FORECASTS, n + horizon - 1)), horizon).T ** 2


def scores(rng: np.random.Generator, n: int, horizon: int) -> np.ndarray:
    """Losses (n, K)."""

    def autoregressive(memory: float, rows: int) -> np.ndarray:
        shock = rng.standard_normal((rows, n + horizon + 199)) * np.sqrt(1 - memory**2)
        return lfilter([1.0], [1.0, -memory], shock)[:, 200:]

    log_spread = 0.39 * autoregressive(0.95, 1)
    noise = 0.3 * autoregressive(0.9, FORECASTS)
    square = rng.standard_normal((1, n + horizon - 1)) ** 2
    return over_bars(log_spread + noise + 0.5 * square * np.exp(-2 * noise), horizon).T


def by_bootstrap(loss_TK: np.ndarray, horizon: int) -> list[bool]:
    """Whether arch's confidence set and test of superior ability are wrong; with the latter, its StepM would be."""
    differences = loss_TK[:, :1] - loss_TK[:, 1:]
    block = max(int(np.ceil(optimal_block_length(differences)["stationary"].max())), 3 * horizon if horizon > 1 else 1)
    options: dict[str, Any] = {"reps": RESAMPLES, "block_size": min(block, len(loss_TK) // 3), "seed": 0}
    confidence = MCS(loss_TK, NOMINAL, **options)
    ability = SPA(loss_TK[:, 0], loss_TK[:, 1:], **options)
    for test in (confidence, ability):
        test.compute()
    return [len(confidence.included) < FORECASTS, ability.pvalues["consistent"] < NOMINAL]


def contest_sizes(process: Any, n: int, horizon: int, draws: int, seed: int) -> dict[str, float]:
    """Percent of the draws in which each test is wrong."""
    rng = np.random.default_rng([seed, n, horizon])
    wrong = np.zeros(5)
    for _ in range(draws):
        loss_TK = process(rng, n, horizon)
        result = contest({str(k): loss_TK[:, k] for k in range(FORECASTS)}, "0", horizon)
        assert isinstance(result, Contest)
        ours = [len(result.best) < FORECASTS, result.p_value < NOMINAL, bool(result.superior)]
        wrong += [*ours, *by_bootstrap(loss_TK, horizon)]
    names = ("confidence_set", "superior_ability", "step_m", "confidence_set_bootstrap", "superior_ability_bootstrap")
    return dict(zip(names, (100 * wrong / draws).tolist(), strict=True))


def hit_sizes(m: int, draws: int, seed: int) -> dict[str, Any]:
    """Percent of the draws in which each test of hits or of the PIT calls a right law wrong; None: too few windows."""
    rng = np.random.default_rng([seed, m])
    sizes: dict[str, Any] = {"windows": m}
    for probability in (0.05, 0.10):
        results = []
        for _ in range(draws):
            quantile_M = -np.exp(0.05 * rng.normal(size=m).cumsum())
            results.append(coverage_test(rng.random(m) < probability, probability, quantile_M))
        names = ("unconditional", "independence", "conditional", "dynamic")
        shares = _shares([None if result is None else result[3:] for result in results], len(names))
        sizes |= {f"{name}_{probability:g}": share for name, share in zip(names, shares, strict=True)}
    tested = [pit_test(rng.random(m)) for _ in range(draws)]
    names = ("berkowitz", "direction", "size")
    shares = _shares([None if result is None else result[4:] for result in tested], len(names))
    return sizes | dict(zip(names, shares, strict=True))


def _shares(p_values: list[Any], columns: int) -> list[float | None]:
    if p_values[0] is None:
        return [None] * columns
    return (100 * np.mean(np.array(p_values) < NOMINAL, axis=0)).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    contests = [
        {"process": process.__name__, "origins": n, "horizon": horizon,
         **contest_sizes(process, n, horizon, args.draws, args.seed)}
        for process in (squares, scores) for n, horizon in CONTESTS
    ]  # fmt: skip
    hits = [hit_sizes(m, args.draws, args.seed) for m in WINDOWS]
    versions = {name: version(name) for name in ("arch", "numpy", "scipy")}
    show({"contests_percent": contests, "hits_and_pits_percent": hits, "draws": args.draws, "seed": args.seed,
          "machine": platform.machine(), **versions})  # fmt: skip


if __name__ == "__main__":
    main()
