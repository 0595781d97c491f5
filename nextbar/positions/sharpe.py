"""Sharpe ratios: how likely a ratio is above zero, or above that of the best of several that are worth nothing.

Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
Non-Normality", Journal of Portfolio Management 40 (2014). Ratios are those of one period unless they are called annual,
and the return of cash is zero.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LEAST = 30
"""returns from which a probability is given: its law is that of large samples"""
FLAT = 1e-12
"""standard deviation, relative to the largest return, that counts as rounding"""


class SharpeRatio(NamedTuple):
    """The Sharpe ratio of a stretch of returns, and what its standard error follows from."""

    value: float
    """mean over standard deviation (of n − 1), one period"""
    skewness: float
    kurtosis: float
    """3 for a normal law"""
    periods: int
    """T"""

    @classmethod
    def of(cls, return_T: np.ndarray) -> SharpeRatio | None:
        """That of T returns; None for fewer than two, and where they do not vary."""
        if len(return_T) < 2:
            return None
        deviation_T = return_T - return_T.mean()
        variance = float(np.mean(deviation_T**2))
        if not math.sqrt(variance) > FLAT * float(np.abs(return_T).max()):
            return None
        third, fourth = (float(np.mean(deviation_T**k)) for k in (3, 4))
        value = float(return_T.mean() / return_T.std(ddof=1))
        return cls(value, third / variance**1.5, fourth / variance**2, len(return_T))

    def annual(self, periods_per_year: float) -> float:
        """The ratio of a year, as if periods did not depend on one another."""
        return self.value * math.sqrt(periods_per_year)

    def probability_above(self, ratio: float) -> float | None:
        """The probabilistic Sharpe ratio: the probability that the true ratio is above ``ratio``.

        Φ((SR − ratio) √(T − 1) / √(1 − γ₃ SR + (γ₄ − 1)/4 SR²)), with skewness γ₃ and kurtosis γ₄; it knows nothing of
        periods that depend on one another. None for fewer than ``LEAST`` periods, and of returns of two values alone,
        whose standard error can be zero.
        """
        from scipy.special import ndtr

        variance = 1 - self.skewness * self.value + (self.kurtosis - 1) / 4 * self.value**2
        if self.periods < LEAST or not variance > 1e-9:
            return None
        return float(ndtr((self.value - ratio) * math.sqrt(self.periods - 1) / math.sqrt(variance)))

    def deflated(self, trials: int, variance: float | None = None) -> float | None:
        """The deflated Sharpe ratio: the probability that the true ratio is above what the best of ``trials`` shows.

        Args:
            trials: configurations tried, of which this one was chosen; with 1 it is that of a ratio above zero.
            variance: of their ratios; None: 1 / (T − 1), that of ratios that are zero but for luck.
        """
        luck = 1 / (self.periods - 1) if variance is None else variance
        return self.probability_above(expected_best(trials, luck))


def expected_best(trials: int, variance: float) -> float:
    """The expected greatest of ``trials`` independent ratios around zero with this variance.

    √V ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e))), γ = 0.5772...; 0 for a single one.
    """
    from scipy.special import ndtri

    if trials == 1:
        return 0.0
    quantiles = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * float((1 - np.euler_gamma) * quantiles[0] + np.euler_gamma * quantiles[1])
