"""Calendar of an exchange: the open slots are those of its sessions, holidays and half days included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.calendar import CLOSURE_DAYS, Calendar, Chain
from nextbar.bars.exchange_slots import Grid, slots_of
from nextbar.bars.sessions import Sessions
from nextbar.bars.slots import DAY, HOUR, MONDAY, WEEK, YEAR
from nextbar.bars.zone import local_time
from nextbar.errors import DataError


class Around(NamedTuple):
    """Where bars stand among the open slots."""

    own_N: np.ndarray
    """number of the slot of each; of one outside that of the first slot after it"""
    next_N: np.ndarray
    """of the first slot after it"""
    outside_N: np.ndarray

    def missing(self) -> np.ndarray:
        """int64 (N,): slots between each bar and the one before it; 0 for the first."""
        missing_N = np.zeros(len(self.own_N), np.int64)
        missing_N[1:] = np.maximum(self.own_N[1:] - self.next_N[:-1], 0)
        return missing_N


@dataclass(frozen=True, kw_only=True)
class ExchangeCalendar(Calendar):
    """The open slots of one series in the sessions of an exchange; ``kind`` is the name of that.

    Bars shorter than a day begin with the session and again after its break (``grid`` ``session``), the last one cut
    short by the close; or they lie on the clock of ``timezone``, and those that share a moment with a session are open.
    A bar of a day is that of one session, and begins with it or at a time of its day, ``phase``. A longer one is open
    where a session's day lies in it. Hence a session has its bar of a day, and a week without sessions has none.

    A bar belongs to the open slot whose beginning is nearest, less than half a step away; one that has none such lies
    *outside*. There is a hole before it, so that no window spans it.

    ``phase`` is that of bars on the clock; ``open_slots`` is empty.
    """

    sessions: Sessions
    grid: Grid = "session"
    evening: bool = False
    """whether the bar of a day begins on the evening before"""
    seen: int = 0
    """the last bar that it was fitted on. After it an exchange may close on days that nobody knew of: whole sessions,
    or the beginning or end of one, may then be missing, up to four days"""

    def exceptions(self, time_N: np.ndarray) -> int:
        """Bars that do not open exactly when a slot does, and open slots without a bar, in the span of ``time_N``."""
        return self.off_grid(time_N) + int(self.missing(time_N).sum())

    def off_grid(self, time_N: np.ndarray) -> int:
        """Bars that do not open exactly when a slot does."""
        return int((self._begin_M[self._nearest(time_N)] != time_N).sum())

    def outside(self, time_N: np.ndarray) -> np.ndarray:
        """bool (N,): bars that no slot begins near."""
        return self._around(time_N).outside_N

    def outside_notice(self, time_N: np.ndarray) -> str | None:
        """A sentence about the bars outside the sessions; None where there are none."""
        outside_N = self.outside(time_N)
        n = int(outside_N.sum())
        if not n:
            return None
        bars, them = ("1 bar lies", "it") if n == 1 else (f"{n:,} bars lie", "them")
        first = "" if n == 1 else "first "
        return (
            f"{bars} outside the sessions of {self.kind}, {first}that of {iso_of(time_N[outside_N][0])}: no window "
            f"holds what comes into {them}, so leave {them} out"
        )

    def missing(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): open slots without a bar between each bar and the one before it; 0 for the first."""
        return self._around(time_N).missing()

    def hole_before(self, time_N: np.ndarray) -> np.ndarray:
        """bool (N,): bars are missing before a bar, or it lies outside the sessions; False for the first."""
        around = self._around(time_N)
        hole_N = around.outside_N | ((around.missing() > 0) & ~self._decreed(around))
        hole_N[:1] = False
        return hole_N

    def _decreed(self, around: Around) -> np.ndarray:
        """bool (N,): what is missing before a bar may be a closure that was not known when the calendar was fitted."""
        decreed_N, missing_N = np.zeros(len(around.own_N), bool), around.missing()
        gap_G = np.flatnonzero(missing_N)
        if self.step > DAY or not len(gap_G):
            return decreed_N
        first_G, after_G = around.next_N[gap_G - 1], around.own_N[gap_G]
        # a bar after the last session that is known has no session of its own
        session_M = np.append(self._session_M, -1)
        whole_G = (session_M[first_G - 1] != session_M[first_G]) | (session_M[after_G - 1] != session_M[after_G])
        few_G = missing_N[gap_G] <= CLOSURE_DAYS * self.slots_a_day
        decreed_N[gap_G] = whole_G & few_G & (self._begin_M[first_G] > self.seen)
        return decreed_N

    def open_between(self, begin_N: np.ndarray, end_N: np.ndarray) -> np.ndarray:
        """int64 (N,): open slots that begin from ``begin_N`` on and before ``end_N``, seconds since the epoch."""
        return np.maximum(np.searchsorted(self._begin_M, end_N) - np.searchsorted(self._begin_M, begin_N), 0)

    def next_times_after(self, time_N: np.ndarray, n: int) -> np.ndarray:
        """int64 (N, n): opening times of the next n open slots after each of the bars that open at ``time_N``.

        Raises:
            DataError: the sessions that it knows end before.
        """
        next_N = self._around(time_N).next_N
        last = int(next_N.max(initial=-1)) + n
        if last > len(self._begin_M):
            raise DataError(
                f"calendar {self.kind}: its sessions are known until {iso_of(self.sessions.end)[:10]}, and {n} bars "
                f"after {iso_of(np.max(time_N))} end later; train anew, or ask for fewer"
            )
        return self._begin_M[next_N[:, None] + np.arange(n)]

    def close_times(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): when bars that open at ``time_N`` close: a bar of a day with its session, others one step later.

        One that is dated in the second half of its session, or in a session that lasts all day, may hold trades after
        the session's close: it closes one step later, too.
        """
        after_N = super().close_times(time_N)
        if self.step != DAY:
            return after_N
        around, parts = self._around(time_N), self.sessions.parts
        own_N = self._session_M[np.minimum(around.own_N, len(self._session_M) - 1)]
        first_N, end_N = (np.searchsorted(parts.session_P, own_N, side=side) for side in ("left", "right"))
        open_N, close_N = parts.open_P[first_N], parts.close_P[end_N - 1]
        ends_N = ~around.outside_N & (close_N - open_N < DAY) & (time_N - open_N < close_N - time_N)
        return np.where(ends_N, np.minimum(close_N, after_N), after_N)

    @property
    def known_until(self) -> float:
        """When the days off cease to be known; from then on there is a session on each usual weekday."""
        return (self.sessions.until + 1) * DAY if self.sessions.until < self.sessions.last else np.inf

    def rank(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): index into ``slot_clock`` of the first open slot after each bar."""
        return self._week[1][np.minimum(self._around(time_N).next_N, len(self._begin_M) - 1)]

    def chain(self, time_N: np.ndarray, n: int) -> Chain:
        """The open slots from the first bar to the last, the next ``n`` after each among them."""
        next_N = self._around(time_N).next_N
        first = int(next_N[0]) - 1
        place_Z = np.arange(first, int(next_N[-1]) + n)
        return Chain(next_N - first, self._week[1][np.clip(place_Z, 0, len(self._begin_M) - 1)])

    @cached_property
    def slots_a_day(self) -> float:
        """Median number of open slots of a session; less than 1 for bars longer than a day."""
        return float(np.median(np.bincount(self._session_M))) if self.step <= DAY else DAY / self.step

    @property
    def slots_a_year(self) -> float:
        """Open slots of a mean year of those whose sessions are known."""
        begin_M = self._begin_M
        return (len(begin_M) - 1) * YEAR / max(float(begin_M[-1] - begin_M[0]), self.step)

    @property
    def n_slots(self) -> int:
        """M, times of the week at which open slots begin."""
        return len(self._week[0])

    def slot_clock(self) -> np.ndarray:
        """float64 (M, 2): local hour of the day with its fraction, and weekday (Monday 0), of each of these times."""
        begin = self._week[0]
        return np.stack([begin % DAY / HOUR, begin // DAY % 7], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with the sessions: what has been saved needs no package."""
        return {
            "kind": self.kind, "step": self.step, "phase": self.phase, "timezone": self.timezone, "grid": self.grid,
            "evening": self.evening, "seen": self.seen, "sessions": self.sessions.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ExchangeCalendar:
        """Inverse of ``to_dict``; ValueError where it is no such calendar."""
        if plain["grid"] not in ("session", "clock"):
            raise ValueError(f"{plain['grid']!r} is no grid of bars")
        return cls(
            str(plain["kind"]), int(plain["step"]), int(plain["phase"]), (), str(plain["timezone"]),
            sessions=Sessions.from_dict(plain["sessions"]), grid=plain["grid"], evening=bool(plain["evening"]),
            seen=int(plain["seen"]),
        )  # fmt: skip

    def _nearest(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): the open slot whose beginning is nearest, of two the later."""
        after_N = np.searchsorted(self._begin_M, time_N).clip(1, len(self._begin_M) - 1)
        early_N = time_N - self._begin_M[after_N - 1] < self._begin_M[after_N] - time_N
        return after_N - early_N

    def _around(self, time_N: np.ndarray) -> Around:
        time_N = np.asarray(time_N, np.int64)
        nearest_N = self._nearest(time_N)
        near_N = self._begin_M[nearest_N]
        outside_N = 2 * np.abs(near_N - time_N) >= self.step
        after_N = nearest_N + (near_N <= time_N)
        return Around(np.where(outside_N, after_N, nearest_N), np.where(outside_N, after_N, nearest_N + 1), outside_N)

    @cached_property
    def _open_slots(self) -> tuple[np.ndarray, np.ndarray]:
        return slots_of(self.sessions, self.step, self.phase, self.timezone, self.grid, self.evening)

    @property
    def _begin_M(self) -> np.ndarray:
        """When each open slot begins, ascending."""
        return self._open_slots[0]

    @property
    def _session_M(self) -> np.ndarray:
        """The session of each; of the first, where it lies in two."""
        return self._open_slots[1]

    @cached_property
    def _week(self) -> tuple[np.ndarray, np.ndarray]:
        """Times of the week, seconds after Monday 00:00 by the local clock, and the index of each open slot's."""
        times, index = np.unique((local_time(self._begin_M, self.timezone) - MONDAY) % WEEK, return_inverse=True)
        return times, index


def iso_of(time: int) -> str:
    """A second since the epoch as ISO 8601 text; only errors and notices need pandas, which dates are read with."""
    from nextbar.bars.dates import iso

    return iso(time)
