"""Sessions of an exchange: the days on which it is open and the hours of each, as exchange_calendars has them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from nextbar.bars.slots import DAY, weekday
from nextbar.bars.zone import EPOCH
from nextbar.config.exchanges import exchange_package
from nextbar.config.values import LAST_YEAR
from nextbar.errors import ConfigError, cut, first_line

YEARS_AHEAD = 10
"""whole years after the last bar whose sessions are looked up, so that a saved calendar is good for as long"""
BEFORE = 31 * DAY
"""at least so much before the first bar"""
WEEKS = 52
"""the last known ones, whose hours are those of made-up sessions"""
KEPT = 64
"""lists of sessions that stay in memory"""

Hours = tuple[int, ...]
"""open, close, and so again after a break: seconds after the day's 00:00 UTC"""


class Parts(NamedTuple):
    """What sessions consist of: P parts, one each, or two around a break."""

    session_P: np.ndarray
    """number of the session, ascending"""
    open_P: np.ndarray
    """when it begins, seconds since the epoch"""
    close_P: np.ndarray


@dataclass(frozen=True)
class Sessions:
    """The sessions of an exchange over some whole years, in few values, so that a run can keep them.

    Days are those since 1970-01-01 that sessions are named by, which at an exchange that opens in the evening are those
    on which they close.
    """

    exchange: str
    timezone: str
    first: int
    last: int
    until: int
    """last day that the package knows of; after it there is a session on each usual weekday"""
    weekdays: tuple[int, ...]
    """usual ones, Monday 0"""
    closed: tuple[int, ...]
    """days of these weekdays without a session"""
    added: tuple[int, ...]
    """days of other weekdays with one"""
    hours: tuple[Hours, ...]
    """those that there are"""
    changes: tuple[tuple[int, int], ...]
    """(session, index into ``hours``): from this session on it has those"""

    @cached_property
    def day_D(self) -> np.ndarray:
        """int64 (D,): the day of each session."""
        day_N = np.arange(self.first, self.last + 1)
        usual_N = np.isin(weekday(day_N), self.weekdays)
        usual_N[np.array(self.closed, np.int64) - self.first] = False
        usual_N[np.array(self.added, np.int64) - self.first] = True
        return day_N[usual_N]

    @cached_property
    def parts(self) -> Parts:
        """All of them, in their order."""
        begin, index = np.array(self.changes, np.int64).reshape(-1, 2).T
        hours_D = index[np.searchsorted(begin, np.arange(len(self.day_D)), side="right") - 1]
        most = max(map(len, self.hours))
        table = np.array([[*hours, *[-1] * (most - len(hours))] for hours in self.hours]).reshape(-1, most // 2, 2)
        has_part = np.array([[2 * part < len(hours) for part in range(most // 2)] for hours in self.hours])
        session_P, part_P = np.nonzero(has_part[hours_D])
        open_P, close_P = (self.day_D[session_P] * DAY + table[hours_D[session_P], part_P].T).astype(np.int64)
        return Parts(session_P, open_P, close_P)

    @property
    def end(self) -> int:
        """When the last day ends, seconds since the epoch."""
        return (self.last + 1) * DAY

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Sessions:
        """Inverse of ``to_dict``."""
        numbers = {name: int(plain[name]) for name in ("first", "last", "until")}
        lists = {name: tuple(map(int, plain[name])) for name in ("weekdays", "closed", "added")}
        tables = {name: tuple(tuple(map(int, row)) for row in plain[name]) for name in ("hours", "changes")}
        return cls(str(plain["exchange"]), str(plain["timezone"]), **numbers, **lists, **tables)  # type: ignore[arg-type]


def sessions_of(exchange: str, first: int, last: int) -> Sessions:
    """The sessions around bars that open from ``first`` to ``last``, seconds since the epoch, and ten years further.

    Whole years are looked up, so that series of about the same years have the same.

    Raises:
        ConfigError: no such exchange, the package is not installed, or it does not know sessions as early.
    """
    begin, end = ((EPOCH + dt.timedelta(seconds=time)).year for time in (first - BEFORE, last))
    end = min(end + YEARS_AHEAD, LAST_YEAR)
    sessions = of_years(exchange, begin, end)
    if sessions.first > first // DAY:
        raise ConfigError(
            f"calendar: found {exchange!r}, of which exchange_calendars knows no sessions before "
            f"{_date(sessions.first)}, but the first bar is of {_date(first // DAY)}: set initial_date, or use auto"
        )
    return sessions


@lru_cache(maxsize=KEPT)
def of_years(exchange: str, begin: int, end: int) -> Sessions:
    """The sessions of an exchange in the years from ``begin`` to ``end``, as far as they are known, and made up after.

    Raises:
        ConfigError: no such exchange, the package is not installed, or it knows none of these years.
    """
    first, last = (_day(dt.date(begin, 1, 1)), _day(dt.date(end, 12, 31)))
    calendar, first, until = _calendar(exchange, first, last)
    table = calendar.schedule
    days = _seconds(table.index.to_numpy()) // DAY
    columns = (table[name].to_numpy("datetime64[ns]") for name in ("open", "break_start", "break_end", "close"))
    times = np.stack([_seconds(column) for column in columns], axis=1) - days[:, None] * DAY
    filled = ~table[["open", "break_start", "break_end", "close"]].isna().to_numpy()
    sessions = {
        day: tuple(row[has].tolist()) for day, row, has in zip(days.tolist(), times, filled, strict=True)
    }  # fmt: skip
    zone = str(calendar.tz)
    sessions |= _made_up(sessions, zone, until, last)
    return _compact(exchange, zone, (first, last, until), sessions)


def _calendar(exchange: str, first: int, last: int) -> tuple[Any, int, int]:
    """The package's calendar, and the first and last day from ``first`` to ``last`` that it knows of."""
    package = exchange_package(exchange)
    try:
        return package.get_calendar(exchange, start=_date(first), end=_date(last)), first, last
    except Exception:  # its years are bounded, or it is one of those that the package itself cannot list
        pass
    try:
        kind = package.get_calendar(exchange)  # which has years within the bounds
    except Exception as error:
        raise _unlisted(exchange, error) from None
    bounds = [kind.bound_min(), kind.bound_max()]
    begin, end = (None if bound is None else int(_seconds(bound.to_datetime64())) // DAY for bound in bounds)
    first, until = max(first, begin or first), min(last, end or last)
    if until < first:
        raise ConfigError(
            f"calendar: found {exchange!r}, of which exchange_calendars knows the sessions from "
            f"{_date(begin or first)} to {_date(end or last)}, and the bars lie outside: use auto"
        )
    try:
        return package.get_calendar(exchange, start=_date(first), end=_date(until)), first, until
    except Exception as error:
        raise _unlisted(exchange, error) from None


def _unlisted(exchange: str, error: Exception) -> ConfigError:
    """The error about an exchange whose sessions the package cannot list, whatever it raises then."""
    return ConfigError(
        f"calendar: found {exchange!r}, whose sessions the installed exchange_calendars cannot list "
        f"({cut(first_line(error))}): use auto, or another version of it"
    )


def _made_up(sessions: Mapping[int, Hours], zone: str, until: int, last: int) -> dict[int, Hours]:
    """Sessions after the last known year: on its usual weekdays, at the commonest local hours of each."""
    rules, year = ZoneInfo(zone), [day for day in sessions if until - WEEKS * 7 < day <= until]
    local: dict[int, Counter[Hours]] = {}
    for day in year:
        ahead = _offset(day, rules)
        local.setdefault(weekday(day), Counter())[tuple(t + ahead for t in sessions[day])] += 1
    usual = {of_week: hours for of_week, hours in local.items() if hours.total() * 2 > WEEKS}
    return {
        day: tuple(t - _offset(day, rules) for t in usual[weekday(day)].most_common(1)[0][0])
        for day in range(until + 1, last + 1)
        if weekday(day) in usual
    }


def _offset(day: int, rules: ZoneInfo) -> int:
    """Seconds by which the local clock is ahead of UTC at noon of a day."""
    ahead = (EPOCH + dt.timedelta(days=day, hours=12)).astimezone(rules).utcoffset()
    return int(ahead.total_seconds()) if ahead else 0


def _compact(exchange: str, zone: str, days: tuple[int, int, int], sessions: Mapping[int, Hours]) -> Sessions:
    first, last, until = days
    counts = np.bincount([weekday(day) for day in sessions], minlength=7)
    weekdays = tuple(np.flatnonzero(counts * 2 > (last - first) // 7).tolist())
    hours = tuple(dict.fromkeys(sessions.values()))
    number = {own: i for i, own in enumerate(hours)}
    index = [number[own] for own in sessions.values()]
    return Sessions(
        exchange=exchange,
        timezone=zone,
        first=first,
        last=last,
        until=until,
        weekdays=weekdays,
        closed=tuple(d for d in range(first, last + 1) if weekday(d) in weekdays and d not in sessions),
        added=tuple(d for d in sessions if weekday(d) not in weekdays),
        hours=hours,
        changes=tuple((d, i) for d, i in enumerate(index) if d == 0 or index[d - 1] != i),
    )


def _seconds(times: Any) -> Any:
    return np.asarray(times).astype("datetime64[s]").astype(np.int64)


def _day(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days


def _date(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
