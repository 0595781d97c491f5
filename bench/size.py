"""How often the Diebold-Mariano test calls two equally good forecasts different, where 5 in 100 are claimed.

    python bench/size.py

Loss differentials are drawn under equal expected loss, and each candidate test is put to the same draws:

- ``normal_law``: Newey-West variance, lag max(H - 1, floor(4 (n/100)^(2/9))), normal law
- ``corrected``: the same with the correction of Harvey, Leybourne and Newbold (1997) and the Student-t law
- ``fixed_b``: the same variance with the critical value of Kiefer and Vogelsang (2005, table 1, Bartlett)
- ``fixed_b_wide``: fixed-b with a lag of max(1.3 sqrt(n), 2 H) (Lazarus, Lewis, Stock and Watson 2018; 2 H is ours)
- ``cosine``: nextbar's, ``metrics/significance.py``; None below the number of origins from which on it gives a verdict

The processes, whose errors overlap over H bars as those of forecasts over H bars do:

- ``normal``: squared errors of two forecasts with independent normal errors, moving averages of H shocks
- ``arch``: the same with heavy-tailed shocks (Student-t, 5 degrees of freedom) whose variance follows GARCH(1,1),
  shared by both forecasts
- ``density``: log scores of a constant and of a noisy following spread, whose mean is the same, where log volatility is
  autoregressive (0.95 a bar, standard deviation 0.39): the differentials themselves are correlated
- ``density_slow``: the same with 0.98 a bar and 0.55
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from common import show
from scipy import fft, stats
from scipy.signal import lfilter

from nextbar.metrics.significance import LEAST_AVERAGES, cosine_averages, long_run_variance

ORIGINS = (20, 30, 50, 75, 100, 200, 500, 1000, 2000, 5000)
HORIZONS = (1, 6, 24)
NOMINAL = 0.05
CHUNK = 1_000_000
"""values drawn at once"""
BURN_IN = 100

Process = Callable[[np.random.Generator, int, int, int], np.ndarray]


def over_bars(values_RT: np.ndarray, horizon: int) -> np.ndarray:
    """Mean of each H successive values, (R, T - H + 1)."""
    path = np.cumsum(np.pad(values_RT, ((0, 0), (1, 0))), axis=1)
    return (path[:, horizon:] - path[:, :-horizon]) / horizon


def normal(rng: np.random.Generator, rows: int, n: int, horizon: int) -> np.ndarray:
    """Differentials (R, n)."""
    first, second = (over_bars(rng.standard_normal((rows, n + horizon - 1)), horizon) ** 2 for _ in range(2))
    return horizon * (first - second)


def arch(rng: np.random.Generator, rows: int, n: int, horizon: int) -> np.ndarray:
    """Differentials (R, n)."""
    shock_2TR = rng.standard_t(5, (2, n + horizon - 1 + BURN_IN, rows)) / math.sqrt(5 / 3)
    square_TR = np.mean(shock_2TR**2, axis=0)
    variance_R, variance_TR = np.ones(rows), np.empty(square_TR.shape)
    for t, square_R in enumerate(square_TR):
        variance_TR[t] = variance_R
        variance_R = 0.03 + (0.10 * square_R + 0.87) * variance_R
    error_2TR = (np.sqrt(variance_TR) * shock_2TR)[:, BURN_IN:]
    first, second = (over_bars(error_TR.T, horizon) ** 2 for error_TR in error_2TR)
    return horizon * (first - second)


def density(
    rng: np.random.Generator, rows: int, n: int, horizon: int, memory: float = 0.95, spread: float = 0.15
) -> np.ndarray:
    """Differentials (R, n); ``spread`` is the variance of log volatility, whose square has a mean of 1.

    Log scores of N(0, 1) and N(0, (s exp(e))^2), where s is the volatility and e normal: in expectation they are equal
    where var(e) = ln(1 + 2 spread) / 2.
    """
    shape = (rows, n + horizon - 1)
    state_RT = rng.standard_normal(shape)
    state_RT[:, 1:] *= math.sqrt(1 - memory**2)
    log_RT = math.sqrt(spread) * lfilter([1.0], [1.0, -memory], state_RT, axis=1) - spread
    noise_RT = math.sqrt(math.log1p(2 * spread) / 2) * rng.standard_normal(shape)
    square_RT = rng.standard_normal(shape) ** 2
    constant_RT = 0.5 * square_RT * np.exp(2 * log_RT)
    following_RT = log_RT + noise_RT + 0.5 * square_RT * np.exp(-2 * noise_RT)
    return over_bars(constant_RT - following_RT, horizon)


def density_slow(rng: np.random.Generator, rows: int, n: int, horizon: int) -> np.ndarray:
    """Differentials (R, n)."""
    return density(rng, rows, n, horizon, memory=0.98, spread=0.30)


PROCESSES: dict[str, Process] = {"normal": normal, "arch": arch, "density": density, "density_slow": density_slow}


def bartlett(difference_RT: np.ndarray, lag: int) -> np.ndarray:
    """Newey and West's (1987) long-run variance of each row."""
    n = difference_RT.shape[1]
    length = fft.next_fast_len(2 * n, real=True)
    centred_RT = difference_RT - difference_RT.mean(axis=1, keepdims=True)
    covariance_RK = fft.irfft(np.abs(fft.rfft(centred_RT, length)) ** 2, length)[:, : lag + 1] / n
    weight_K = 2 * (1 - np.arange(lag + 1) / (lag + 1))
    weight_K[0] = 1
    return covariance_RK @ weight_K


def fixed_b(share: float) -> float:
    """Two-sided 5 % critical value for a bandwidth of that share of the sample."""
    return 1.9600 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3


def rejections(difference_RT: np.ndarray, horizon: int) -> dict[str, np.ndarray | None]:
    """Where each test calls the two forecasts different, (R,)."""
    n = difference_RT.shape[1]
    mean_R = np.abs(difference_RT.mean(axis=1))
    lag = min(max(horizon - 1, math.floor(4 * (n / 100) ** (2 / 9))), n - 1)
    wide = min(max(math.floor(1.3 * math.sqrt(n)), 2 * horizon), n - 1)
    narrow_R, wide_R = (mean_R / np.sqrt(bartlett(difference_RT, one) / n) for one in (lag, wide))
    correction = math.sqrt(max(n + 1 - 2 * horizon + horizon * (horizon - 1) / n, 0) / n)
    df = cosine_averages(n, horizon)
    cosine_R = None
    if df >= LEAST_AVERAGES:
        cosine_R = mean_R / np.sqrt(long_run_variance(difference_RT, df) / n) > stats.t.ppf(1 - NOMINAL / 2, df)
    return {
        "normal_law": narrow_R > stats.norm.ppf(1 - NOMINAL / 2),
        "corrected": narrow_R * correction > stats.t.ppf(1 - NOMINAL / 2, n - 1),
        "fixed_b": narrow_R > fixed_b((lag + 1) / n),
        "fixed_b_wide": wide_R > fixed_b((wide + 1) / n),
        "cosine": cosine_R,
    }


def sizes(process: Process, n: int, horizon: int, draws: int, seed: int) -> dict[str, float | None]:
    """Percent of the draws in which each test errs."""
    rng = np.random.default_rng([seed, n, horizon])
    counts: dict[str, int | None] = {}
    left = draws
    while left:
        rows = min(left, max(1, CHUNK // n))
        for name, wrong_R in rejections(process(rng, rows, n, horizon), horizon).items():
            counts[name] = None if wrong_R is None else (counts.get(name) or 0) + int(wrong_R.sum())
        left -= rows
    return {name: None if count is None else 100 * count / draws for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = [
        {"process": name, "horizon": horizon, "origins": n, **sizes(process, n, horizon, args.draws, args.seed)}
        for name, process in PROCESSES.items()
        for horizon in HORIZONS
        for n in ORIGINS
    ]
    versions = {name: version(name) for name in ("numpy", "scipy")}
    show({"sizes_percent": rows, "draws": args.draws, "seed": args.seed, "machine": platform.machine(), **versions})


if __name__ == "__main__":
    main()
