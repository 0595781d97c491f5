"""Decomposition of a score: miscalibration, discrimination, uncertainty.

score = miscalibration - discrimination + uncertainty (the CORP decomposition of quantile scores: Gneiting, Wolffram,
Resin, Kraus, Bracher, Dimitriadis, Hagenmeyer, Jordan, Lerch, Phipps and Schienle 2023, "Model diagnostics and
forecast evaluation for quantiles"). With the quantiles put right by isotonic regression and with the one best
constant:

- miscalibration: score - score of the quantiles put right; what is lost because they do not mean what they say
- discrimination: score of the constant - score of the quantiles put right; what is gained by telling windows apart
- uncertainty: score of the constant; what the outcomes themselves are worth

None is negative. Putting right is done on the very windows that are scored, so a little miscalibration is found in
right forecasts too. The CRPS is twice the mean of the quantile scores over all levels; here over ``LEVELS``, which
makes it the exact CRPS of a law with as many equally likely values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.density import quantile
from nextbar.metrics.isotonic import isotonic_quantiles, quantile_score
from nextbar.metrics.task import Task
from nextbar.metrics.truth import target_change
from nextbar.types import Forecast, Outcomes

LEVELS = tuple((2 * k + 1) / 20 for k in range(10))
"""0.05, 0.15, ..., 0.95"""
TAILS = (0.05, 0.95)


class Decomposition(NamedTuple):
    """A mean score and its parts, in the unit of the outcome."""

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def decompose(quantile_M: np.ndarray, outcome_M: np.ndarray, level: float) -> Decomposition:
    """Decomposition of the mean quantile score of M windows."""
    constant = np.quantile(outcome_M, level, method="inverted_cdf")
    right_M = isotonic_quantiles(quantile_M, outcome_M, level)
    score, right, uncertainty = (
        float(quantile_score(forecast, outcome_M, level).mean()) for forecast in (quantile_M, right_M, constant)
    )
    right = min(right, score, uncertainty)  # to rounding
    return Decomposition(score, score - right, uncertainty - right, uncertainty)


def decompositions(outcomes: Outcomes, forecast: Forecast, task: Task) -> dict[str, Decomposition]:
    """``crps`` and the quantile score of each of the ``TAILS``: each series and step by itself, then the mean.

    Log returns are in percent, as are price changes of series whose prices are all positive, of the last close;
    others are in price units.
    """
    unit_N1 = percent(outcomes, task)
    actual_NH = target_change(outcomes, task) * unit_N1
    rows = list(outcomes.rows_by_name.values())
    by_level = {}
    for level in LEVELS:
        quantile_NH = quantile(forecast, level) * unit_N1
        parts = [decompose(quantile_NH[row, h], actual_NH[row, h], level) for row in rows for h in range(task.horizon)]
        by_level[level] = Decomposition(*np.mean(parts, axis=0).tolist())
    crps = Decomposition(*(2 * np.mean(list(by_level.values()), axis=0)).tolist())
    return {"crps": crps, **{f"{100 * level:g} %": by_level[level] for level in TAILS}}


def percent(outcomes: Outcomes, task: Task) -> np.ndarray:
    """What the target is multiplied by to be a percentage, (N, 1); 1 for series with a price that is not positive."""
    if task.target == "log_return":
        return np.full((len(outcomes.series_N), 1), 100.0)
    unit_N1 = np.ones((len(outcomes.series_N), 1))
    for row_M in outcomes.rows_by_name.values():
        last_M = np.asarray(outcomes.last_close_N, np.float64)[row_M]
        if (last_M > 0).all() and (outcomes.close_NH[row_M] > 0).all():
            unit_N1[row_M, 0] = 100 / last_M
    return unit_N1
