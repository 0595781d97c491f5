"""The Diebold-Mariano test: whether one forecast is better than another by more than luck."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np

FLOAT32_NOISE = 1e-6  # of the typical loss: losses that agree this well differ by rounding only

AVERAGES = 0.4
"""B = 0.4 n^(2/3) cosine averages (Lazarus, Lewis, Stock and Watson 2018, "HAR inference")"""
OVERLAP = 3
"""at most n / (3 H) averages: forecasts over H bars share bars with those of the next H - 1 origins, and up to that
frequency the overlap's spectrum (Fejér's kernel) stays within a tenth of its value at zero"""
LEVEL = 0.95
"""Of the interval."""
LEAST_AVERAGES = 3
"""below, the standard error is a guess: with two averages a difference counts from 4.3 of them on, with one from 12.7
(the 97.5 % quantiles of the Student-t law)"""


class DieboldMariano(TypedDict):
    """A test's result. ``statistic`` is positive where the model is better than the baseline."""

    statistic: float
    p_value: float
    df: int
    """degrees of freedom: the number of cosine averages behind the standard error"""
    n: int
    """origins"""
    difference: float
    """Mean of the baseline's loss - the model's."""
    low: float
    """Lower end of the 95 % interval of the expected difference: those that the test does not reject at 5 %."""
    high: float


def cosine_averages(n: int, horizon: int) -> int:
    """How many averages the variance of n origins is taken from; 0 where there are too few."""
    return min(math.floor(AVERAGES * n ** (2 / 3)), n // (OVERLAP * horizon))


def least_origins(horizon: int) -> int:
    """The fewest origins that the test has a result for: 21 for one step, 9 H for nine steps' overlap and more."""
    return origins_for(LEAST_AVERAGES, horizon)


def origins_for(averages: int, horizon: int) -> int:
    """The fewest origins that give so many cosine averages."""
    return max(math.ceil((averages / AVERAGES) ** 1.5), averages * OVERLAP * horizon)


def long_run_variance(values_T: np.ndarray, averages: int) -> np.ndarray:
    """Spectral density at frequency zero, times 2 pi, along the last axis: the variance of the mean times T.

    The equal-weighted mean of the squares of sqrt(2/T) sum over t of x(t) cos(pi j (t - 1/2) / T) for j = 1 ... B: of
    the orthonormal type-II cosine transform (Müller 2007; Lazarus et al. 2018). The mean drops out.
    """
    from scipy.fft import dct

    return np.mean(dct(values_T, norm="ortho", axis=-1)[..., 1 : averages + 1] ** 2, axis=-1)


def diebold_mariano(model_T: np.ndarray, baseline_T: np.ndarray, horizon: int) -> DieboldMariano | None:
    """Test of equal expected loss (Diebold and Mariano 1995), two-sided.

    The differential is baseline - model, so a positive statistic says that the model is better. Its mean is divided by
    the standard error of :func:`long_run_variance`; under equal loss that has a Student-t law with B degrees of freedom
    (Lazarus et al. 2018), and so has the p-value. ``bench/size.py`` measures how often it errs.

    Args:
        model_T: losses at T successive origins, one value per timestamp.
        baseline_T: the same of the baseline.
        horizon: H, bars that a loss is averaged over; those of H successive origins share bars.

    Returns:
        None for fewer than :func:`least_origins`, where the two are identical (to float32 rounding), where a loss is
        not finite, or where there is no spread to judge by.
    """
    from scipy.special import stdtr, stdtrit

    n = len(model_T)
    if n < least_origins(horizon) or not (np.isfinite(model_T).all() and np.isfinite(baseline_T).all()):
        return None
    difference_T = baseline_T - model_T
    if np.abs(difference_T).max() <= FLOAT32_NOISE * np.abs(baseline_T).mean():
        return None
    df = cosine_averages(n, horizon)
    variance = float(long_run_variance(difference_T, df)) / n
    mean = float(difference_T.mean())
    if variance <= (1e-12 * mean) ** 2:
        return None
    error = math.sqrt(variance)
    statistic, reach = mean / error, float(stdtrit(df, (1 + LEVEL) / 2)) * error
    return {
        "statistic": statistic,
        "p_value": 2 * float(stdtr(df, -abs(statistic))),
        "df": df,
        "n": n,
        "difference": mean,
        "low": mean - reach,
        "high": mean + reach,
    }
