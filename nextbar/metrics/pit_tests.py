"""Tests of the PIT, the share of the law below the outcome: uniform, and independent of the one before.

- Berkowitz (2001): the normal scores of the PIT have mean 0, variance 1 and no autocorrelation, by a likelihood ratio
  against a Gaussian AR(1).
- Serial dependence (Diebold, Gunther and Tay 1998): Ljung and Box's (1978) statistic of the PIT, for moves whose
  direction could have been known, and of its squared distance from the middle, for moves whose size could have been.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

LAGS = 10
"""of Ljung and Box's statistic"""
LEAST_WINDOWS = 50
"""fewer, and the chi-squared law of Berkowitz's ratio errs: with 30 it calls 6 in 100 right laws wrong"""
DRAWN = 1_000
"""windows up to which the law of Ljung and Box's statistic is drawn: the chi-squared law calls 7 in 100 wrong at 100"""
DRAWS = 999
SEED = 0
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
        berkowitz_p(score_M), direction_p(pit_M), size_p(pit_M),
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


def ljung_box(value_RM: np.ndarray, lags: int = LAGS) -> np.ndarray:
    """Ljung and Box's statistic of R sequences, M (M + 2) times the sum of r_k^2 / (M - k) over the lags, (R,).

    0 for a sequence that stands still.
    """
    m = value_RM.shape[1]
    centred_RM = value_RM - value_RM.mean(axis=1, keepdims=True)
    total_R = np.sum(centred_RM**2, axis=1)
    moves_R = total_R > 1e-12 * np.sum(value_RM**2, axis=1)
    statistic_R = np.zeros(len(value_RM))
    for k in range(1, lags + 1):
        product_R = np.einsum("rm,rm->r", centred_RM[:, k:], centred_RM[:, :-k])
        correlation_R = np.divide(product_R, total_R, out=np.zeros_like(total_R), where=moves_R)
        statistic_R += m * (m + 2) * correlation_R**2 / (m - k)
    return statistic_R


def direction_p(pit_M: np.ndarray) -> float:
    """p-value of Ljung and Box's statistic of the PIT."""
    return _ljung_box_p(pit_M, _as_is)


def size_p(pit_M: np.ndarray) -> float:
    """p-value of Ljung and Box's statistic of its squared distance from one half."""
    return _ljung_box_p(pit_M, _squared_distance)


def _as_is(pit: np.ndarray) -> np.ndarray:
    return pit


def _squared_distance(pit: np.ndarray) -> np.ndarray:
    return (pit - 0.5) ** 2


def _ljung_box_p(pit_M: np.ndarray, values: Callable[[np.ndarray], np.ndarray]) -> float:
    from scipy.stats import chi2

    observed = float(ljung_box(values(pit_M)[None])[0])
    if len(pit_M) > DRAWN:
        return float(chi2.sf(observed, LAGS))
    return (1 + int(np.sum(_drawn(len(pit_M), values) >= observed))) / (1 + DRAWS)


@lru_cache(maxsize=16)
def _drawn(m: int, values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Ljung and Box's statistic of m independent uniform PITs, in each draw."""
    return ljung_box(values(np.random.default_rng(SEED).random((DRAWS, m))))
