"""Is one forecast better than another, or was it luck?"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np

FLOAT32_NOISE = 1e-6  # of the typical loss: losses that agree this well differ by rounding only


class DieboldMariano(TypedDict):
    """A test's result. ``statistic`` is positive where the model is better than the baseline."""

    statistic: float
    p_value: float
    lag: int
    n: int


def newey_west_lag(n: int, horizon: int) -> int:
    """max(H - 1, floor(4 (n/100)^(2/9))), below n."""
    return min(max(horizon - 1, math.floor(4 * (n / 100) ** (2 / 9))), n - 1)


def long_run_variance(values_T: np.ndarray, lag: int) -> float:
    """g(0) + 2 sum over k of (1 - k/(lag+1)) g(k), g the autocovariances (Newey, West 1987); at least 0."""
    centred = values_T - values_T.mean()
    variance = float(centred @ centred)
    for k in range(1, lag + 1):
        variance += 2 * (1 - k / (lag + 1)) * float(centred[k:] @ centred[:-k])
    return variance / len(values_T)


def diebold_mariano(model_T: np.ndarray, baseline_T: np.ndarray, horizon: int) -> DieboldMariano | None:
    """Test of equal expected loss (Diebold and Mariano 1995), two-sided, normal law.

    ``model_T`` and ``baseline_T`` are losses at T successive origins, one value per timestamp. The
    differential is baseline - model, so a positive statistic says that the model is better. None where the
    two are identical (to float32 rounding), where a loss is not finite, or where there is no spread to judge
    by.
    """
    n = len(model_T)
    if n < 2 or not (np.isfinite(model_T).all() and np.isfinite(baseline_T).all()):
        return None
    difference_T = baseline_T - model_T
    if np.abs(difference_T).max() <= FLOAT32_NOISE * np.abs(baseline_T).mean():
        return None
    lag = newey_west_lag(n, horizon)
    variance = long_run_variance(difference_T, lag) / n
    mean = float(difference_T.mean())
    if variance <= (1e-12 * mean) ** 2:
        return None
    statistic = mean / math.sqrt(variance)
    return {"statistic": statistic, "p_value": math.erfc(abs(statistic) / math.sqrt(2)), "lag": lag, "n": n}
