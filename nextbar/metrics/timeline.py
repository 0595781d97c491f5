"""Losses per timestamp: the mean over the series that have a window there, in the order of time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.types import Outcomes


class Timeline(NamedTuple):
    """Losses of several forecasts at the same T timestamps."""

    time_T: np.ndarray
    """closing times of the last known bars, seconds since the epoch, ascending; int64"""
    losses: dict[str, np.ndarray]
    """by name, (T,) float64"""

    @classmethod
    def of(cls, outcomes: Outcomes, losses: dict[str, np.ndarray]) -> Timeline:
        """From the losses of N windows."""
        time_T = np.unique(outcomes.origin_time_N)
        return cls(time_T, {name: per_timestamp(outcomes, loss_N) for name, loss_N in losses.items()})


def per_timestamp(outcomes: Outcomes, loss_N: np.ndarray) -> np.ndarray:
    """Mean loss of the windows of each timestamp, (T,)."""
    _, moment_N = np.unique(outcomes.origin_time_N, return_inverse=True)
    return np.bincount(moment_N, loss_N) / np.bincount(moment_N)
