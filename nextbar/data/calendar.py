"""When a market is open: learnt from the dates of its bars, never from a list of holidays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np

from nextbar.errors import ConfigError, DataError
from nextbar.resolution import span

WEEK, DAY, HOUR = 604_800, 86_400, 3_600
MONDAY = 4 * DAY  # 1970-01-05, the first Monday of the epoch

KINDS = ("24/7", "sessions")
CLOSURE_DAYS = 4


@dataclass(frozen=True)
class Calendar:
    """The weekly template of open slots of one series.

    Time is cut into slots of ``step`` seconds, the first beginning Monday 00:00 UTC plus ``phase``.
    ``open_slots`` are the slots of a week (0 <= slot < cycle, ascending) in which the market is open. A step
    that does not divide a week has a cycle of several weeks; such steps, and steps of a week or more, are
    always ``24/7``.

    A bar belongs to the slot whose beginning is nearest, so that a market that keeps local time stays on its
    grid when the clocks change.
    """

    kind: str
    step: int
    phase: int
    open_slots: tuple[int, ...]

    @classmethod
    def always(cls, step: int, phase: int = 0) -> Calendar:
        """A market that never closes."""
        return cls("24/7", step, phase, tuple(range(_cycle(step))))

    @classmethod
    def learn(cls, time_N: np.ndarray, step: int, kind: str = "auto") -> Calendar:
        """Template of the weeks seen in the opening times ``time_N`` (int64, ascending) of a training span.

        A slot is open when there is a bar in it in at least half of the weeks with any bar; in a span under
        four weeks, when there is one at all. A slot that a span under one week cannot show is open if the
        same time of another day is. ``auto`` says ``sessions`` when the template leaves slots out (under four
        weeks, where a missing bar looks like a closed slot: when it leaves out at least a seventh of the
        week), else ``24/7``.

        Raises:
            ConfigError: an unknown ``kind``, or sessions for a step that is no part of a week.
            DataError: no bars.
        """
        if kind not in ("auto", *KINDS):
            raise ConfigError(f"calendar: found {kind!r}, should be one of auto, {', '.join(KINDS)}")
        if not len(time_N):
            raise DataError("no bars to learn a calendar from")
        offsets, counts = np.unique((time_N - MONDAY) % step, return_counts=True)
        everyday = cls.always(step, int(offsets[np.argmax(counts)]))
        if kind == "24/7":
            return everyday
        if step >= WEEK or WEEK % step:
            if kind == "sessions":
                raise ConfigError(
                    f"calendar: found 'sessions' with bars of {span(step)}, should be auto or 24/7: sessions need bars "
                    "that are shorter than a week and divide a week"
                )
            return everyday
        is_open = _template(everyday._slot(time_N), _cycle(step), step)
        if kind == "auto":
            closed = int((~is_open).sum())
            scanty = int(time_N[-1] - time_N[0]) < 4 * WEEK
            if closed == 0 or (scanty and closed * 7 < len(is_open)):
                return everyday
        return cls("sessions", step, everyday.phase, tuple(np.flatnonzero(is_open).tolist()))

    def missing(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): open slots without a bar between each bar and the one before it; 0 for the first."""
        slot_N = self._slot(time_N)
        out = np.zeros(len(slot_N), np.int64)
        out[1:] = np.maximum(self._open_before(slot_N[1:]) - self._open_before(slot_N[:-1] + 1), 0)
        return out

    def hole_before(self, time_N: np.ndarray) -> np.ndarray:
        """bool (N,): True where bars are missing before a bar and that is no closure (night, holiday).

        In a market with sessions a gap is a closure when at most four days' worth of slots are missing, and
        either a day's worth or more is (a holiday), or the first or last slot of a session is (a late
        opening, an early close). A day's worth is the median number of open slots of an open day.
        """
        missing_N = self.missing(time_N)
        if self.kind == "24/7":
            return missing_N > 0
        edges_N = np.zeros(len(missing_N), np.int64)
        slot_N = self._slot(time_N)
        edges_N[1:] = self._edges_before(slot_N[1:]) - self._edges_before(slot_N[:-1] + 1)
        day = self._slots_a_day
        closure_N = (missing_N <= CLOSURE_DAYS * day) & ((missing_N >= day) | (edges_N > 0))
        return (missing_N > 0) & ~closure_N

    def next_times_after(self, time_N: np.ndarray, n: int) -> np.ndarray:
        """int64 (N, n): opening times of the next n open slots after each of the bars that open at ``time_N``.

        They keep each bar's own distance from the grid, which is 0 but where the clocks have changed.
        """
        slot_N1 = self._slot(time_N)[:, None]
        cycles, ranks = np.divmod(self._open_before(slot_N1 + 1) + np.arange(n), len(self._open))
        return time_N[:, None] + (cycles * self._cycle + self._open[ranks] - slot_N1) * self.step

    def rank(self, time_N: np.ndarray) -> np.ndarray:
        """int64 (N,): index into ``open_slots`` of the first open slot after each bar, cyclic."""
        return self._open_before(self._slot(time_N) + 1) % len(self._open)

    def slot_clock(self) -> np.ndarray:
        """float64 (M, 2): hour of the day with its fraction, and weekday (Monday 0), of each open slot."""
        begin = self.phase + self._open * self.step
        return np.stack([begin % DAY / HOUR, begin // DAY % 7], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; a market that never closes needs no list of slots."""
        plain: dict[str, Any] = {"kind": self.kind, "step": self.step, "phase": self.phase}
        return plain if self.kind == "24/7" else {**plain, "open_slots": list(self.open_slots)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Calendar:
        if plain["kind"] == "24/7":
            return cls.always(int(plain["step"]), int(plain["phase"]))
        return cls(plain["kind"], int(plain["step"]), int(plain["phase"]), tuple(map(int, plain["open_slots"])))

    def _slot(self, time_N: np.ndarray) -> np.ndarray:
        """Number of the slot of each time, counted from 1970-01-05."""
        return (np.asarray(time_N, np.int64) - MONDAY - self.phase + self.step // 2) // self.step

    def _open_before(self, slot_N: np.ndarray) -> np.ndarray:
        """Open slots with a number below each slot's, counted from 1970-01-05 (negative before)."""
        return _count_before(self._open, self._cycle, slot_N)

    def _edges_before(self, slot_N: np.ndarray) -> np.ndarray:
        return _count_before(self._edges, self._cycle, slot_N)

    @cached_property
    def _cycle(self) -> int:
        return _cycle(self.step)

    @cached_property
    def _open(self) -> np.ndarray:
        return np.asarray(self.open_slots, np.int64)

    @cached_property
    def _edges(self) -> np.ndarray:
        """Open slots with a closed neighbour: where a session begins or ends."""
        is_open = np.zeros(self._cycle, bool)
        is_open[self._open] = True
        return np.flatnonzero(is_open & ~(np.roll(is_open, 1) & np.roll(is_open, -1)))

    @cached_property
    def _slots_a_day(self) -> float:
        weekday = (self.phase + self._open * self.step) // DAY % 7
        return float(np.median(np.unique(weekday, return_counts=True)[1]))


def _cycle(step: int) -> int:
    """Slots until the week's pattern repeats."""
    return WEEK // gcd(step, WEEK)


def _count_before(slots: np.ndarray, cycle: int, slot_N: np.ndarray) -> np.ndarray:
    cycles, inside = np.divmod(slot_N, cycle)
    return cycles * len(slots) + np.searchsorted(slots, inside, side="left")


def _template(slot_N: np.ndarray, cycle: int, step: int) -> np.ndarray:
    """bool (cycle,): the slots of the week that are open."""
    slot_N = np.unique(slot_N)
    in_week = np.bincount(slot_N % cycle, minlength=cycle)
    length = int(slot_N[-1] - slot_N[0]) + 1
    if length >= 4 * cycle:
        return in_week * 2 >= len(np.unique(slot_N // cycle))
    is_open = in_week > 0
    if length < cycle and DAY % step == 0 and step < DAY:
        shown = (np.arange(cycle) - slot_N[0]) % cycle < length
        at_time = is_open.reshape(7, -1).any(axis=0)
        is_open |= ~shown & np.tile(at_time, 7)
    return is_open
