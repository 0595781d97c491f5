"""Closed bars of a longer resolution: made from a series' own bars, and aligned with each of these.

A longer bar counts for a row if it was over when that row's bar closed. It is whole, no bar is missing before it (its
returns begin with the close of the bar before), and all of them lie among the last bars that a context looks back on,
so that a forecast is the same however much more history there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.columns import AMOUNTS
from nextbar.bars.longer_bars import OF_BARS, LongerBars
from nextbar.resolution import seconds

if TYPE_CHECKING:
    from nextbar.data.window_spec import WindowSpec

SPARE = 2
"""longer bars that a context looks back on beside those asked for: the one that is not over, one that is not whole"""

PREVIOUS = "previous"
"""column: the close of the bar before a longer one"""


class ClosedBars(NamedTuple):
    """Whole bars of a longer resolution of one series, and which of them have closed with each of its bars."""

    rows_UX: np.ndarray
    """float64: columns, and the number of bars that each is made of"""
    closed_U: np.ndarray
    """int64: row with which each has closed, ascending"""
    until_N: np.ndarray
    """int64: how many have closed with each row"""
    known_N: np.ndarray
    """int64: how many of the last J of these count"""


def context_columns(spec: WindowSpec) -> tuple[str, ...]:
    """Columns of a longer bar; volume and trades are those of its mean bar."""
    previous = (PREVIOUS,) if spec.returns else ()
    return (*spec.prices[: spec.own_prices], *previous, *spec.volumes)


def context_width(spec: WindowSpec) -> int:
    """Numbers of a longer bar on the host."""
    return len(context_columns(spec)) + 1


def reach(longer: str, resolution: str, context_len: int) -> int:
    """Bars of a series, up to and with the origin, that so many bars of a longer resolution may come from."""
    return (context_len + SPARE) * (seconds(longer) // seconds(resolution))


def closed_bars(bars: Bars, calendar: Calendar, resolution: str, spec: WindowSpec) -> ClosedBars:
    """The whole bars of a longer resolution that the bars of a series make up, as far as they have closed."""
    longer = LongerBars.of(bars.time_N, bars.step, calendar, seconds(resolution))
    rows_UX = np.stack([*_columns(bars, longer, spec), longer.count_M], axis=1)
    # over by the clock, and so are the bars that it is made of
    closed_M = np.maximum(np.searchsorted(bars.close_time_N, longer.end_M), longer.last_M)
    follows_M = (longer.first_M > 0) & ~calendar.hole_before(bars.time_N)[longer.first_M]
    kept_M = (longer.lacking_M == 0) & ~np.isnan(rows_UX).any(axis=1) & follows_M & (closed_M < len(bars))
    closed_U, before_U = closed_M[kept_M], longer.first_M[kept_M] - 1
    row_N = np.arange(len(bars))
    until_N = np.searchsorted(closed_U, row_N, side="right")
    since_N = np.searchsorted(before_U, row_N - reach(resolution, bars.resolution, spec.context_len) + 1)
    known_N = np.clip(until_N - since_N, 0, spec.context_len)
    return ClosedBars(rows_UX[kept_M], closed_U, until_N, known_N)


def _columns(bars: Bars, longer: LongerBars, spec: WindowSpec) -> Iterable[np.ndarray]:
    """float64 (M,) each: the columns of the longer bars."""
    for name in context_columns(spec):
        if name == PREVIOUS:
            yield bars.columns["close"][np.maximum(longer.first_M - 1, 0)]
            continue
        value_M = longer.aggregated(bars.columns[name], OF_BARS[name], whole=name in AMOUNTS)
        if name in AMOUNTS:
            value_M = value_M / longer.count_M
            yield np.log1p(value_M) if spec.returns else value_M
        else:
            yield value_M
