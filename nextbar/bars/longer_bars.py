"""The longer bars that the bars of one series make up: where they begin and end, and what each lacks to be whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.slots import Slots

Aggregate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""from values (N,) without NaN and the first row of each group (M,), ascending: a value of each group (M,)"""

AGGREGATES: dict[str, Aggregate] = {
    "last": lambda value_N, first_M: value_N[np.append(first_M[1:], len(value_N)) - 1],
    "first": lambda value_N, first_M: value_N[first_M],
    "sum": np.add.reduceat,
    "mean": lambda value_N, first_M: np.add.reduceat(value_N, first_M) / np.diff(np.append(first_M, len(value_N))),
    "min": np.minimum.reduceat,
    "max": np.maximum.reduceat,
}
"""how a column's values become the one of a longer bar; empty ones are passed over"""

OF_BARS = {
    "open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "trades": "sum"
}  # fmt: skip
"""those of a bar's own columns"""


@dataclass(frozen=True, eq=False)
class LongerBars:
    """M longer bars, each of the rows of a series that open in it; those in which none opens are not there."""

    first_M: np.ndarray
    """int64: first row of each"""
    count_M: np.ndarray
    """int64: rows of each"""
    begin_M: np.ndarray
    """int64: when each begins, seconds since the epoch"""
    end_M: np.ndarray
    """int64: when it is over"""
    lacking_M: np.ndarray
    """int64: open slots in which it has no row, those of closures not counted; 0: it is whole. The first lacks what its
    beginning has of open slots, the last what its end has: whether that is a closure, only other rows would say."""

    @classmethod
    def of(cls, time_N: np.ndarray, step: int, calendar: Calendar, length: int, offset: int = 0) -> LongerBars:
        """The longer bars of a series, on the clock of its calendar.

        Whether one is whole follows from the calendar, its own rows, the row before it and the row after it, and from
        the latter only where the calendar has open slots between its last row and its end.

        Args:
            time_N: opening times of at least one row, int64, ascending.
            step: seconds of a row.
            calendar: of the series.
            length: seconds of a longer bar.
            offset: seconds after midnight, or the full hour, at which they begin.
        """
        slots = Slots(length, offset % length, calendar.timezone)
        number_N = _slot(slots, time_N)
        first_M = np.flatnonzero(np.diff(number_N, prepend=number_N[0] - 1))
        count_M = np.diff(np.append(first_M, len(time_N)))
        begin_M, end_M = slots.begin(number_N[first_M]), slots.begin(number_N[first_M] + 1)
        group_N = np.repeat(np.arange(len(first_M)), count_M)
        return cls(first_M, count_M, begin_M, end_M, _lacking(time_N, step, calendar, group_N, begin_M, end_M))

    @property
    def last_M(self) -> np.ndarray:
        """int64: last row of each."""
        return self.first_M + self.count_M - 1

    def aggregated(self, value_N: np.ndarray, aggregate: str, *, whole: bool) -> np.ndarray:
        """float64 (M,): a column's value in each, by a name in ``AGGREGATES``; NaN where it is empty in all rows, or,
        if ``whole``, in any."""
        known_N = ~np.isnan(value_N)
        known_M = np.add.reduceat(known_N.astype(np.int64), self.first_M)
        out_M = np.full(len(self.first_M), np.nan)
        some_M = known_M > 0
        if some_M.any():
            starts = np.concatenate([[0], np.cumsum(known_M[some_M])[:-1]])
            out_M[some_M] = AGGREGATES[aggregate](value_N[known_N], starts)
        if whole:
            out_M[known_M < self.count_M] = np.nan
        return out_M


def _slot(slots: Slots, time_N: np.ndarray) -> np.ndarray:
    """Number of the slot that each instant lies in."""
    number_N = slots.number(time_N)
    number_N = number_N - (slots.begin(number_N) > time_N)
    return number_N + (slots.begin(number_N + 1) <= time_N)


def _lacking(
    time_N: np.ndarray, step: int, calendar: Calendar, group_N: np.ndarray, begin_M: np.ndarray, end_M: np.ndarray
) -> np.ndarray:
    """int64 (M,): see ``LongerBars.lacking_M``; ``group_N`` is the longer bar of each row."""
    lacking_M = np.zeros(len(begin_M), np.int64)
    lacking_M[0] += calendar.open_between(begin_M[:1], time_N[:1])[0]
    lacking_M[-1] += calendar.open_between(time_N[-1:] + step, end_M[-1:])[0]
    after = np.flatnonzero(calendar.hole_before(time_N))
    before, missing = after - 1, calendar.missing(time_N)[after]
    same = group_N[before] == group_N[after]
    np.add.at(lacking_M, group_N[after[same]], missing[same])
    before, after = before[~same], after[~same]
    tails = calendar.open_between(time_N[before] + step, end_M[group_N[before]])
    heads = calendar.open_between(begin_M[group_N[after]], time_N[after])
    np.add.at(lacking_M, group_N[before], tails)
    np.add.at(lacking_M, group_N[after], heads)
    return lacking_M
