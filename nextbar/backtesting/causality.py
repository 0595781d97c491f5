"""Finds predictors that look ahead: without the later bars their forecasts must be the same."""

from __future__ import annotations

from functools import reduce
from itertools import zip_longest
from typing import Any

import numpy as np

from nextbar.backtesting.folds import Fold
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant
from nextbar.bars.dates import iso
from nextbar.errors import DataError
from nextbar.forecasts import Keys
from nextbar.forecasts.table import laws
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Law

TOLERANCE = 1e-6
"""relative difference that counts as rounding, which may depend on how many rows are computed together"""
LOOKS = (0.25, 0.5, 0.75)
"""where the bars are cut off, as shares of the fold's origins"""


def require_causal(
    participant: Participant, panel: BacktestPanel, fold: Fold, row_N: np.ndarray, forecast: Forecast, task: Task
) -> None:
    """Compare the forecasts with those made when the bars end at some origins of the fold.

    Args:
        participant: the predictor.
        panel: all bars.
        fold: what is forecast.
        row_N: origins, rows of the panel.
        forecast: its forecast from them, with the bars up to the fold's end.
        task: what is forecast.

    Raises:
        DataError: without the later bars it forecasts otherwise, or not at all.
    """
    origin_N = panel.close_time_R[row_N]
    moments = np.unique(origin_N)
    for end in np.unique(moments[[int(share * len(moments)) for share in LOOKS]]):
        early = origin_N <= end
        keys = panel.keys(row_N[early])
        cut = f"{fold}, asked once more with bars to {iso(end)} only"
        frame = panel.frame(fold.begin, int(end) + 1)
        try:
            again = participant.ask(frame, keys, task, cut)
        except DataError as error:
            raise DataError(
                f"{participant.name} looks ahead: it forecasts all origins when later bars are there, but not without "
                f"them. {error}"
            ) from error
        gap_NH = _gap(forecast.rows(early), again, keys, task, participant.direction_only)
        if (gap_NH > TOLERANCE).any():
            n, h = np.unravel_index(np.argmax(gap_NH), gap_NH.shape)
            raise DataError(
                f"{participant.name} looks ahead: its forecast of step {h + 1} from origin {iso(keys.origin_N[n])} of "
                f"{keys.ticker_N[n]} is another one when the bars end at {iso(end)} "
                f"({_values(forecast.rows(early), keys, task, n, h)} with all bars of the fold, "
                f"{_values(again, keys, task, n, h)} without the later ones). A forecast may use bars up to its origin"
            )


def _close(forecast: Forecast, keys: Keys, task: Task) -> np.ndarray:
    assert forecast.location_NH is not None
    last_N1 = keys.last_close_N[:, None]
    return last_N1 * np.exp(forecast.location_NH) if task.target == "log_return" else last_N1 + forecast.location_NH


def _gap(first: Forecast, second: Forecast, keys: Keys, task: Task, direction_only: bool) -> np.ndarray:
    """Largest relative difference between two forecasts of a window and step, (N, H)."""
    if first.log_probs_NHK is not None and second.log_probs_NHK is not None:
        return np.abs(np.exp(first.log_probs_NHK) - np.exp(second.log_probs_NHK)).max(axis=-1)
    assert first.location_NH is not None and second.location_NH is not None
    gaps = [_relative(_close(first, keys, task), _close(second, keys, task))]
    gaps += map(_relative, _sizes(first.own), _sizes(second.own))
    for ours, others in zip_longest(laws(first), laws(second), fillvalue=Law()):
        gaps += map(_relative, _sizes(ours), _sizes(others))
        if ours.location is not None and others.location is not None:  # a mean near zero has no size to compare with
            gaps.append(np.abs(ours.location - others.location) / ours.scale)
    if first.quantiles_NHQ is not None and second.quantiles_NHQ is not None:
        gap_NH = np.abs(first.quantiles_NHQ - second.quantiles_NHQ).max(axis=-1)
        # as closes are, relative to the price
        gaps.append(gap_NH if task.target == "log_return" else gap_NH / np.abs(keys.last_close_N[:, None]))
    if direction_only:
        gaps.append(np.where(np.sign(first.location_NH) == np.sign(second.location_NH), 0.0, np.inf))
    return reduce(np.maximum, gaps)


def _relative(first: np.ndarray | None, second: np.ndarray | None) -> Any:
    """Difference by the larger size of the two; 0 where neither is there, infinite where one is."""
    if first is None or second is None:
        return 0.0 if first is second else np.inf
    size = np.maximum(np.maximum(np.abs(first), np.abs(second)), np.finfo(float).tiny)
    return np.abs(first - second) / size


def _sizes(law: Law) -> tuple[np.ndarray | None, ...]:
    """The numbers of a law but its location, as such that are above zero: differences are relative to them."""
    return law.scale, law.df, None if law.skew is None else 1 + law.skew


def _values(forecast: Forecast, keys: Keys, task: Task, n: Any, h: Any) -> str:
    if forecast.log_probs_NHK is not None:
        return "p " + ", ".join(f"{p:.4g}" for p in np.exp(forecast.log_probs_NHK[n, h]))
    close = f"close {_close(forecast, keys, task)[n, h]:.9g}"
    return close if forecast.scale_NH is None else f"{close}, scale {forecast.scale_NH[n, h]:.9g}"
