"""``ContextRival``: models that forecast from the last bars before an origin, many origins in one call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from nextbar.errors import DataError
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead, LibraryRival
from nextbar.rivals.scaled_series import ScaledSeries

BATCH = 256
"""origins forecast in one call"""


class ContextRival(LibraryRival):
    """A rival whose forecasts depend on nothing but its parameters and the ``context`` bars up to the origin.

    So the bars after an origin cannot reach it: each context is cut before the library is called.
    """

    context: int
    """bars up to the origin that the model is given"""
    least = 1
    """bars that it needs there"""

    @abstractmethod
    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        """Forecasts from several contexts, each an ascending series of values that ends with 0."""

    def _ahead(self, series: ScaledSeries, row_M: np.ndarray, horizon: int) -> Ahead:
        if len(row_M) and row_M.min() + 1 < self.least:
            raise DataError(
                f"{series.history.name}: {self.name} needs {self.least} bars up to an origin, and the first has "
                f"{row_M.min() + 1}; use more bars, or a model that looks back less"
            )
        parts = [
            self._forecast([series.context(int(row), self.context) for row in row_M[start : start + BATCH]], horizon)
            for start in range(0, len(row_M), BATCH)
        ]
        return Ahead(*(None if of[0] is None else np.concatenate(of) for of in zip(*parts, strict=True)))  # type: ignore[arg-type]


def from_quantiles(quantiles_NHQ: np.ndarray, shares: Sequence[float]) -> Ahead:
    """Quantiles put in order, which a network's may not be, and their median as the location.

    Args:
        quantiles_NHQ: of N forecasts.
        shares: Q ascending shares; without 0.5 among them the median lies between its neighbours, linearly.
    """
    ordered_NHQ = np.sort(np.asarray(quantiles_NHQ, np.float64), axis=-1)
    above = int(np.searchsorted(shares, 0.5))
    if (above < len(shares) and shares[above] == 0.5) or above in (0, len(shares)):
        median_NH = ordered_NHQ[..., min(above, len(shares) - 1)]
    else:
        weight = (0.5 - shares[above - 1]) / (shares[above] - shares[above - 1])
        median_NH = (1 - weight) * ordered_NHQ[..., above - 1] + weight * ordered_NHQ[..., above]
    return Ahead(median_NH, None, ordered_NHQ)


def beyond(task: Task, most: int, what: str) -> str:
    """The sentence for a horizon that a model cannot reach."""
    return f"{what} forecasts {most} bars at most, and the experiment's horizon is {task.horizon}"
