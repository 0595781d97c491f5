"""Slots of a market's time: equal steps of its local clock, also where the clock is changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import TypeVar

import numpy as np

from nextbar.bars.zone import UTC, Offsets, offsets

WEEK, DAY, HOUR = 604_800, 86_400, 3_600
YEAR = 365.2425 * DAY
MONDAY = 4 * DAY  # 1970-01-05, the first Monday of the epoch

Days = TypeVar("Days", int, np.ndarray)


def weekday(day: Days) -> Days:
    """0 for Monday to 6 for Sunday, of days since the epoch, which was a Thursday."""
    return (day + 3) % 7


def least_gap(step: int) -> int:
    """The least seconds from one bar to the next: of four hours and more an hour less, since clocks are changed."""
    return step - HOUR if step >= 4 * HOUR else step


@dataclass(frozen=True)
class Slots:
    """Slots of ``step`` seconds of a time zone's clock, the first beginning Monday 00:00 plus ``phase``.

    Two ways of counting: a *place* is a slot's number by the local clock, 0 being the first of 1970-01-05, so that
    places repeat every ``cycle`` slots of the week; a *number* counts the slots that there really are. Where the
    clock is put forward, places are left out: no bar can open then. Where it is put back by a step or more, places
    come twice; by less, the first of the two is the slot. In UTC places are numbers.
    """

    step: int
    phase: int = 0
    timezone: str = UTC

    @property
    def cycle(self) -> int:
        """Slots until the week's pattern repeats; a step that does not divide a week takes several weeks."""
        return WEEK // gcd(self.step, WEEK)

    def number(self, time_N: np.ndarray) -> np.ndarray:
        """Number of the slot whose beginning is nearest by the local clock, for times in seconds since the epoch."""
        time_N = np.asarray(time_N, np.int64)
        part_N = self._offsets.part(time_N)
        local_N = time_N + self._offsets.offset_K[part_N] - MONDAY - self.phase
        return (local_N + self.step // 2) // self.step + self.ahead_K[part_N]

    def holding(self, time_N: np.ndarray) -> np.ndarray:
        """Number of the slot that begins at or last before these times, seconds since the epoch."""
        time_N = np.asarray(time_N, np.int64)
        part_N = self._offsets.part(time_N)
        return (time_N + self._offsets.offset_K[part_N] - MONDAY - self.phase) // self.step + self.ahead_K[part_N]

    def place(self, number_N: np.ndarray) -> np.ndarray:
        """Place of the slots with these numbers."""
        return number_N - self.ahead_K[self.part(number_N)]

    def begin(self, number_N: np.ndarray) -> np.ndarray:
        """When the slots with these numbers begin, seconds since the epoch."""
        part_N = self.part(number_N)
        local_N = MONDAY + self.phase + (number_N - self.ahead_K[part_N]) * self.step
        return local_N - self._offsets.offset_K[part_N]

    def part(self, number_N: np.ndarray) -> np.ndarray:
        """How often the clock has been changed before the slots with these numbers begin."""
        return np.searchsorted(self._first_K, number_N, side="right")

    @cached_property
    def turns(self) -> np.ndarray:
        """Instants around the changes of the clock, seconds since the epoch, ascending.

        Of bars that open a step apart, all between the same two, numbers and places are one apart too, and each opens
        as long after its slot begins as the others: within a step and a half of a change, where that need not be so,
        there is an instant every step.
        """
        return np.unique(self._offsets.change_K[:, None] + self.step * np.arange(-1, 3))

    @cached_property
    def changes(self) -> tuple[np.ndarray, np.ndarray]:
        """Place of the first slot after each change of the clock, by the clock before the change and by the new one."""
        change_K, offset_K = self._offsets
        # a negative floor of the negative is the place that begins at that time or next
        was_K = -((MONDAY + self.phase - change_K - offset_K[:-1]) // self.step)
        is_K = -((MONDAY + self.phase - change_K - offset_K[1:]) // self.step)
        back_K = offset_K[:-1] - offset_K[1:]
        return was_K, np.where(self.step > back_K, np.maximum(is_K, was_K), is_K)

    @cached_property
    def ahead_K(self) -> np.ndarray:
        """Number less place before the first change of the clock, between any two, and after the last."""
        was_K, is_K = self.changes
        return np.concatenate([[0], np.cumsum(was_K - is_K)])

    @cached_property
    def _first_K(self) -> np.ndarray:
        """Number of the first slot after each change."""
        return self.changes[1] + self.ahead_K[1:]

    @cached_property
    def _offsets(self) -> Offsets:
        return offsets(self.timezone)


class Tally:
    """Counts the slots of some places of the week, such as the open ones.

    Args:
        slots: the grid.
        places_M: ascending, 0 <= place < cycle; ``nth`` needs at least one.
    """

    def __init__(self, slots: Slots, places_M: np.ndarray) -> None:
        self._slots, self._places_M = slots, places_M
        was_K, is_K = map(self._by_place, slots.changes)
        self._surplus_K = np.concatenate([[0], np.cumsum(is_K - was_K)])  # by places less what there really were
        self._first_K = is_K - self._surplus_K[1:]

    def before(self, number_N: np.ndarray) -> np.ndarray:
        """How many have a lower number, counted from 1970-01-05 (negative before)."""
        return self._by_place(self._slots.place(number_N)) - self._surplus_K[self._slots.part(number_N)]

    def between(self, number_N: np.ndarray, after_N: np.ndarray) -> np.ndarray:
        """How many have a number from ``number_N`` on and below ``after_N``."""
        return self.before(after_N) - self.before(number_N)

    def nth(self, count_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number of the slot that has this many before it, and its index into the places."""
        part_N = np.searchsorted(self._first_K, count_N, side="right")
        cycles_N, index_N = np.divmod(count_N + self._surplus_K[part_N], len(self._places_M))
        place_N = cycles_N * self._slots.cycle + self._places_M[index_N]
        return place_N + self._slots.ahead_K[part_N], index_N

    def _by_place(self, place_N: np.ndarray) -> np.ndarray:
        cycles_N, inside_N = np.divmod(place_N, self._slots.cycle)
        return cycles_N * len(self._places_M) + np.searchsorted(self._places_M, inside_N, side="left")
