"""Diurnal factor: how much larger returns are at one time of the market's week than at another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.slots import DAY

LEAST_RETURNS = 30
"""returns that a group must have for a factor of its own"""
SMALLEST = 0.05


class Diurnal(NamedTuple):
    """Factor of each open slot of a market's week; the mean of its square over the training returns is 1."""

    factor_M: np.ndarray

    @classmethod
    def flat(cls, calendar: Calendar) -> Diurnal:
        """No difference between the slots."""
        return cls(np.ones(calendar.n_slots))

    @classmethod
    def fit(cls, calendar: Calendar, slot_N: np.ndarray, return_N: np.ndarray) -> Diurnal:
        """Means of absolute returns by group of slots over the mean of all.

        A market that never closes has a factor for each time of the day, times one for each weekday; one with sessions
        has one for each pair of both. Bars of a day and longer have none.

        Args:
            calendar: whose open slots are numbered.
            slot_N: slot of the bar that each return leads into.
            return_N: the training returns.
        """
        factor_M = cls.flat(calendar).factor_M
        if calendar.step >= DAY or not len(return_N):
            return cls(factor_M)
        hour_M, weekday_M = calendar.slot_clock().T
        if calendar.kind == "24/7":
            groupings = [hour_M, weekday_M]
        else:
            groupings = [weekday_M * 24 + hour_M]
        size_N = np.abs(return_N)
        for grouping_M in groupings:
            _, group_M = np.unique(grouping_M, return_inverse=True)
            factor_M = factor_M * _factors(size_N / factor_M[slot_N], group_M[slot_N], group_M.max() + 1)[group_M]
        return cls(factor_M / np.sqrt(np.mean(factor_M[slot_N] ** 2)))

    def ahead(self, slot_NH: np.ndarray) -> np.ndarray:
        """Factor of the return over the next 1 ... H bars, (N, H): the root of the sum of their squares.

        ``slot_NH`` are the slots of the bars that come next, see ``Chain.ahead``.
        """
        return np.sqrt(np.cumsum(self.factor_M[slot_NH % len(self.factor_M)] ** 2, axis=1))


def _factors(size_N: np.ndarray, group_N: np.ndarray, groups: int) -> np.ndarray:
    """Mean size of each group over the mean of all, at least ``SMALLEST``; 1 for a group of few."""
    count_X = np.bincount(group_N, minlength=groups)
    mean_X = np.bincount(group_N, size_N, minlength=groups) / np.maximum(count_X, 1)
    overall = size_N.mean()
    if not overall > 0:
        return np.ones(groups)
    return np.where(count_X < LEAST_RETURNS, 1.0, np.maximum(mean_X / overall, SMALLEST))
