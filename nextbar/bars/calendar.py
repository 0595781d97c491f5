"""When a market is open: the open slots of its week, and what is a hole in bars and what a closure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.slots import DAY, HOUR, YEAR, Slots, Tally
from nextbar.bars.stretches import Stretches
from nextbar.bars.zone import UTC

CLOSURE_DAYS = 4


class Chain(NamedTuple):
    """Open slots one after the other, as indices into ``Calendar.slot_clock``, and where bars stand in them."""

    rank_N: np.ndarray
    """int64: position of the first open slot after each bar, at least 1; that of its own, or of the last one before, is
    one less"""
    slot_Z: np.ndarray
    """int64: the open slots"""

    @property
    def own_N(self) -> np.ndarray:
        """int64 (N,): the slot of each bar; in a closed one the open one before."""
        return self.slot_Z[self.rank_N - 1]

    def ahead(self, n: int) -> np.ndarray:
        """int64 (N, n): the next slots after each bar, no more than the chain was made for."""
        return self.slot_Z[self.rank_N[:, None] + np.arange(n)]


@dataclass(frozen=True)
class Calendar:
    """The weekly template of open slots of one series, in the time of its market.

    Local time is cut into :class:`~nextbar.bars.slots.Slots`, the first beginning Monday 00:00 plus ``phase``.
    ``open_slots`` are the slots of a week (0 <= slot < cycle, ascending) in which a bar opens. A slot lasts as long as
    a bar, ``step`` seconds. Where bars begin anew after a break of the session, ``slots_per_step`` slots last as long
    as a bar, and the slots in which no bar opens are closed. A step that does not divide a week has a cycle of several
    weeks; such steps, and steps of a week or more, are always ``24/7``.

    A bar belongs to the slot whose beginning is nearest.
    """

    kind: str
    step: int
    phase: int
    open_slots: tuple[int, ...]
    timezone: str = UTC
    slots_per_step: int = 1
    """More than 1 where the bars of a week do not lie on one grid of steps, such as hourly bars from 9:00 on and, after
    a lunch break, from 12:30 on."""

    @classmethod
    def always(cls, step: int, phase: int = 0, timezone: str = UTC) -> Calendar:
        """A market that never closes."""
        return cls("24/7", step, phase, tuple(range(Slots(step).cycle)), timezone)

    def missing(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): open slots without a bar between each bar and the one before it; 0 for the first."""
        row_G, first_G, after_G = self._gaps(time_N)
        missing_N = np.zeros(len(time_N), np.int64)
        missing_N[row_G] = self._open.between(first_G, after_G)
        return missing_N

    def hole_before(self, time_N: np.ndarray) -> np.ndarray:
        """bool (N,): True where bars are missing before a bar and that is no closure (night, holiday).

        In a market with sessions a gap is a closure when at most four days' worth of slots are missing, and
        either a day's worth or more is (a holiday), or the first or last slot of a session is (a late
        opening, an early close). A day's worth is the median number of open slots of an open day.
        """
        row_G, first_G, after_G = self._gaps(time_N)
        missing_G = self._open.between(first_G, after_G)
        hole_N = np.zeros(len(time_N), bool)
        hole_N[row_G] = missing_G > 0
        if self.kind != "24/7":
            edges_G = self._edges.between(first_G, after_G)
            day = self.slots_a_day
            hole_N[row_G] &= (missing_G > CLOSURE_DAYS * day) | ((missing_G < day) & (edges_G == 0))
        return hole_N

    def _gaps(self, time_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows before which there are slots without a bar, int64 (G,), and numbers: of the first of these slots, and of
        that after the last."""
        stretches, first_J = self._numbered(time_N)
        after_J = first_J + stretches.count_J
        gap = 1 + np.flatnonzero(first_J[1:] > after_J[:-1])
        return stretches.first_J[gap], after_J[gap - 1], first_J[gap]

    def _numbered(self, bars: np.ndarray | Stretches) -> tuple[Stretches, np.ndarray]:
        """Stretches of opening times that the clock is not changed in, and the number of the first slot of each."""
        if not isinstance(bars, Stretches):
            bars = Stretches.of(np.asarray(bars, np.int64), self._slots.step)
        elif self.slots_per_step > 1:  # bars a step apart are several slots apart, and one of these may be open
            bars = Stretches.of(bars.time_N, self._slots.step)
        stretches = bars.cut(self._slots.turns)
        return stretches, self._slots.number(stretches.time_J)

    def open_between(self, begin_N: np.ndarray, end_N: np.ndarray) -> np.ndarray:
        """int64 (N,): open slots that begin from ``begin_N`` on and before ``end_N``, seconds since the epoch."""
        first_N, after_N = self._slots.number(begin_N), self._slots.number(end_N)
        return np.maximum(self._open.before(after_N) - self._open.before(first_N), 0)

    def next_times_after(self, time_N: np.ndarray, n: int) -> np.ndarray:
        """int64 (N, n): opening times of the next n open slots after each of the bars that open at ``time_N``.

        Seconds since the epoch, UTC, like ``time_N``. They keep each bar's own distance from the grid, which is 0 but
        where the clocks change and the bars do not keep the time of the zone.
        """
        time_N = np.asarray(time_N, np.int64)
        number_N = self._slots.number(time_N)
        ahead_Nn, _ = self._open.nth(self._open.before(number_N + 1)[:, None] + np.arange(n))
        return self._slots.begin(ahead_Nn) + (time_N - self._slots.begin(number_N))[:, None]

    def close_times(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): when bars that open at ``time_N`` close: one step later."""
        return np.asarray(time_N, np.int64) + self.step

    def outside(self, time_N: np.ndarray) -> np.ndarray:
        """bool (N,): bars that belong to no slot; all belong to one of a template, be it open or closed."""
        return np.zeros(len(time_N), bool)

    def outside_notice(self, time_N: np.ndarray) -> str | None:
        """A sentence about such bars; None where there are none."""
        return None

    @property
    def known_until(self) -> float:
        """When the market's days off cease to be known, seconds since the epoch; a template goes on for ever."""
        return np.inf

    def rank(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): index into ``open_slots`` of the first open slot after each bar.

        The slots after that one have the next indices, cyclic, unless the market is open while its clock is changed
        by a step or more in between.
        """
        time_N = np.asarray(time_N, np.int64)
        stretches, first_J = self._numbered(time_N)
        # while the next slot is open and in the stretch, the next bar is one further
        is_open_J = self._open.between(first_J + 1, first_J + stretches.count_J) == stretches.count_J - 1
        rank_N = np.repeat(self._rank(first_J) - stretches.first_J, stretches.count_J)
        rank_N += np.arange(len(time_N))
        rank_N %= len(self.open_slots)
        rest_N = np.repeat(~is_open_J, stretches.count_J)
        rest_N[stretches.first_J[1:] - 1] = True
        rest_N[-1:] = True
        rank_N[rest_N] = self._rank(self._slots.number(time_N[rest_N]))
        return rank_N

    def _rank(self, number_N: np.ndarray) -> np.ndarray:
        return self._open.nth(self._open.before(number_N + 1))[1]

    def chain(self, time_N: np.ndarray, n: int) -> Chain:
        """The open slots around each of the bars that open at ``time_N``, the next ``n`` among them."""
        size = len(self.open_slots)
        return Chain(1 + self.rank(time_N), np.arange(-1, size + n - 1) % size)

    @cached_property
    def slots_a_day(self) -> float:
        """Median number of open slots of an open day; 0.5 where every second day has one."""
        days = self._begin_of_week // DAY
        if self.kind == "24/7":
            return DAY / self.step
        return float(np.median(np.unique(days, return_counts=True)[1]))

    @property
    def n_slots(self) -> int:
        """M, open slots of the week that are told from each other."""
        return len(self.open_slots)

    @property
    def slots_a_year(self) -> float:
        """Open slots of a mean year."""
        return len(self.open_slots) * YEAR / (self._slots.cycle * self._slots.step)

    def slot_clock(self) -> np.ndarray:
        """float64 (M, 2): local hour of the day with its fraction, and weekday (Monday 0), of each open slot."""
        begin = self._begin_of_week
        return np.stack([begin % DAY / HOUR, begin // DAY % 7], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a market that never closes needs no list of slots."""
        plain: dict[str, Any] = {
            "kind": self.kind, "step": self.step, "phase": self.phase, "timezone": self.timezone
        }  # fmt: skip
        if self.slots_per_step > 1:  # runs of earlier versions have no such value
            plain["slots_per_step"] = self.slots_per_step
        return plain if self.kind == "24/7" else {**plain, "open_slots": list(self.open_slots)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Calendar:
        """Inverse of ``to_dict``; a calendar from before there were time zones is one of UTC."""
        timezone = plain.get("timezone", UTC)
        if plain["kind"] == "24/7":
            return cls.always(int(plain["step"]), int(plain["phase"]), timezone)
        return cls(
            plain["kind"], int(plain["step"]), int(plain["phase"]), tuple(map(int, plain["open_slots"])), timezone,
            int(plain.get("slots_per_step", 1)),
        )  # fmt: skip

    def exceptions(self, time_N: np.ndarray) -> int:
        """Open slots without a bar, bars in closed slots and bars off the grid, in the span of ``time_N``."""
        return self.exceptions_in(Stretches.of(np.asarray(time_N, np.int64), self.step))

    def exceptions_in(self, whole: Stretches) -> int:
        """The exceptions of ``exceptions``, in the span of stretches of ``step`` seconds."""
        stretches, first_J = self._numbered(whole)
        after_J = first_J + stretches.count_J
        expected = int(self._open.between(first_J[0], after_J[-1]))
        first_J[1:] += first_J[1:] < after_J[:-1]  # a slot that two bars belong to counts once
        in_open = int(self._open.between(first_J, after_J).sum())
        return expected - in_open + int((after_J - first_J).sum()) - in_open + self.off_grid_in(whole)

    def off_grid_in(self, whole: Stretches) -> int:
        """Bars that do not open exactly when their slot does."""
        stretches, first_J = self._numbered(whole)
        return int(stretches.count_J[self._slots.begin(first_J) != stretches.time_J].sum())

    @cached_property
    def _slots(self) -> Slots:
        return Slots(self.step // self.slots_per_step, self.phase, self.timezone)

    @property
    def _begin_of_week(self) -> np.ndarray:
        """int64 (M,): when each open slot begins, seconds after Monday 00:00 by the local clock."""
        return self.phase + np.asarray(self.open_slots, np.int64) * self._slots.step

    @cached_property
    def _open(self) -> Tally:
        return Tally(self._slots, np.asarray(self.open_slots, np.int64))

    @cached_property
    def _edges(self) -> Tally:
        """Open slots without an open one a step before or after: where a session begins or ends."""
        is_open, step = np.zeros(self._slots.cycle, bool), self.slots_per_step
        is_open[list(self.open_slots)] = True
        return Tally(self._slots, np.flatnonzero(is_open & ~(np.roll(is_open, step) & np.roll(is_open, -step))))
