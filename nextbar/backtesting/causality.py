"""Finds predictors that look ahead: without the later bars their forecasts must be the same."""

from __future__ import annotations

from collections.abc import Iterator
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
from nextbar.machine.interruptible import hear
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index
from nextbar.rivals import LibraryRival
from nextbar.types import Forecast, Law

TOLERANCE = 1e-6
"""Relative difference that counts as rounding, which may depend on how many rows are computed together."""
WIDE_LOOKS = (0.25, 0.5, 0.75)
"""Where the bars end while all earlier origins are compared, as shares of the fold's origins."""
NARROW_LOOKS = 300
"""Moments of a backtest at which the bars end while the origins of that moment alone are compared. A predictor that
peeks in a share s of the moments is missed with probability (1 - s)^300: 0.2 % for 2 % of the moments."""
BEST_LOOKS = 20
"""Further moments of a fold: those with the smallest errors, where a peek would have paid most."""


def require_causal(
    participant: Participant,
    panel: BacktestPanel,
    fold: Fold,
    row_N: np.ndarray,
    forecast: Forecast,
    task: Task,
    folds: int = 1,
) -> None:
    """Compare the forecasts with those made when the bars end at some origins of the fold.

    A frame that ends at a moment settles whether the origins of that moment look ahead, by however few bars. Rivals of
    other libraries are asked by nextbar's own code, which hands over no later bars, so they get the wide looks alone.

    Args:
        participant: the predictor.
        panel: all bars.
        fold: what is forecast.
        row_N: origins, rows of the panel.
        forecast: its forecast from them, with the bars up to the fold's end.
        task: what is forecast.
        folds: number of folds that share the narrow looks.

    Raises:
        DataError: without the later bars it forecasts otherwise, or not at all.
    """
    origin_N = panel.close_time_R[row_N]
    moments = np.unique(origin_N)
    for end in np.unique(moments[[int(share * len(moments)) for share in WIDE_LOOKS]]):
        _require_same(participant, panel, fold, row_N, forecast, task, int(end), origin_N <= end)
    if not isinstance(participant.predictor, LibraryRival):
        for end in _narrow_moments(moments, origin_N, _errors(forecast, panel, row_N, task), fold, folds):
            hear()
            _require_same(participant, panel, fold, row_N, forecast, task, int(end), origin_N == end)


def _narrow_moments(
    moments: np.ndarray, origin_N: np.ndarray, error_N: np.ndarray, fold: Fold, folds: int
) -> Iterator[int]:
    """Moments of the narrow looks: those of the best forecasts, then random ones, so that no rhythm escapes."""
    best = np.unique(origin_N[np.argsort(error_N, kind="stable")[:BEST_LOOKS]])
    others = np.setdiff1d(moments, best)
    rng = np.random.default_rng([fold.number, len(moments)])
    yield from best
    yield from rng.permutation(others)[: -(-NARROW_LOOKS // folds)]


def _errors(forecast: Forecast, panel: BacktestPanel, row_N: np.ndarray, task: Task) -> np.ndarray:
    """How far the first step's forecast of each origin is from the outcome, (N,): 1 - p of bins, else relative."""
    last_N1, actual_N1 = panel.close_R[row_N, None], panel.close_R[row_N + 1, None]
    if forecast.log_probs_NHK is not None:
        bin_N1 = bin_index(last_N1, actual_N1, task.edges)
        return 1 - np.exp(np.take_along_axis(forecast.log_probs_NHK[:, 0], bin_N1, axis=1)[:, 0])
    return np.abs(_close(forecast, panel.keys(row_N), task)[:, :1] / actual_N1 - 1)[:, 0]


def _require_same(
    participant: Participant,
    panel: BacktestPanel,
    fold: Fold,
    row_N: np.ndarray,
    forecast: Forecast,
    task: Task,
    end: int,
    compared_N: np.ndarray,
) -> None:
    """Ask once more with bars that close up to ``end`` only, and compare the forecasts from some origins.

    Raises:
        DataError: they differ, or there are none.
    """
    keys, before = panel.keys(row_N[compared_N]), forecast.rows(compared_N)
    cut = f"{fold}, asked once more with bars to {iso(end)} only"
    try:
        after = participant.ask(panel.frame(fold.begin, end + 1), keys, task, cut)
    except DataError as error:
        raise DataError(
            f"{participant.name} looks ahead: it forecasts all origins when later bars are there, but not without "
            f"them. {error}"
        ) from error
    gap_NH = _gap(before, after, keys, task, participant.direction_only)
    if (gap_NH > TOLERANCE).any():
        n, h = np.unravel_index(np.argmax(gap_NH), gap_NH.shape)
        raise DataError(
            f"{participant.name} looks ahead: its forecast of step {h + 1} from origin {iso(keys.origin_N[n])} of "
            f"{keys.ticker_N[n]} changes when the bars end at {iso(end)} "
            f"({_values(before, keys, task, n, h)} with all bars of the fold, "
            f"{_values(after, keys, task, n, h)} without the later ones). A forecast may use bars up to its origin"
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
    """The positive numbers of a law, by whose size differences count: scale, degrees of freedom, one plus skewness."""
    return law.scale, law.df, None if law.skew is None else 1 + law.skew


def _values(forecast: Forecast, keys: Keys, task: Task, n: Any, h: Any) -> str:
    if forecast.log_probs_NHK is not None:
        return "p " + ", ".join(f"{p:.4g}" for p in np.exp(forecast.log_probs_NHK[n, h]))
    close = f"close {_close(forecast, keys, task)[n, h]:.9g}"
    return close if forecast.scale_NH is None else f"{close}, scale {forecast.scale_NH[n, h]:.9g}"
