"""A variance that follows the moves: the recursion of EWMA, GARCH(1,1) and GJR-GARCH(1,1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FLOOR = 1e-6
"""least variance, in units of training's: after a long standstill a law still has a spread"""


class Filter(NamedTuple):
    """v(t+1) = omega + (alpha + gamma [e(t) < 0]) e(t)^2 + beta v(t) with e(t) = m(t) - mean, and the law of the
    standardised moves at each step.

    EWMA (J.P. Morgan and Reuters 1996, "RiskMetrics"): mean 0, omega 0, alpha + beta 1, gamma 0. GARCH(1,1): Bollerslev
    1986, gamma 0. GJR-GARCH(1,1): Glosten, Jagannathan and Runkle 1993.
    """

    mean: float
    """of a one-bar move"""
    omega: float
    alpha: float
    beta: float
    start: float
    """variance of the first move; from training alone, so that no forecast depends on what comes later"""
    factor_H: np.ndarray
    """standard deviation of the h-step law over that of the recursion"""
    df_H: np.ndarray
    """degrees of freedom of a Student-t, (0,) for a normal law"""
    gamma: float = 0.0
    """what a fall adds to ``alpha``"""

    def next_variance(self, move_N: np.ndarray) -> np.ndarray:
        """Variance of the move after each bar, (N,); ``move_N`` are the moves into the bars, the first unknown."""
        from scipy.signal import lfilter

        variance_N = np.full(len(move_N), self.start, np.float64)
        error_N = move_N[1:] - self.mean
        shock_N = self.omega + (self.alpha + self.gamma * (error_N < 0)) * error_N**2
        variance_N[1:] = lfilter([1.0], [1.0, -self.beta], shock_N, zi=[self.beta * self.start])[0]
        return np.maximum(variance_N, FLOOR)

    def ahead(self, variance_N: np.ndarray, horizon: int) -> np.ndarray:
        """Variance of the h-step move, (N, H), where that of the next is ``variance_N``.

        Moves are uncorrelated, so it is the sum of E v(t+j) over j = 1 ... h, with E v(t+j+1) = omega + (alpha +
        gamma / 2 + beta) E v(t+j) (Bollerslev 1986; half of the moves of a symmetric law are falls).
        """
        weight_H = np.cumsum((self.alpha + self.gamma / 2 + self.beta) ** np.arange(horizon))
        added_H = self.omega * np.cumsum(np.r_[0.0, weight_H[:-1]])
        return added_H + weight_H * variance_N[:, None]
