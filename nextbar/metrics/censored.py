"""Logarithmic score of a predictive law in which all outcomes beyond a central interval count alike.

The difference of two logarithmic scores has no finite variance where one law is normal and outcomes have heavy tails:
a mean over origins follows the few that lie far out, and no test of it holds its size (``bench/tested_loss.py``). The
censored likelihood score (Diks, Panchenko and van Dijk 2011, "Likelihood-based scoring rules for comparing density
forecasts in tails", equation 9) is the log density inside a region, and outside it the log of the probability of being
outside, here of each side by itself. It is proper for every region that is known at the origin: the true law has the
lowest expected loss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.density import mass_above, mass_below, quantile
from nextbar.types import Forecast

OUTSIDE = 12
"""Outcomes that are expected on each side of the interval, of origins whose windows share no bar. With fewer a mean is
not normal enough for a test; ``bench/tested_loss.py`` measures how often the test errs."""
LEAST_TAIL, MOST_TAIL = 0.005, 0.05
"""Probability of each side, whatever the number of origins."""
LEAST_MASS = np.finfo(np.float64).tiny
"""Probabilities that are 0 in float64 count as this, so that a loss is finite."""


def tail_of(origins: int, horizon: int) -> float:
    """Probability on each side of the interval, for forecasts over H bars from so many origins."""
    return min(max(OUTSIDE * horizon / origins, LEAST_TAIL), MOST_TAIL)


class Region(NamedTuple):
    """Outcomes that are told apart, in the unit of the target; float64 (N, H)."""

    low_NH: np.ndarray
    high_NH: np.ndarray

    @classmethod
    def of(cls, forecast: Forecast, tail: float) -> Region:
        """The central interval of a forecast with the probability ``tail`` on each side."""
        with np.errstate(all="ignore"):
            return cls(quantile(forecast, tail), quantile(forecast, 1 - tail))

    def rows(self, row_N: np.ndarray) -> Region:
        """That of some windows."""
        return Region(self.low_NH[row_N], self.high_NH[row_N])

    def nll(self, forecast: Forecast, actual_NH: np.ndarray, nll_NH: np.ndarray) -> np.ndarray:
        """Censored negative log-likelihood, (N, H).

        Args:
            forecast: laws of N windows.
            actual_NH: outcomes in the unit of the target.
            nll_NH: negative log density at the outcomes, in any unit that is the same for all forecasts.
        """
        with np.errstate(all="ignore"):
            below_NH, above_NH = mass_below(forecast, self.low_NH), mass_above(forecast, self.high_NH)
            tails_NH = np.where(actual_NH <= self.low_NH, below_NH, above_NH)
            inside_NH = (actual_NH > self.low_NH) & (actual_NH < self.high_NH)
            return np.where(inside_NH | np.isnan(nll_NH), nll_NH, -np.log(np.maximum(tails_NH, LEAST_MASS)))
