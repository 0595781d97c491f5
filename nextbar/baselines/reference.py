"""What training says about each series, and the one baseline that stands beside every metric.

- ``mean``: persistence, the next close equals the last
- ``distribution``: persistence with the constant standard deviation of the training span; normal, also
  beside a Student-t model
- ``discrete_grid``: add-one frequencies of the bins in the training span, per horizon step
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.data.targets import bin_index
from nextbar.errors import DataError
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes, Reference

NAMES = {
    "mean": "persistence",
    "distribution": "persistence with a constant spread",
    "discrete_grid": "the training frequencies",
}


def fit(training: Outcomes, closes: Sequence[np.ndarray], task: Task, trained_S: np.ndarray | None = None) -> Reference:
    """What the training span says about each series.

    ``training`` holds all moves over H bars of the training span, whatever context a model needs, so that models with
    another context have the same baseline, and ``closes`` the training closes of each series, in the order of
    ``training.names``. A series that is only scored comes with its moves and closes before the first cut and False in
    ``trained_S`` (S,) bool: its moves fit its own spread, but not the pooled bin frequencies. A positive series too
    short or too still to have a spread takes the mean of the others'. Raises DataError where log returns or percentage
    moves are asked of a price that is not above zero.
    """
    n_series = len(training.names)
    positive_S = np.array([bool(np.all(np.asarray(c) > 0)) for c in closes], bool)
    if task.needs_positive_prices and not positive_S.all():
        raise DataError(not_positive(training.names[int(np.argmin(positive_S))], task))
    move_std_SH = np.full((n_series, task.horizon), np.nan)
    for s in range(n_series):
        row = training.series_N == s
        last_N1, close_NH = training.last_close_N[row, None], training.close_NH[row]
        if len(last_N1) > 1:
            move_NH = np.log(close_NH / last_N1) if positive_S[s] else close_NH - last_N1
            move_std_SH[s] = move_NH.std(axis=0)
    move_std_SH[~(move_std_SH > 0)] = np.nan
    known_S = ~np.isnan(move_std_SH).any(axis=1)
    if (positive_S & known_S).any():  # log returns of different series share a unit, changes do not
        move_std_SH[positive_S & ~known_S] = move_std_SH[positive_S & known_S].mean(axis=0)
    return Reference(
        center_S=np.array([np.mean(c) if len(c) else np.nan for c in closes], np.float64),
        spread_S=np.array([np.std(c) if len(c) else np.nan for c in closes], np.float64),
        move_std_SH=move_std_SH,
        positive_S=positive_S,
        frequencies_HK=_frequencies(training, task, trained_S) if task.output_mode == "discrete_grid" else None,
    )


def _frequencies(training: Outcomes, task: Task, trained_S: np.ndarray | None) -> np.ndarray:
    """(count + 1) / (N + K) of each bin over the moves of all trained series together, (H, K)."""
    n_bins = len(task.edges) - 1
    row = slice(None) if trained_S is None else np.asarray(trained_S, bool)[training.series_N]
    bin_NH = bin_index(training.last_close_N[row, None], training.close_NH[row], task.edges)
    count_HK = np.stack([np.bincount(bin_N, minlength=n_bins) for bin_N in bin_NH.T])
    return (count_HK + 1) / (len(bin_NH) + n_bins)


def forecast(reference: Reference, outcomes: Outcomes, task: Task) -> Forecast:
    """The baseline's forecasts for the N windows of a span, as read-only views where nothing varies.

    The constant spread belongs to the log return: for target ``close`` the standard deviation is spread x
    last close (training mean, where the last close has since fallen to zero or below), for ``log_return`` the
    spread itself. For a series whose training prices are not all above zero it is the spread of the changes.
    """
    shape = (len(outcomes.series_N), task.horizon)
    if task.output_mode == "discrete_grid":
        assert reference.frequencies_HK is not None  # fit() counted them for this very task
        log_probs_HK = np.log(reference.frequencies_HK)
        return Forecast(log_probs_NHK=np.broadcast_to(log_probs_HK, (shape[0], *log_probs_HK.shape)))
    location_NH = np.broadcast_to(0.0, shape)
    if task.output_mode == "mean":
        return Forecast(location_NH=location_NH)
    unit_N = target_unit(reference, outcomes.series_N, outcomes.last_close_N, task)
    return Forecast(location_NH=location_NH, scale_NH=reference.move_std_SH[outcomes.series_N] * unit_N[:, None])


def target_unit(reference: Reference, series_N: np.ndarray, last_close_N: np.ndarray, task: Task) -> np.ndarray:
    """What a small move of 1 is in the unit of the target, (N,): a log return for target ``close`` is worth the price.

    Moves are log returns of a series whose training prices are all above zero, else changes.
    """
    if task.target == "log_return":
        return np.ones(len(last_close_N))
    price_N = np.where(last_close_N > 0, last_close_N, reference.center_S[series_N])
    return np.where(reference.positive_S[series_N], price_N, 1.0)


def not_positive(name: str, task: Task) -> str:
    """The message for a series that cannot be asked for returns."""
    what = "output_mode 'discrete_grid'" if task.output_mode == "discrete_grid" else "target 'log_return'"
    return (
        f"{name}: {what} needs every price above zero, but some are not. "
        "Use target 'close' with output_mode 'mean' or 'distribution', or another series."
    )
