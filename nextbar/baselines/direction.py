"""Baselines for the direction of the next move alone."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from nextbar.baselines.moves import Moves
from nextbar.baselines.series_baseline import Nothing, Untaught
from nextbar.metrics.bins import side
from nextbar.types import Forecast

PART = 1e-9
"""size of the step: far below any error that is scored, far above rounding"""


class Direction(Untaught):
    """A step of one part in 1e9 of the price the way a rule says; bins: all but as much on the side it says."""

    direction_only = True

    @abstractmethod
    def _sign(self, moves: Moves, row_N: np.ndarray) -> np.ndarray:
        """-1, 0 or 1 for each origin, (N,)."""

    def _forecast(self, learnt: Nothing, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        sign_N = self._sign(moves, row_N)
        if self.task.output_mode == "discrete_grid":
            log_probs_NK = np.log(_one_sided(sign_N, side(self.task.edges)))
            shape = (*date_NH.shape, log_probs_NK.shape[1])
            return Forecast(log_probs_NHK=np.broadcast_to(log_probs_NK[:, None], shape))
        return Forecast(location_NH=np.broadcast_to((sign_N * PART * moves.price_N[row_N])[:, None], date_NH.shape))


class Reversal(Direction):
    """The next move has the opposite sign of the last; flat after a bar that did not move."""

    name = "reversal"
    words = "reversal"

    def _sign(self, moves: Moves, row_N: np.ndarray) -> np.ndarray:
        return -np.sign(moves.move_N[row_N])


class AlwaysUp(Direction):
    """Every move is up."""

    name = "always_up"
    words = "always up"

    def _sign(self, moves: Moves, row_N: np.ndarray) -> np.ndarray:
        return np.ones(len(row_N))


def _one_sided(sign_N: np.ndarray, side_K: np.ndarray) -> np.ndarray:
    """(N, K): all but ``PART`` evenly on the bins of that side; evenly on those that straddle zero where a side has
    none, and on both sides alike where the sign is 0."""

    def favoured(sign: int) -> np.ndarray:
        chosen_K = side_K == sign if (side_K == sign).any() else side_K == 0
        return chosen_K / chosen_K.sum()

    down_K, up_K = favoured(-1), favoured(1)
    flat_K = (down_K + up_K) / 2
    probs_NK = np.stack([down_K, flat_K, up_K])[sign_N.astype(int) + 1] + PART
    return probs_NK / probs_NK.sum(axis=1, keepdims=True)
