"""Difference of two forecasts' losses, and its bound, which is known before the outcome.

A betting test needs losses whose difference is bounded, and those of forecasts are not. Their difference is, by how far
the two forecasts lie apart, where the loss is one of these proper scores:

- ``mean``: the absolute error. | |a - y| - |b - y| | is at most |a - b|.
- ``distribution``: the CRPS. As a function of the outcome the difference has the slope 2 (F - G), so it is flat where
  neither law has mass, and its greatest value is looked for between there, on ``NODES`` outcomes. What lies
  between two nodes is of second order, and cut off.
- ``discrete_grid``: the Brier score, whose difference has one value for each bin.

The first two are in units of the move's standard deviation over as many bars in training, so that tickers and calm and
wild times compare.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.density import crps
from nextbar.metrics.task import Task
from nextbar.metrics.truth import target_change
from nextbar.move_bins import bin_index
from nextbar.types import Forecast, Outcomes

REACH = 3.5
"""nodes reach sinh(3.5) = 16.5 standard deviations from the mean of either law"""
NODES = 17
"""outcomes around each law at which the difference is computed"""


class LossDifference(NamedTuple):
    """Loss of the first forecast less that of the second, mean over the horizon; float64 (N,)."""

    value_N: np.ndarray
    """above 0: the first was worse"""
    bound_N: np.ndarray
    """its size is no more, whatever the outcome; a function of the forecasts alone"""


def loss_difference(
    first: Forecast, second: Forecast, outcomes: Outcomes, unit_NH: np.ndarray, task: Task
) -> LossDifference:
    """Difference of two forecasts' losses at the outcomes of N windows, with its bound; NaN where it has none.

    Args:
        first: forecasts, those that are tested.
        second: those that they are held against, of any law.
        outcomes: what happened.
        unit_NH: standard deviation of the move over 1 ... H bars, in the unit of the target; not used for bins.
        task: the question.
    """
    difference = {"mean": _absolute, "distribution": _crps, "discrete_grid": _brier}[task.output_mode]
    with np.errstate(all="ignore"):
        value_NH, bound_NH = difference(first, second, outcomes, task)
        if task.output_mode != "discrete_grid":
            value_NH, bound_NH = value_NH / unit_NH, bound_NH / unit_NH
        value_NH = np.clip(value_NH, -bound_NH, bound_NH)  # rounding, and what the nodes of a CRPS do not see
    return LossDifference(value_NH.mean(axis=1), bound_NH.mean(axis=1))


def _absolute(first: Forecast, second: Forecast, outcomes: Outcomes, task: Task) -> tuple[np.ndarray, np.ndarray]:
    a_NH, b_NH = (np.asarray(f.location_NH, np.float64) for f in (first, second))
    y_NH = target_change(outcomes, task)
    return np.abs(a_NH - y_NH) - np.abs(b_NH - y_NH), np.abs(a_NH - b_NH)


def _crps(first: Forecast, second: Forecast, outcomes: Outcomes, task: Task) -> tuple[np.ndarray, np.ndarray]:
    node_J11 = np.sinh(np.linspace(-REACH, REACH, NODES))[:, None, None]
    laws = [(np.asarray(f.location_NH, np.float64), np.asarray(f.scale_NH, np.float64)) for f in (first, second)]
    node_JNH = np.concatenate([location_NH + node_J11 * scale_NH for location_NH, scale_NH in laws])
    y_JNH = np.concatenate([target_change(outcomes, task)[None], node_JNH])
    difference_JNH = crps(first, y_JNH) - crps(second, y_JNH)
    return difference_JNH[0], np.abs(difference_JNH[1:]).max(axis=0)


def _brier(first: Forecast, second: Forecast, outcomes: Outcomes, task: Task) -> tuple[np.ndarray, np.ndarray]:
    p_NHK, q_NHK = (np.exp(np.asarray(f.log_probs_NHK, np.float64)) for f in (first, second))
    square_NH1 = np.sum(p_NHK**2 - q_NHK**2, axis=-1, keepdims=True)
    by_bin_NHK = square_NH1 - 2 * (p_NHK - q_NHK)
    bin_NH = bin_index(outcomes.last_close_N[:, None], outcomes.close_NH, task.edges)
    value_NH = np.take_along_axis(by_bin_NHK, bin_NH[..., None], axis=-1)[..., 0]
    return value_NH, np.abs(by_bin_NHK).max(axis=-1)
