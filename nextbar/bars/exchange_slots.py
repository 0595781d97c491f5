"""Open slots in the sessions of an exchange: where bars of a length may begin, and in which session."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from nextbar.bars.sessions import Sessions
from nextbar.bars.slots import DAY, Slots
from nextbar.bars.zone import local_time

Grid = Literal["session", "clock"]
"""what bars begin with: the session, or the clock"""
KEPT = 16
"""lists of open slots that stay in memory"""


@lru_cache(maxsize=KEPT)
def slots_of(
    sessions: Sessions, step: int, phase: int, timezone: str, grid: Grid, evening: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Beginning and session of each open slot, see ``ExchangeCalendar``; series of one kind share them."""
    slots, parts = Slots(step, phase, timezone), sessions.parts
    if step == DAY and grid == "session":
        first_D = np.unique(parts.session_P, return_index=True)[1]
        return parts.open_P[first_D], parts.session_P[first_D]
    if step >= DAY:
        # the first place of a week is that of Monday, the fourth day of the epoch
        wall_D = (sessions.day_D - evening) * DAY + (phase if step == DAY else DAY // 2)
        number_D = slots.holding(_instant(wall_D, timezone))
        new_D = np.diff(number_D, prepend=number_D[0] - 1) > 0
        return slots.begin(number_D[new_D]), np.flatnonzero(new_D)
    if grid == "session":
        count_P = -((parts.open_P - parts.close_P) // step)
        begin_M = np.repeat(parts.open_P, count_P) + _counted(count_P) * step
        return begin_M, np.repeat(parts.session_P, count_P)
    first_P = slots.holding(parts.open_P)
    count_P = slots.holding(parts.close_P - 1) - first_P + 1
    number_M, session_M = np.repeat(first_P, count_P) + _counted(count_P), np.repeat(parts.session_P, count_P)
    new_M = np.diff(number_M, prepend=number_M[0] - 1) > 0
    return slots.begin(number_M[new_M]), session_M[new_M]


def _counted(count_P: np.ndarray) -> np.ndarray:
    """0 ... n - 1 for each of some counts, one after the other."""
    return np.arange(count_P.sum()) - np.repeat(np.cumsum(count_P) - count_P, count_P)


def _instant(wall_N: np.ndarray, timezone: str) -> np.ndarray:
    """When a clock shows these times, in seconds since 1970-01-01 00:00 on it; the later one of two, or of none."""
    guess_N = wall_N - (local_time(wall_N, timezone) - wall_N)
    return guess_N + (wall_N - local_time(guess_N, timezone))
