"""Time zones: the offset of local time from UTC, for whole arrays of instants."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from nextbar.config.values import FIRST_YEAR, LAST_YEAR

UTC = "UTC"

MARKET_ZONES = (
    UTC,
    "America/New_York",
    "Europe/London",
    "Europe/Berlin",
    "America/Chicago",
    "Australia/Sydney",
    "Asia/Tokyo",
    "Asia/Hong_Kong",
    "America/Sao_Paulo",
)
"""zones that ``auto`` chooses among; of those that fit equally well the first is taken"""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""what seconds are added to: ``fromtimestamp`` knows no time before it on Windows"""

_WEEK = 7 * 86_400
"""no zone changes its clocks and changes them back within a week"""


class Offsets(NamedTuple):
    """Local time is UTC plus an offset, which changes at K - 1 instants."""

    change_K: np.ndarray
    """int64 (K - 1,): when the offset changes, seconds since the epoch, ascending"""
    offset_K: np.ndarray
    """int64 (K,): seconds to add to UTC before the first change, between any two, and after the last"""

    def part(self, time: np.ndarray) -> np.ndarray:
        """Index of the offset that holds at each instant, seconds since the epoch, any shape."""
        return np.searchsorted(self.change_K, time, side="right")

    def pattern(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """The changes after ``first`` until ``last``: when, and by how many seconds.

        Two zones of one pattern are a constant apart, and no dates within can tell them from each other.
        """
        inside = np.flatnonzero((self.change_K > first) & (self.change_K <= last))
        by_K = np.diff(self.offset_K)
        return tuple((int(self.change_K[i]), int(by_K[i])) for i in inside)


@lru_cache
def offsets(zone: str) -> Offsets:
    """The offsets of an IANA zone in the years that bars may be of.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: no such zone.
    """
    if zone == UTC:
        return Offsets(np.empty(0, np.int64), np.zeros(1, np.int64))
    rules = ZoneInfo(zone)

    def offset(utc: dt.datetime) -> dt.timedelta | None:
        return rules.fromutc(utc).utcoffset()  # the fastest way: it is asked of 16,000 weeks

    first, end = (dt.datetime(year, 1, 1, tzinfo=rules) for year in (FIRST_YEAR, LAST_YEAR + 1))
    changes, held = [], [offset(first)]
    week, after = dt.timedelta(seconds=_WEEK), first
    while (after := after + week) < end:
        if offset(after) == held[-1]:
            continue
        before, low, high = after - week, 0, _WEEK
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(before + dt.timedelta(0, middle)) == held[-1] else (low, middle)
        changes.append(_seconds(before - EPOCH.replace(tzinfo=rules)) + high)
        held.append(offset(after))
    return Offsets(np.array(changes, np.int64), np.array(list(map(_seconds, held)), np.int64))


def _seconds(span: dt.timedelta | None) -> int:
    return round(span.total_seconds()) if span else 0


def local_time(time: np.ndarray, zone: str) -> np.ndarray:
    """Local wall-clock time of each instant, seconds since 1970-01-01 00:00 on that clock; int64, any shape.

    ``time`` seconds since the epoch. What is 0 on the clock of New York was five hours later in UTC.
    """
    time = np.asarray(time, np.int64)
    zone_offsets = offsets(zone)
    return time + zone_offsets.offset_K[zone_offsets.part(time)]
