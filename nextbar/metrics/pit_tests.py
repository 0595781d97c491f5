"""Tests of the PIT, the share of the law below what came: is it uniform, and are successive ones independent?

- Berkowitz (2001): the normal scores of the PIT have mean 0, variance 1 and no autocorrelation, by a likelihood ratio
  against a Gaussian AR(1).
- Serial dependence (Diebold, Gunther and Tay 1998): Ljung and Box's (1978) statistic of the PIT, for moves whose
  direction could have been known, and of its squared distance from the middle, for moves whose size could have been.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LAGS = 10
"""of Ljung and Box's statistic"""
LEAST_WINDOWS = 100
"""fewer, and Ljung and Box's chi-squared law errs: at 100 windows and 10 lags it calls 5 to 6 in 100 right laws
wrong"""
EDGE = 2.0**-53
"""a PIT of 0 or 1 to rounding counts as this far from it"""
LARGEST = 0.9999
"""autocorrelation that is looked for, at most"""


class PitTest(NamedTuple):
    """The results for one sequence of PITs."""

    windows: int
    mean: float
    """of the normal scores; above 0: outcomes above what was forecast"""
    deviation: float
    """standard deviation of the normal scores; above 1: the law is too narrow"""
    correlation: float
    """first autocorrelation of the normal scores"""
    berkowitz: float
    """p-value of all three"""
    direction: float
    """p-value of serial dependence of the PIT"""
    size: float
    """p-value of serial dependence of its squared distance from one half"""


def pit_test(pit_M: np.ndarray) -> PitTest | None:
    """All tests of M successive PITs; None for fewer than ``LEAST_WINDOWS``."""
    if len(pit_M) < LEAST_WINDOWS:
        return None
    score_M = normal_scores(pit_M)
    centred_M = score_M - score_M.mean()
    correlation = float(centred_M[1:] @ centred_M[:-1] / (centred_M @ centred_M))
    return PitTest(
        len(pit_M), float(score_M.mean()), float(score_M.std()), correlation,
        berkowitz_p(score_M), ljung_box_p(pit_M), ljung_box_p((pit_M - 0.5) ** 2),
    )  # fmt: skip


def normal_scores(pit_M: np.ndarray) -> np.ndarray:
    """Quantiles of the standard normal law at the PIT."""
    from scipy.special import ndtri

    return ndtri(np.clip(pit_M, EDGE, 1 - EDGE))


def log_likelihood(score_M: np.ndarray, correlation: float) -> float:
    """Of a stationary Gaussian AR(1) with that correlation, at its likeliest mean and variance; nats."""
    first, later = score_M[0], score_M[1:] - correlation * score_M[:-1]
    weight = 1 - correlation**2
    m, slope = len(score_M), 1 - correlation
    mean = (weight * first + slope * later.sum()) / (weight + (m - 1) * slope**2)
    variance = (weight * (first - mean) ** 2 + np.sum((later - slope * mean) ** 2)) / m
    return float(-0.5 * m * (np.log(2 * np.pi * variance) + 1) + 0.5 * np.log(weight))


def berkowitz_ratio(score_M: np.ndarray) -> float:
    """Likelihood ratio of the AR(1) against independent standard normal scores, exact for the first; chi-squared(3)."""
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(lambda rho: -log_likelihood(score_M, rho), bounds=(-LARGEST, LARGEST), method="bounded",
                           options={"xatol": 1e-8})  # fmt: skip
    standard = -0.5 * (len(score_M) * np.log(2 * np.pi) + np.sum(score_M**2))
    return 2 * float(-best.fun - standard)


def berkowitz_p(score_M: np.ndarray) -> float:
    """p-value of :func:`berkowitz_ratio`."""
    from scipy.stats import chi2

    return float(chi2.sf(berkowitz_ratio(score_M), 3))


def ljung_box_p(value_M: np.ndarray, lags: int = LAGS) -> float:
    """p-value of Ljung and Box's statistic, M (M + 2) times the sum of r_k^2 / (M - k) over the lags; 1 for
    constants."""
    from scipy.stats import chi2

    centred_M, m = value_M - value_M.mean(), len(value_M)
    total = centred_M @ centred_M
    if total == 0:
        return 1.0
    correlation = np.array([centred_M[k:] @ centred_M[:-k] for k in range(1, lags + 1)]) / total
    return float(chi2.sf(m * (m + 2) * np.sum(correlation**2 / (m - np.arange(1, lags + 1))), lags))
