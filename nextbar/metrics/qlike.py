"""QLIKE: loss of the forecast variance against the realised variance.

ln h + v / h for a forecast variance h and a realised one v, lower is better: of the losses of a variance it is one of
the two kinds whose order is right however noisy v is, as long as v is right on average (Patton 2011), and the one
that large moves do not dominate.
"""

from __future__ import annotations

import numpy as np

from nextbar.metrics.decomposition import percent
from nextbar.metrics.task import Task
from nextbar.metrics.truth import target_change
from nextbar.types import Forecast, Outcomes


def qlike(variance: np.ndarray, realised: np.ndarray) -> np.ndarray:
    """ln(variance) + realised / variance, elementwise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(variance) + realised / variance


def realised_variance(outcomes: Outcomes, task: Task, range_NH: np.ndarray | None) -> tuple[np.ndarray, bool]:
    """Realised variance (N, H) of the change over h bars, in squared percent, and whether it is of ranges.

    Range variances, which are far less noisy than squared changes, are scaled for each series and step so that their
    mean is that of the squared changes: prices that trade now and then have ranges that are too small, and a bar's
    moves may partly undo those of the bar before, which would favour forecasts that are as much too low (Hansen and
    Lunde 2005 scale in the same way). Squared changes where there are none.

    Args:
        outcomes: N windows.
        task: what is forecast.
        range_NH: variance of the log return over h bars as told by the bars' ranges; None: unknown.
    """
    square_NH = (target_change(outcomes, task) * percent(outcomes, task)) ** 2
    if range_NH is None:
        return square_NH, False
    realised_NH = np.empty_like(square_NH)
    ranged = True
    for row_M in outcomes.rows_by_name.values():
        mean_H = range_NH[row_M].mean(axis=0)
        if np.isfinite(mean_H).all() and (mean_H > 0).all():
            realised_NH[row_M] = range_NH[row_M] * (square_NH[row_M].mean(axis=0) / mean_H)
        else:
            realised_NH[row_M], ranged = square_NH[row_M], False
    return realised_NH, ranged


def qlike_losses(outcomes: Outcomes, forecast: Forecast, task: Task, realised_NH: np.ndarray) -> np.ndarray:
    """QLIKE of each window, averaged over the horizon, (N,)."""
    assert forecast.scale_NH is not None
    scale_NH = np.asarray(forecast.scale_NH, np.float64) * percent(outcomes, task)
    return qlike(scale_NH**2, realised_NH).mean(axis=1)
