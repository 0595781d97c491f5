"""Groups of a span's windows: by series, by hour and weekday, by volatility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.slots import DAY, HOUR, weekday
from nextbar.bars.zone import local_time
from nextbar.metrics.scorer import Scorer

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
QUINTILES = ("calmest", "calm", "middle", "lively", "wildest")
VOLATILITY_BARS = 20
"""bars before the origin whose moves are its recent volatility"""


class Grouping(NamedTuple):
    """A way of dividing the windows of a span into groups."""

    key: str
    title: str
    axis: str
    labels: tuple[str, ...]
    """of the groups"""
    group_N: np.ndarray
    """index of each window's group"""
    caption: str = ""


def groupings(bars: Sequence[Bars], timezones: Sequence[str], origin_N: np.ndarray, scorer: Scorer) -> list[Grouping]:
    """The ways of grouping that divide a span into at least two groups.

    Args:
        bars: all series, in the order of the rows.
        timezones: of each series' market, whose hours and weekdays its bars are grouped by.
        origin_N: row of each window's last known bar, over all series end to end.
        scorer: of the span.
    """
    outcomes = scorer.outcomes
    local_R = np.concatenate([local_time(b.time_N, zone) for b, zone in zip(bars, timezones, strict=True)])
    opened_N = local_R[origin_N + 1]
    clock = timezones[0] if len(set(timezones)) == 1 else "time of each market"
    which = "first predicted bar" if scorer.task.horizon > 1 else "predicted bar"
    ways = [Grouping("by-ticker", "By series", "series", outcomes.names, outcomes.series_N)]
    if min(b.step for b in bars) < DAY:
        hours = tuple(f"{hour:02d}" for hour in range(24))
        ways.append(Grouping("by-hour", "By hour of the day", f"hour ({clock})", hours, opened_N % DAY // HOUR,
                              f"The hour in which the {which} opens."))  # fmt: skip
    if min(b.step for b in bars) <= DAY:
        weekday_N = weekday(opened_N // DAY)
        ways.append(Grouping("by-weekday", "By weekday", f"weekday ({clock})", WEEKDAYS, weekday_N,
                              f"The day on which the {which} opens."))  # fmt: skip
    ways.append(
        Grouping(
            "by-volatility", "By volatility", "recent volatility, in fifths", QUINTILES,
            quintile(volatility(bars)[origin_N], outcomes.series_N),
            f"Root mean square of the last {VOLATILITY_BARS} moves known at the origin, ranked within each series.",
        )
    )  # fmt: skip
    return [g for g in ways if len(np.unique(g.group_N[g.group_N >= 0])) > 1]


def volatility(bars: Sequence[Bars]) -> np.ndarray:
    """Root mean square of the last moves at each row, over all series end to end; float64 (R,).

    Moves are log returns, or changes where a price of the series is not above zero; early rows have fewer of them.
    """
    return np.concatenate([_volatility(b.columns["close"]) for b in bars])


def _volatility(close_N: np.ndarray) -> np.ndarray:
    level_N = np.log(close_N) if (close_N > 0).all() else close_N
    squared_N = np.concatenate([[0.0], np.diff(level_N) ** 2])
    # a running sum would lose digits after a wild stretch
    padded = np.concatenate([np.zeros(VOLATILITY_BARS - 1), squared_N])
    sums_N = np.lib.stride_tricks.sliding_window_view(padded, VOLATILITY_BARS).sum(axis=1)
    count_N = np.clip(np.arange(len(close_N)), 1, VOLATILITY_BARS)
    return np.sqrt(sums_N / count_N)


def quintile(value_N: np.ndarray, series_N: np.ndarray) -> np.ndarray:
    """Fifth, 0 to 4, of each value within its own series."""
    out = np.zeros(len(value_N), np.int64)
    for s in np.unique(series_N):
        row = series_N == s
        out[row] = np.searchsorted(np.quantile(value_N[row], [0.2, 0.4, 0.6, 0.8]), value_N[row])
    return out
