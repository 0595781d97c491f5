"""Candidates for the strongest simple rival: all baselines of a question, fitted, and their forecasts of windows.

A series that the run did not train has fits of its own, on its bars before its first scored origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.baselines import for_task
from nextbar.baselines.base import Baseline
from nextbar.baselines.history import History
from nextbar.data.dataset import Dataset
from nextbar.data.panel import Panel
from nextbar.errors import DataError
from nextbar.metrics.reference import least_moves
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference

ORDER = (
    "range_har_t", "range_har_trailing_t", "range_har_skew_t", "range_har_trailing_skew_t", "gjr_garch_t", "garch_t",
    "range_har_normal", "gjr_garch_normal", "garch_normal", "ewma_t", "ewma_normal", "constant_t", "constant_normal",
    "frequencies", "persistence", "drift", "seasonal", "drift_median", "ar", "ar_median",
)  # fmt: skip
"""which one is taken where nothing is validated, and of two that are equally good: the first of those there are"""

Key = tuple[str, str | None]
"""Ticker and resolution of a series."""


class OwnFit(NamedTuple):
    """Candidates that were fitted on one series alone."""

    until: int
    """When the last bar that they were fitted on closes, seconds since the epoch."""
    fitted: Mapping[str, Baseline]
    """By name; none where the series has too few bars."""


OwnFits = Mapping[Key, OwnFit]
"""Of each series that the run did not train."""


class Candidates(NamedTuple):
    """The baselines of a question that were fitted, by name in ``ORDER``, and why others were not."""

    fitted: dict[str, Baseline]
    left_out: dict[str, str]


def fit_candidates(dataset: Dataset, task: Task, until: int) -> Candidates:
    """Fit the baselines of a question on the bars of a data set that close before ``until``.

    Each on all trained series. Those of the direction alone are no candidates, and neither are those that
    take too long: the limits count training bars, not seconds, so that the same bars have the same rivals everywhere.
    """
    fitted: dict[str, Baseline] = {}
    left_out: dict[str, str] = {}
    size = sum(int(np.searchsorted(b.close_time_N, until)) for b in dataset.used) * task.horizon
    for baseline in baselines_of(task):
        if size > baseline.most_bars:
            left_out[baseline.name] = (
                f"{size:,} training bars x steps, and it is fitted on {baseline.most_bars:,} at most"
            )
            continue
        try:
            fitted[baseline.name] = fit_baseline(baseline, dataset, until)
        except DataError as error:
            left_out[baseline.name] = _reason(baseline, error)
    return Candidates(fitted, left_out)


def fit_alone(names: Sequence[str], task: Task, bars: Bars, calendar: Calendar) -> OwnFit:
    """Fit candidates on one series by itself, as a run on that series alone would; those that cannot be are left out.

    Args:
        names: of the candidates.
        task: the question.
        bars: the bars before the first scored origin, that of the origin among them.
        calendar: of the series.
    """
    fitted = {}
    for baseline in baselines_of(task):
        if baseline.name in names:
            try:
                fitted[baseline.name] = baseline.learn([History.of(bars)], [calendar])
            except DataError:
                continue
    return OwnFit(int(bars.close_time_N[-1]), fitted)


def _reason(baseline: Baseline, error: DataError) -> str:
    return str(error).removeprefix(f"baseline {baseline.name}: ")


def baselines_of(task: Task) -> list[Baseline]:
    """Those that may be a rival, in ``ORDER``, those that are not in it last."""
    candidates = [b for b in for_task(task) if isinstance(b, Baseline) and not b.direction_only]
    return sorted(candidates, key=lambda b: ORDER.index(b.name) if b.name in ORDER else len(ORDER))


def named(name: str, task: Task) -> Baseline:
    return next(baseline for baseline in baselines_of(task) if baseline.name == name)


def fit_baseline(baseline: Baseline, dataset: Dataset, until: int) -> Baseline:
    """Of series with too few bars nothing is learnt, so that their forecasts are in units of their own reference.

    Raises:
        DataError: it cannot be fitted, or could not forecast one of the series.
    """
    known = [bars.first(int(np.searchsorted(bars.close_time_N, until))) for bars in dataset.used]
    least = least_moves(baseline.task.horizon) + baseline.task.horizon
    rows = [
        s
        for s, bars in enumerate(known)
        if len(bars) and dataset.trained[s] and (dataset.learnt[s] or len(bars) >= least)
    ]
    lacking = {bars.resolution for bars in known} - {known[s].resolution for s in rows}
    if lacking and baseline.needs_ranges:
        raise DataError(f"it needs {least} training bars of a series at {', '.join(sorted(lacking))}")
    return baseline.learn([History.of(known[s]) for s in rows], [dataset.calendars[s] for s in rows])


def forecasts(
    baseline: Baseline,
    own: OwnFits,
    panel: Panel,
    calendars: Sequence[Calendar],
    origin_N: np.ndarray,
    reference: Reference,
) -> Forecast:
    """A candidate's forecasts of windows of several series, in their order.

    A series in ``own`` is forecast by the fit of its own; where it has none the forecasts are NaN.

    Raises:
        DataError: a series that it cannot forecast.
    """
    series_N = panel.series_R[origin_N]
    rows, parts = [], []
    for s in np.unique(series_N):
        row_N = np.flatnonzero(series_N == s)
        history = History.of(panel.bars[s])
        fit = own[history.key].fitted.get(baseline.name) if history.key in own else baseline
        own_N = origin_N[row_N] - panel.starts[s]
        rows.append(row_N)
        part = (fit or baseline).forecast(history, calendars[s], own_N, reference.of_series(s))
        parts.append(part if fit else Forecast(*(None if a is None else np.full(a.shape, np.nan) for a in part)))
    return Forecast.joined(parts).rows(np.argsort(np.concatenate(rows)))
