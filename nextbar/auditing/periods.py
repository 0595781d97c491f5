"""Days, sessions, weeks and months of a series' bars, and what is known of each at every bar of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.slots import DAY, HOUR
from nextbar.bars.weekly_template import learn_template
from nextbar.bars.zone import UTC, local_time

LEAST = 4
"""Number of periods from which on a kind of period is used."""
MONDAY_OFFSET = 3
"""Days from Monday to 1970-01-01, a Thursday."""


@dataclass(frozen=True, eq=False)
class Periods:
    """The periods of one kind: ``number_N`` counts them from 0, one number a bar."""

    kind: str
    number_N: np.ndarray

    @cached_property
    def first_D(self) -> np.ndarray:
        """Row of the first bar of each period."""
        return np.r_[0, np.flatnonzero(np.diff(self.number_N)) + 1]

    @cached_property
    def last_D(self) -> np.ndarray:
        """Row of the last bar of each period."""
        return np.r_[self.first_D[1:], len(self.number_N)] - 1

    @cached_property
    def left_N(self) -> np.ndarray:
        """How many bars of its period follow each bar."""
        return self.last_D[self.number_N] - np.arange(len(self.number_N))

    def so_far(self, value_N: np.ndarray, operation: np.ufunc) -> np.ndarray:
        """The running sum, maximum or minimum within each period, (N,)."""
        return np.concatenate([operation.accumulate(part) for part in np.split(value_N, self.first_D[1:])])

    def rest_of(self, value_N: np.ndarray) -> np.ndarray:
        """Sum of the values of the later bars of the period, (N,)."""
        total_N = np.cumsum(value_N)
        return total_N[self.last_D[self.number_N]] - total_N


def clock(bars: Bars) -> np.ndarray:
    """Opening times by the clock of the market, as far as the bars show it; seconds, int64 (N,)."""
    zone = learn_template(bars.time_N, bars.step).timezone if bars.step <= DAY else UTC
    return local_time(bars.time_N, zone)


def periods_of(bars: Bars) -> list[Periods]:
    """The kinds of period that hold several bars each: local and UTC days, sessions between gaps, weeks, months."""
    local_N = clock(bars)
    gap_N = np.diff(bars.time_N, prepend=bars.time_N[:1])
    kinds = {
        "day": local_N // DAY,
        "UTC day": bars.time_N // DAY,
        "session": np.cumsum(gap_N > max(3 * bars.step, 3 * HOUR)),
        "week": (local_N // DAY + MONDAY_OFFSET) // 7,
        "month": local_N.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64),
    }
    kept: list[Periods] = []
    for kind, value_N in kinds.items():
        number_N = np.cumsum(np.diff(value_N, prepend=value_N[:1]) != 0)
        several = number_N[-1] + 1 >= LEAST and len(bars) >= 2 * (number_N[-1] + 1)
        if several and not any(np.array_equal(number_N, other.number_N) for other in kept):
            kept.append(Periods(kind, number_N))
    return kept
