"""The grid of bars in the sessions of an exchange, told from their dates: from each open on, or on a clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nextbar.bars.exchange import ExchangeCalendar, iso_of
from nextbar.bars.sessions import Sessions
from nextbar.bars.slots import DAY, MONDAY
from nextbar.bars.zone import UTC, local_time
from nextbar.errors import ConfigError, DataError
from nextbar.resolution import span

MOST_OUTSIDE = 0.05
"""share of bars that may lie outside the sessions; with more they are not those of the exchange"""
FEW_BARS = 20
"""bars too few to say so"""


def fit_grid(sessions: Sessions, time_N: np.ndarray, step: int, timezone: str = "auto") -> ExchangeCalendar:
    """The grid that bars lie on, by the opening times ``time_N`` (int64, ascending) of a training span.

    Of those that bars may lie on it is the one with the fewest exceptions: bars that do not open exactly when a
    slot does, and open slots without a bar. The clock is that of the exchange or UTC, whichever the bars keep, or
    ``timezone``.

    Raises:
        ConfigError: more than a twentieth of the bars lies outside the sessions, or the bars do not keep the time
            of ``timezone``.
        DataError: no bars, or some before the first day of the sessions.
    """
    if not len(time_N):
        raise DataError("no bars to fit a calendar on")
    if time_N[0] < sessions.first * DAY:
        raise DataError(
            f"calendar {sessions.exchange}: its sessions are known from {iso_of(sessions.first * DAY)[:10]} on, but "
            f"the first bar is of {iso_of(time_N[0])}; leave earlier bars out"
        )
    best = _sharpest(sessions, time_N, step, timezone)
    if timezone != "auto" and (off := best.off_grid(time_N)):
        free = _sharpest(sessions, time_N, step, "auto")
        if free.off_grid(time_N) < off:
            raise ConfigError(
                f"timezone: found {timezone!r}, whose time the bars do not keep: {off} of {len(time_N)} bars of "
                f"{span(step)} open at another hour than the others (in {free.timezone} {free.off_grid(time_N)}); "
                f"should be auto or {free.timezone}"
            )
    outside_N = best.outside(time_N)
    n = int(outside_N.sum())
    if len(time_N) >= FEW_BARS and n > MOST_OUTSIDE * len(time_N):
        raise ConfigError(
            f"calendar: found {sessions.exchange!r}, outside whose sessions {n:,} of {len(time_N):,} bars of "
            f"{span(step)} lie, the first that of {iso_of(time_N[outside_N][0])}; should be the exchange of the "
            "bars, or auto, or the bars those of its sessions"
        )
    return best


def _sharpest(sessions: Sessions, time_N: np.ndarray, step: int, timezone: str) -> ExchangeCalendar:
    fewest, best = math.inf, None
    for calendar in _candidates(sessions, time_N, step, timezone):
        if (exceptions := calendar.exceptions(time_N)) < fewest:
            fewest, best = exceptions, calendar
        if not fewest:
            break
    assert best is not None  # there are candidates, and the first has less than infinitely many
    return best


def _candidates(sessions: Sessions, time_N: np.ndarray, step: int, timezone: str) -> Iterator[ExchangeCalendar]:
    zones = (sessions.timezone, UTC) if timezone == "auto" else (timezone,)
    made = ExchangeCalendar(sessions.exchange, step, 0, (), zones[0], sessions=sessions, seen=int(time_N[-1]))
    if step < DAY:
        yield made
    on_clock = []
    for zone in dict.fromkeys(zones):
        begin, counts = np.unique((local_time(time_N, zone) - MONDAY) % step, return_counts=True)
        on_clock.append(replace(made, timezone=zone, phase=int(begin[np.argmax(counts)]), grid="clock"))
    yield from on_clock
    if step == DAY:
        yield made
        yield from (replace(clock, evening=True) for clock in on_clock if clock.phase >= DAY // 2)
