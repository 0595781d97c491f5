"""Series whose best possible forecast is known, as frames of hourly bars.

Returns are in percent units: a close starts at 100 and grows by exp(r / 100). Open, high and low come from a Brownian
bridge of 20 sub-steps that ends at the close, with the bar's own variance; volume is independent. ``e`` and ``z`` are
standard normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

SUB_STEPS = 20


@dataclass(frozen=True)
class Synthetic:
    """A series and what is known of its law; arrays by bar, in the unit of the target (percent, or price)."""

    frame: pd.DataFrame
    mean_N: np.ndarray
    """conditional mean of the bar's return or change"""
    std_N: np.ndarray
    """conditional standard deviation"""


def bars_of_returns(return_N: np.ndarray, std_N: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Hourly bars whose log returns are ``return_N`` percent."""
    n = len(return_N)
    close_N = 100 * np.exp(np.cumsum(return_N) / 100)
    steps = rng.standard_normal((n, SUB_STEPS)) * (std_N / np.sqrt(SUB_STEPS))[:, None]
    path = np.cumsum(steps, axis=1)
    share = np.arange(1, SUB_STEPS + 1) / SUB_STEPS
    path += share * (return_N - path[:, -1])[:, None]  # the bridge ends at the close
    path = np.concatenate([np.zeros((n, 1)), path], axis=1)
    open_N = close_N * np.exp(-return_N / 100)
    price = open_N[:, None] * np.exp(path / 100)
    price[:, -1] = close_N
    price[:, 0] = open_N
    return _frame(open_N, price.max(axis=1), price.min(axis=1), close_N, rng)


def bars_of_levels(level_N: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Hourly bars with the given closes."""
    open_N = np.concatenate([level_N[:1], level_N[:-1]])
    path = np.linspace(open_N, level_N, SUB_STEPS + 1, axis=1)
    noise = np.cumsum(rng.standard_normal((len(level_N), SUB_STEPS)), axis=1) / np.sqrt(SUB_STEPS)
    noise -= np.arange(1, SUB_STEPS + 1) / SUB_STEPS * noise[:, -1:]
    path[:, 1:] += noise
    path[:, -1] = level_N
    return _frame(open_N, path.max(axis=1), path.min(axis=1), level_N, rng)


def s1(n: int, seed: int) -> Synthetic:
    """AR(2) level, x(t) = 1.3 x(t-1) - 0.6 x(t-2) + e, given as a close of 100 + x."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(seed)
    level_N = 100 + lfilter([1.0], [1.0, -1.3, 0.6], rng.standard_normal(n + 200))[200:]
    x = level_N - 100
    mean_N = np.zeros(n)
    mean_N[2:] = 1.3 * x[1:-1] - 0.6 * x[:-2] - x[1:-1]
    return Synthetic(bars_of_levels(level_N, rng), mean_N, np.ones(n))


def s3(n: int, seed: int, p: float = 0.6) -> Synthetic:
    """r = s |z|, whose sign s stays with probability p."""
    rng = np.random.default_rng(seed)
    kept = np.where(rng.random(n) < p, 1, -1)
    sign_N = np.cumprod(kept)
    return_N = sign_N * np.abs(rng.standard_normal(n))
    mean_N = np.concatenate([[0.0], (2 * p - 1) * np.sqrt(2 / np.pi) * sign_N[:-1]])
    return Synthetic(bars_of_returns(return_N, np.ones(n), rng), mean_N, np.sqrt(1 - mean_N**2))


def s5(n: int, seed: int, by_square: float = 0.20) -> Synthetic:
    """GARCH(1,1): v = 0.05 + by_square r^2 + (0.95 - by_square) v, normal."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(n)
    return_N, variance_N, v = np.empty(n), np.empty(n), 1.0
    for t in range(n):
        variance_N[t] = v
        return_N[t] = np.sqrt(v) * z[t]
        v = 0.05 + by_square * return_N[t] ** 2 + (0.95 - by_square) * v
    std_N = np.sqrt(variance_N)
    return Synthetic(bars_of_returns(return_N, std_N, rng), np.zeros(n), std_N)


def s7(n: int, seed: int) -> Synthetic:
    """Spread by the hour: proportional to exp(0.6 cos(2 pi (hour - 14) / 24)), of variance 1 over a day."""
    rng = np.random.default_rng(seed)
    spread_N = np.exp(0.6 * np.cos(2 * np.pi * (np.arange(n) % 24 - 14) / 24))
    std_N = spread_N / np.sqrt(np.mean(spread_N[:24] ** 2))
    return Synthetic(bars_of_returns(std_N * rng.standard_normal(n), std_N, rng), np.zeros(n), std_N)


def s9(n: int, seed: int) -> Synthetic:
    """Random walk: nothing to learn."""
    rng = np.random.default_rng(seed)
    return_N = rng.standard_normal(n)
    return Synthetic(bars_of_returns(return_N, np.ones(n), rng), np.zeros(n), np.ones(n))


def _frame(
    open_N: np.ndarray, high_N: np.ndarray, low_N: np.ndarray, close_N: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    date = pd.date_range("2010-01-01", periods=len(close_N), freq="h", tz="UTC")
    volume_N = np.exp(rng.standard_normal(len(close_N)))
    return pd.DataFrame(
        {"date": date, "open": open_N, "high": high_N, "low": low_N, "close": close_N, "volume": volume_N}
    )
