"""Stretches: bars of a series that follow one another step by step.

What a calendar counts goes on step by step too between two changes of its clock, so it looks at the first bar of each
stretch instead of at every bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Stretches:
    """The bars of a series in J stretches; within one each opens a step after the one before it."""

    time_N: np.ndarray
    """opening times, int64, ascending"""
    first_J: np.ndarray
    """int64: row of the first bar of each, ascending"""

    @classmethod
    def of(cls, time_N: np.ndarray, step: int) -> Stretches:
        """The longest that there are, of bars of ``step`` seconds."""
        breaks = 1 + np.flatnonzero(time_N[1:] - time_N[:-1] != step)
        return cls(time_N, np.concatenate([np.arange(len(time_N))[:1], breaks]))

    def cut(self, time_K: np.ndarray) -> Stretches:
        """The same, but none has bars both before and after one of these instants, seconds since the epoch."""
        row_K = np.searchsorted(self.time_N, time_K)
        return Stretches(self.time_N, np.union1d(self.first_J, row_K[row_K < len(self.time_N)]))

    @cached_property
    def time_J(self) -> np.ndarray:
        """int64: when the first bar of each opens."""
        return self.time_N[self.first_J]

    @cached_property
    def count_J(self) -> np.ndarray:
        """int64: bars of each."""
        return np.diff(self.first_J, append=len(self.time_N))
