"""How probable a forecast calls a rise of the close."""

from __future__ import annotations

import numpy as np

from nextbar.metrics.bins import side
from nextbar.metrics.density import mass_below
from nextbar.metrics.task import Task
from nextbar.types import Forecast


def rise_probability(forecast: Forecast, task: Task) -> np.ndarray:
    """Probability (N, H) of a close above the last one; float64, 0 ... 1.

    Of a law its mass above a change of zero; of bins that of the bins above zero, and half of one that straddles zero,
    as ``acc_dir`` counts it.

    Raises:
        ValueError: point forecasts, which give none.
    """
    if forecast.log_probs_NHK is not None:
        probs_NHK = np.exp(np.asarray(forecast.log_probs_NHK, np.float64))
        return np.minimum(probs_NHK @ (0.5 + 0.5 * side(task.edges)), 1.0)
    if forecast.scale_NH is None:
        raise ValueError("a point forecast has no probability of a rise")
    return 1 - mass_below(forecast, np.zeros(np.shape(forecast.scale_NH)))
