"""A series as other libraries are given it: log prices in units of its own moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nextbar.baselines.history import History
from nextbar.errors import DataError


@dataclass(frozen=True, eq=False)
class ScaledSeries:
    """The closes of one series, N bars, on a scale that any library computes well on.

    Values are log closes, or closes where one is not above zero before the cutoff, divided by ``unit``. Forecasts are
    of the change from the origin's value, so that the level of a series does not matter.
    """

    history: History
    positive: bool
    """whether values are logs"""
    unit: float
    """standard deviation of the move of one bar before the cutoff; 1 where it does not move"""

    @classmethod
    def learnt(cls, history: History) -> ScaledSeries:
        """A series whose bars are all known at the cutoff."""
        positive = bool((history.close_N > 0).all())
        moves = history.moves(positive, 0.0)[1:]
        spread = float(moves.std()) if len(moves) else 0.0
        return cls(history, positive, spread if spread > 0 else 1.0)

    def continued(self, history: History) -> ScaledSeries:
        """The same scale for the series with later bars.

        Raises:
            DataError: a later close is not above zero, so that it has no logarithm.
        """
        if self.positive and not (history.close_N > 0).all():
            worst = float(history.close_N.min())
            raise DataError(
                f"{history.name}: a close of {worst:g}, though all before the cutoff are above zero; rivals of other "
                "libraries are given log prices, so use bars with closes above zero"
            )
        return ScaledSeries(history, self.positive, self.unit)

    @cached_property
    def value_N(self) -> np.ndarray:
        """Values, float64."""
        close_N = self.history.close_N
        return (np.log(close_N) if self.positive else close_N) / self.unit

    def context(self, row: int, bars: int) -> np.ndarray:
        """The last ``bars`` values up to a row, or as many as there are, less the row's own value."""
        value_N = self.value_N[max(0, row + 1 - bars) : row + 1]
        return value_N - value_N[-1]
