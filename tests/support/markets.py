"""Opening times of made-up markets, computed bar by bar with ``zoneinfo``: sessions keep local time all year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

HOUR = 3_600


class Market(NamedTuple):
    """Sessions by weekday (Monday 0), each from and to an hour of the local day, 24 being midnight."""

    timezone: str
    sessions: dict[int, list[tuple[float, float]]]


def weekdays(timezone: str, *sessions: tuple[float, float]) -> Market:
    """A stock exchange: Monday to Friday."""
    return Market(timezone, {day: list(sessions) for day in range(5)})


MARKETS = {
    "New York": weekdays("America/New_York", (9.5, 16)),
    "London": weekdays("Europe/London", (8, 16.5)),
    "Frankfurt": weekdays("Europe/Berlin", (9, 17.5)),
    "Chicago": weekdays("America/Chicago", (8.5, 15)),
    "Sydney": weekdays("Australia/Sydney", (10, 16)),
    "São Paulo": weekdays("America/Sao_Paulo", (10, 17)),
    "Tokyo": weekdays("Asia/Tokyo", (9, 11.5), (12.5, 15)),
    "Hong Kong": weekdays("Asia/Hong_Kong", (9.5, 12), (13, 16)),
    "currencies": Market("America/New_York", {6: [(17, 24)], **{day: [(0, 24)] for day in range(4)}, 4: [(0, 17)]}),
    "always": Market("UTC", {day: [(0, 24)] for day in range(7)}),
}


def opening_times(market: Market, step: int, first: dt.date, days: int) -> np.ndarray:
    """int64 (N,), seconds since the epoch: the bars of ``step`` seconds in which the market is open at all.

    They begin at the first session's opening and every ``step`` before and after it by the local clock.
    """
    zone, times = ZoneInfo(market.timezone), []
    opens_at = int(next(iter(market.sessions.values()))[0][0] * HOUR)
    for number in range(-(opens_at // step), (days * 24 * HOUR - opens_at) // step):
        begin = dt.datetime.combine(first, dt.time()) + dt.timedelta(seconds=opens_at + number * step)
        end = begin + dt.timedelta(seconds=step, microseconds=-1)
        if any(_is_open(market, begin, end, day) for day in {begin.date(), end.date()}):
            times.append(int(begin.replace(tzinfo=zone).timestamp()))
    return np.array(times, np.int64)


def session_bars(market: Market, step: int, first: dt.date, days: int) -> np.ndarray:
    """int64 (N,), seconds since the epoch: bars of ``step`` seconds that begin anew with each session, the last of them
    cut short by its end. A session that ends after 24 goes on past midnight."""
    zone, times = ZoneInfo(market.timezone), []
    for day in (first + dt.timedelta(days=number) for number in range(days)):
        for begin, end in market.sessions.get(day.weekday(), ()):
            opens = dt.datetime.combine(day, dt.time(), zone) + dt.timedelta(hours=begin)  # by the local clock
            times.append(int(opens.timestamp()) + np.arange(0, round((end - begin) * HOUR), step))
    return np.concatenate(times).astype(np.int64)


def _is_open(market: Market, begin: dt.datetime, end: dt.datetime, day: dt.date) -> bool:
    midnight = dt.datetime.combine(day, dt.time())
    return any(
        begin < midnight + dt.timedelta(hours=closes) and end > midnight + dt.timedelta(hours=opens)
        for opens, closes in market.sessions.get(day.weekday(), ())
    )


def local_clock(time_N: Sequence[int], timezone: str) -> np.ndarray:
    """float64 (N, 2): hour of the day with its fraction, and weekday (Monday 0), of instants on a zone's clock."""
    clocks = [dt.datetime.fromtimestamp(int(time), ZoneInfo(timezone)) for time in time_N]
    return np.array([(clock.hour + clock.minute / 60 + clock.second / 3_600, clock.weekday()) for clock in clocks])
