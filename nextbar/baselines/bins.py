"""Baseline for bin probabilities."""

from __future__ import annotations

import numpy as np

from nextbar.baselines.moves import Moves
from nextbar.baselines.series_baseline import Nothing, Untaught
from nextbar.types import Forecast


class Frequencies(Untaught):
    """The add-one frequencies of the bins over all training windows of all series, for each step."""

    name = "frequencies"
    words = "the training frequencies"

    def _forecast(self, learnt: Nothing, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        frequencies_HK = self._reference.frequencies_HK
        assert frequencies_HK is not None  # for_task() offers it for bins only
        log_probs_HK = np.log(frequencies_HK)
        return Forecast(log_probs_NHK=np.broadcast_to(log_probs_HK, (len(row_N), *log_probs_HK.shape)))
