"""Range variance of bars, and its mean over the last bar, quarter day, day and week: what a range HAR looks at.

The range of a bar tells its variance several times as exactly as its return does (Garman and Klass 1980).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.columns import PRICES
from nextbar.bars.slots import DAY

LONG_LAGS = (1, 5, 22)
"""bars of a day and longer: a day, a week, a month (Corsi 2009)"""
LEAST_QUARTERS = 8
"""bars a day from which a quarter of a day is a lag of its own"""

QUANTA, RANGE = 20, 30
"""variances are whole multiples of the 2^20th part of the least, and at most 2^30 times it; 2^13 of those have a sum
below 2^63"""


def lags_of(calendar: Calendar) -> tuple[int, ...]:
    """Numbers of bars that variances are averaged over, ascending: a bar, a quarter day, a day and a week.

    A week is seven days where the market is open around the clock on its days, else five.
    """
    if calendar.step >= DAY:
        return LONG_LAGS
    day = max(int(calendar.slots_a_day), 1)
    week = 7 if calendar.slots_a_day * calendar.step > 0.9 * DAY else 5
    quarter = day // 4 if day >= LEAST_QUARTERS else 1
    return tuple(sorted({1, quarter, day, week * day}))


def has_ranges(columns: Mapping[str, np.ndarray]) -> bool:
    """True where all four prices are there, and above zero."""
    return all(name in columns and bool((columns[name] > 0).all()) for name in PRICES)


def range_variances(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Variance of the log return into each bar by its range and its opening gap, float64 (N,); the first has no gap.

    (ln o(i) / c(i-1))^2 + 1/2 (ln h / l)^2 - (2 ln 2 - 1) (ln c / o)^2 (Garman and Klass 1980, and the gap). 0 where a
    price is not above zero, which has no logarithm.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        open_, high, low, close = (np.log(columns[name]) for name in PRICES)
        gap_N = np.zeros(len(close))
        gap_N[1:] = open_[1:] - close[:-1]
        variance_N = gap_N**2 + 0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * (close - open_) ** 2
    return np.where(np.isfinite(variance_N), variance_N, 0.0)


def log_means(variance_N: np.ndarray, lags: tuple[int, ...], least: float) -> np.ndarray:
    """ln of the mean of the last L variances up to and with each bar, float64 (N, K), one column a lag.

    Where fewer than L bars are there, their mean. Sums are those of whole multiples of a millionth of ``least``, hence
    exact: the mean over some bars is the same, bit for bit, however many were before them.

    Args:
        variance_N: variances; those below ``least`` are raised to it, those above a billion times it lowered to that.
        lags: numbers of bars.
        least: above zero.
    """
    quantum = least / 2**QUANTA
    count_N = np.rint(np.clip(variance_N, least, least * 2.0**RANGE) / quantum).astype(np.int64)
    # past 2^63 a sum begins again at -2^63, and the difference of two is still right
    sum_N = np.cumsum(np.r_[0, count_N])
    end_N = np.arange(1, len(variance_N) + 1)
    columns = []
    for lag in lags:
        begin_N = np.maximum(end_N - lag, 0)
        columns.append(np.log((sum_N[end_N] - sum_N[begin_N]) / (end_N - begin_N) * quantum))
    return np.stack(columns, axis=1)
