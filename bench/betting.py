"""How often the sequential test calls a forecast worse that is not, and how soon it notices one that is.

    python bench/betting.py

Absolute errors of two forecasts of a move, looked at after each of 1,000 outcomes, in 1,000 runs. Shocks are normal, or
Student-t with 3 degrees of freedom and a log volatility that walks (0.1 an outcome).

- ``equal``: the forecasts lie as far above as below the middle of the law; with H = 5 moves are sums of five shocks and
  overlap. Share of runs with an alarm, where at most 5 in 100 are claimed.
- ``two clocks``: the same, and a second series whose bars open half a bar later has the same differences, or the
  opposite ones.
- ``wrong by``: the rival forecasts the middle, the model is wrong by so many standard deviations and a little noise.
  Runs with an alarm, and the outcomes until then, median and 90 % quantile of all runs.
- ``breaks``: the model knows half a standard deviation of the move for 500 outcomes, and its sign is wrong from then
  on. Outcomes from there.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version

import numpy as np
from common import show

from nextbar.metrics.betting import ALPHA, BettingTest

OUTCOMES = 1_000


def alarm(model_T: np.ndarray, rival_T: np.ndarray, move_T: np.ndarray, horizon: int = 1) -> float:
    """Number of the outcome at which the alarm comes; infinite: never."""
    test = BettingTest(horizon)
    difference_T = np.abs(model_T - move_T) - np.abs(rival_T - move_T)
    for t, (difference, bound) in enumerate(zip(difference_T, np.abs(model_T - rival_T), strict=True)):
        if test.settle([""], t, t + horizon, float(difference), float(bound)).evidence >= 1 / ALPHA:
            return t
    return np.inf


def shocks(rng: np.random.Generator, wild: bool, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Shocks, and their volatility."""
    if not wild:
        return rng.standard_normal(n), np.ones(n)
    volatility = np.exp(0.1 * np.cumsum(rng.standard_normal(n)))
    return volatility * rng.standard_t(3, n), volatility


def equal(rng: np.random.Generator, wild: bool, horizon: int) -> float:
    shock_T, volatility = shocks(rng, wild, OUTCOMES + horizon - 1)
    move_T = np.convolve(shock_T, np.ones(horizon), "valid")
    model_T = 0.5 * volatility[:OUTCOMES] * np.repeat(rng.standard_normal(OUTCOMES // horizon), horizon)
    return alarm(model_T, -model_T, move_T, horizon)


def two_clocks(rng: np.random.Generator, sign: int) -> float:
    test = BettingTest(1)
    shock_T, volatility = shocks(rng, True, OUTCOMES)
    model_T = 0.5 * volatility * rng.standard_normal(OUTCOMES)
    difference_T = np.abs(model_T - shock_T) - np.abs(model_T + shock_T)
    for t, (difference, bound) in enumerate(zip(difference_T.tolist(), np.abs(2 * model_T).tolist(), strict=True)):
        first = test.settle(["first"], 2 * t, 2 * t + 2, difference, bound)
        second = test.settle(["second"], 2 * t + 1, 2 * t + 3, sign * difference, bound)
        if max(first.evidence, second.evidence) >= 1 / ALPHA:
            return t
    return np.inf


def wrong_by(rng: np.random.Generator, bias: float) -> float:
    return alarm(bias + 0.2 * rng.standard_normal(OUTCOMES), np.zeros(OUTCOMES), rng.standard_normal(OUTCOMES))


def breaks(rng: np.random.Generator) -> float:
    known_T = 0.5 * rng.standard_normal(OUTCOMES)
    sign_T = np.where(np.arange(OUTCOMES) < 500, 1, -1)
    return alarm(sign_T * known_T, np.zeros(OUTCOMES), known_T + rng.standard_normal(OUTCOMES)) - 500


def measured(runs: int, seed: int) -> dict[str, dict[str, float]]:
    """Percentage of runs with an alarm, and where that is no false one, outcomes until it comes."""
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, float]] = {}
    for horizon in (1, 5):
        for wild in (False, True):
            share = np.mean([equal(rng, wild, horizon) < np.inf for _ in range(runs)])
            found[f"equal, H = {horizon}, {'wild' if wild else 'normal'}"] = {"alarms": 100 * float(share)}
    for sign, name in ((1, "same"), (-1, "opposite")):
        share = np.mean([two_clocks(rng, sign) < np.inf for _ in range(runs)])
        found[f"two clocks, {name}"] = {"alarms": 100 * float(share)}
    for bias in (0.25, 0.5, 1.0):
        found[f"wrong by {bias:g}"] = _delays([wrong_by(rng, bias) for _ in range(runs)])
    return found | {"breaks": _delays([breaks(rng) for _ in range(runs)])}


def _delays(first: list[float]) -> dict[str, float]:
    median, late = np.quantile(np.minimum(first, OUTCOMES), [0.5, 0.9], method="higher")
    return {"alarms": 100 * float(np.mean(np.isfinite(first))), "median": float(median), "90 %": float(late)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    versions = {"python": platform.python_version(), "numpy": version("numpy")}
    show({"runs": options.runs, "outcomes": OUTCOMES, **measured(options.runs, options.seed), "versions": versions})


if __name__ == "__main__":
    main()
