"""Other futures: the same bars before a cut, and something else after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.columns import ADJUSTED, AMOUNTS, PRICES
from nextbar.bars.rows_ahead import RowsAhead

FACTOR = 3.0
"""prices after the cut are so many times as high"""
RESTLESS = 3.0
"""moves of the noise after the cut, in units of those before it"""

Future = Callable[[Bars, int, np.random.Generator], Bars]


def noise(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """From the cut on another random walk, and other columns of pure noise; the times stay."""
    late_N = bars.close_time_N >= cut
    close_N = bars.columns["close"]
    before = close_N[~late_N]
    positive = bool((close_N > 0).all())
    walk_N = rng.standard_normal(int(late_N.sum()))
    moves = np.diff(np.log(before) if positive else before)
    walk_N = np.cumsum(walk_N * RESTLESS * (float(np.std(moves)) if len(moves) else 0.0) + 1e-3)
    columns = {name: value_N.copy() for name, value_N in bars.columns.items()}
    last = float(before[-1]) if len(before) else float(close_N[0])
    centre_N = last * np.exp(np.clip(walk_N, -20, 20)) if positive else last + walk_N
    above_N, below_N = np.abs(rng.standard_normal((2, len(centre_N))))
    size_N = 0.01 * (np.abs(centre_N) + 1e-9)
    edges = {"open": centre_N, **dict.fromkeys(("close", *ADJUSTED), centre_N), "high": centre_N + size_N * above_N}
    edges["low"] = centre_N * np.exp(-0.01 * below_N) if positive else centre_N - size_N * below_N
    for name, value_N in columns.items():
        if name in edges:
            value_N[late_N] = edges[name]
        else:  # where a value is missing, it is missing here too
            drawn_N = rng.lognormal(3, 1, len(centre_N)) if name in AMOUNTS else 50 * rng.standard_normal(len(centre_N))
            value_N[late_N] = np.where(np.isnan(value_N[late_N]), np.nan, drawn_N)
    return Bars(bars.ticker, bars.resolution, bars.time_N, columns, bars.notices)


def scaled(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """From the cut on all prices three times, amounts nine times as high, other columns turned over and moved."""
    late_N = bars.close_time_N >= cut

    def change(name: str, value_N: np.ndarray) -> np.ndarray:
        if name in (*PRICES, *ADJUSTED):
            return FACTOR * value_N
        return FACTOR**2 * value_N if name in AMOUNTS else 1.0 - FACTOR**2 * value_N

    columns = {name: np.where(late_N, change(name, value_N), value_N) for name, value_N in bars.columns.items()}
    return Bars(bars.ticker, bars.resolution, bars.time_N, columns, bars.notices)


def removed(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """No bars from the cut on."""
    return bars.first(int(np.searchsorted(bars.close_time_N, cut)))


def keeping(other: Bars, bars: Bars, known_ahead: Sequence[str]) -> Bars:
    """Another future with the columns of the bars that are known ahead: they may tell what is to come.

    Args:
        other: the bars with another future.
        bars: with their own.
        known_ahead: names of columns.
    """
    names = [name.lower() for name in known_ahead]
    kept = {name: bars.columns[name] for name in names if name in bars.columns}
    n = len(other)
    later = RowsAhead.of(bars.time_N[n:], {name: values[n:] for name, values in kept.items()}, bars.ahead)
    columns = other.columns | {name: values[:n] for name, values in kept.items()}
    return replace(other, columns=columns, ahead=later if len(later) else None)


FUTURES: dict[str, Future] = {"noise": noise, "scale": scaled, "remove": removed}
"""by what they do to the bars that close from the cut on"""

SAME_TIMES = ("noise", "scale")
"""those that leave all bars where they are, so that nothing compiles anew"""
