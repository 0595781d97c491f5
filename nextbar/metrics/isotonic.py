"""Isotonic quantile regression: the rising function of a forecast whose quantile score is lowest."""

from __future__ import annotations

import numpy as np


def quantile_score(quantile: np.ndarray, outcome: np.ndarray, level: float) -> np.ndarray:
    """(1{outcome <= quantile} - level) (quantile - outcome), the pinball loss, elementwise; lower is better."""
    gap = np.asarray(quantile) - outcome
    return np.where(gap >= 0, (1 - level) * gap, -level * gap)


def isotonic_quantiles(forecast_M: np.ndarray, outcome_M: np.ndarray, level: float) -> np.ndarray:
    """Values (M,) that rise with the forecast and minimise the sum of the quantile scores of a level.

    Equal forecasts get equal values; values are outcomes. Found by halving: which windows lie above the middle of the
    possible values is a cut of the ordered windows, and either side is then solved with its half of the values (Stout
    2013, "Isotonic regression via partitioning"). About M ln M steps.
    """
    order_M = np.argsort(forecast_M, kind="stable")
    ordered_M, outcome_ordered_M = forecast_M[order_M], outcome_M[order_M]
    may_cut = np.r_[True, ordered_M[1:] > ordered_M[:-1], True]
    value_K = np.unique(outcome_M)
    fitted_M = np.empty(len(forecast_M))
    parts = [(0, len(forecast_M), 0, len(value_K))]
    while parts:
        first, end, low, high = parts.pop()
        if first == end:
            continue
        if high - low == 1:
            fitted_M[first:end] = value_K[low]
            continue
        middle = (low + high) // 2
        # what it costs a window to lie at the upper value rather than at the next lower one, by their distance
        cost = (outcome_ordered_M[first:end] < value_K[middle]) - level
        above = np.r_[np.cumsum(cost[::-1])[::-1], 0.0]
        cut = first + int(np.argmin(np.where(may_cut[first : end + 1], above, np.inf)))
        parts += [(first, cut, low, middle), (cut, end, middle, high)]
    result_M = np.empty_like(fitted_M)
    result_M[order_M] = fitted_M
    return result_M
