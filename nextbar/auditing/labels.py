"""Bars that are dated by when they close, where nextbar takes a date to be when its bar opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from nextbar.auditing.result import Leak
from nextbar.bars.bars import Bars
from nextbar.bars.slots import DAY, HOUR, weekday
from nextbar.bars.weekly_template import learn_template
from nextbar.bars.zone import UTC, local_time

HOURS = {
    "America/New_York": (9.5, 16.0),
    "Europe/London": (8.0, 16.5),
    "Europe/Berlin": (9.0, 17.5),
    "America/Chicago": (8.5, 15.0),
    "Australia/Sydney": (10.0, 16.0),
    "America/Sao_Paulo": (10.0, 17.0),
    "Asia/Tokyo": (9.0, 15.0),
    "Asia/Hong_Kong": (9.5, 16.0),
}
"""when shares are traded, in local hours"""
WITHOUT_SUMMER_TIME = ("Asia/Tokyo", "Asia/Hong_Kong")
"""whose bars look like bars in UTC"""
WEEK_TURN = 17.0
"""New York hour at which currencies open on Sunday and close on Friday"""
MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6
MOST, FEW = 0.9, 0.02
"""shares of bars that count as all and as none"""
LEAST_BARS = 60
EQUAL = 1e-6
"""relative difference of two closes that are the same"""

ADVICE = "nextbar takes a date to be when its bar opens: import the file with nextbar data import --label close"


def closing_times(series: Sequence[Bars]) -> Iterator[Leak]:
    """Leaks of series whose dates look like closing times, alone or beside another resolution of their ticker."""
    for bars in series:
        if len(bars) >= LEAST_BARS and (why := _by_the_clock(bars)):
            yield _leak(bars, why)
    for fine, coarse in permutations(series, 2):
        divides = fine.ticker == coarse.ticker and fine.step < coarse.step and coarse.step % fine.step == 0
        if divides and (why := _by_the_finer(fine, coarse)):
            yield _leak(coarse, why)


def _leak(bars: Bars, why: str) -> Leak:
    text = f"{bars.name} looks as if it were dated by when its bars close: {why}. {ADVICE}"
    return Leak("bars", "suspicious", text, series=bars.name, column="date", time=int(bars.close_time_N[0]))


def _by_the_clock(bars: Bars) -> str:
    """Why the dates of a series look like closing times; empty where they do not."""
    if bars.step % 60 == 0 and (bars.time_N % 60 == 59).mean() > MOST:
        return "they are the last second of a minute"
    if bars.step > DAY:
        return ""
    calendar = learn_template(bars.time_N, bars.step)
    local_N = local_time(bars.time_N, calendar.timezone)
    hour_N, weekday_N = local_N % DAY / HOUR, weekday(local_N // DAY)
    if bars.step == DAY:
        return _by_the_day(calendar.timezone, hour_N, weekday_N)
    if calendar.kind == "24/7" or bars.step > 4 * HOUR:
        return ""
    open_hour_M, open_weekday_M = calendar.slot_clock().T
    length = bars.step / HOUR
    if (open_weekday_M == SUNDAY).any() and calendar.timezone == "America/New_York":
        first = open_hour_M[open_weekday_M == SUNDAY].min()
        last = open_hour_M[open_weekday_M == FRIDAY].max(initial=0.0)
        if WEEK_TURN < first <= WEEK_TURN + length and WEEK_TURN <= last < WEEK_TURN + length:
            return f"the week begins on Sunday {_clock(first)} in New York, and ends on Friday {_clock(last)}"
        return ""
    zones = [calendar.timezone] if calendar.timezone != UTC else list(WITHOUT_SUMMER_TIME)
    for zone in zones:
        first, last = (float(edge(local_time(bars.time_N, zone) % DAY / HOUR)) for edge in (_first, _last))
        opens, closes = HOURS[zone]
        if opens < first <= opens + length and closes <= last < closes + length:
            return f"the first of a day is {_clock(first)} in {zone}, and the last {_clock(last)}, when trading ends"
    return ""


def _by_the_day(zone: str, hour_N: np.ndarray, weekday_N: np.ndarray) -> str:
    """Why the dates of daily bars look like closing times."""
    on = {day: (weekday_N == day).mean() for day in (MONDAY, SATURDAY, SUNDAY)}
    if on[MONDAY] < FEW and on[SUNDAY] < FEW and on[SATURDAY] > 0.1:
        return "they are Tuesdays to Saturdays, each the day after it was traded"
    if zone in HOURS and (np.abs(hour_N - HOURS[zone][1]) < 0.01).mean() > MOST:
        return f"they are {_clock(HOURS[zone][1])} in {zone}, when trading ends"
    return ""


def _by_the_finer(fine: Bars, coarse: Bars) -> str:
    """Why a coarse resolution looks dated by its end: its closes are those of finer bars before its date."""
    at = dict(zip(fine.close_time_N.tolist(), fine.columns["close"].tolist(), strict=True))

    def agreement(time_N: np.ndarray) -> tuple[float, int]:
        pairs = [(at[t], c) for t, c in zip(time_N.tolist(), coarse.columns["close"].tolist(), strict=True) if t in at]
        equal = [abs(fine_close - coarse_close) <= EQUAL * abs(coarse_close) for fine_close, coarse_close in pairs]
        return (float(np.mean(equal)), len(equal)) if equal else (0.0, 0)

    as_opening, _ = agreement(coarse.close_time_N)
    as_closing, n = agreement(coarse.time_N)
    if n >= LEAST_BARS // 3 and as_closing > MOST > 2 * as_opening:
        return (
            f"{100 * as_closing:.0f} % of its closes are those of {fine.name} at the very date, "
            f"{100 * as_opening:.0f} % those at its end"
        )
    return ""


def _first(hour_N: np.ndarray) -> float:
    """The earliest hour that is no exception."""
    return float(np.quantile(hour_N, FEW))


def _last(hour_N: np.ndarray) -> float:
    return float(np.quantile(hour_N, 1 - FEW))


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"
