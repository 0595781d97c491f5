"""Series whose moves follow another's at a lag, stretches of bars that are repeated later, and shuffled bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from nextbar.auditing.result import Leak
from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.bars.dates import iso

NEAR = 3
"""bars by which two series may be shifted"""
ALIKE, MORE_ALIKE = 0.5, 0.3
"""correlation of moves at another time, and how much more that must be than at the same time: markets that close at
different hours reach 0.4"""
LEAST_BARS = 200
RUN, DISTINCT = 8, 6
"""moves in a row that come again, and how many of them differ"""
FEW = 20
"""runs that may come again by chance, in prices of few digits"""
JUMP = 3.0
"""from one close to the next open, in ranges of a bar: above it rows are not in the order in which they were traded"""


def shifted(series: Sequence[Bars]) -> Iterator[Leak]:
    """Leaks of pairs whose moves go together at another time more than at the same."""
    for first, second in combinations(series, 2):
        if first.step != second.step:
            continue
        _, first_rows, second_rows = np.intersect1d(first.time_N, second.time_N, return_indices=True)
        if len(first_rows) < LEAST_BARS:
            continue
        a_N, b_N = (_moves(b)[rows] for b, rows in ((first, first_rows), (second, second_rows)))
        alike = {lag: _correlation(a_N, b_N, lag) for lag in range(-NEAR, NEAR + 1)}
        lag = max(alike, key=lambda lag: alike[lag])
        if lag and alike[lag] > ALIKE and alike[lag] > alike[0] + MORE_ALIKE:
            late, early = (second, first) if lag > 0 else (first, second)
            yield Leak(
                "bars",
                "suspicious",
                f"{late.name} moves {abs(lag)} bar{'s' if abs(lag) > 1 else ''} after {early.name} (correlation "
                f"{alike[lag]:.2f}, at the same time {alike[0]:.2f}): one of them is dated by another rule (when bars "
                "close, another time zone), and knows the other's future; date both by when their bars open",
                series=early.name,
                column="date",
                time=int(first.close_time_N[first_rows[0]]),
                amount=alike[lag],
            )


def repeated(series: Sequence[Bars], validation: int) -> Iterator[Leak]:
    """Leaks of bars before the validation span that come again after it begins, in any series."""
    early: dict[bytes, tuple[str, int]] = {}
    for bars in series:
        for key, time in _runs(bars):
            if time < validation:
                early.setdefault(key, (bars.name, time))
    for bars in series:
        again = [(time, early[key]) for key, time in _runs(bars) if time >= validation and key in early]
        if len(again) > FEW:
            time, (name, before) = again[0]
            yield Leak(
                "splits",
                "suspicious",
                f"{len(again):,} stretches of {RUN} moves of {bars.name} from {iso(validation)} on are in the training "
                f"span too (first: {iso(time)} is that of {name} at {iso(before)}): rows that were copied, drawn anew "
                "or shuffled, so that validation and test know what was trained on; give each bar once, at its time",
                series=bars.name,
                column="close",
                time=time,
                amount=len(again) / max(len(bars), 1),
            )


def shuffled(bars: Bars) -> Leak | None:
    """The leak of a market whose bars do not go on where the one before ended."""
    if not all(name in bars.columns for name in PRICES) or len(bars) < LEAST_BARS:
        return None
    open_N, high_N, low_N, close_N = (bars.columns[name] for name in PRICES)
    jump = float(np.median(np.abs(open_N[1:] - close_N[:-1])))
    width = float(np.median((high_N - low_N)[1:]))
    if width <= 0 or jump <= JUMP * width:
        return None
    return Leak(
        "splits",
        "suspicious",
        f"{bars.name} jumps {jump / width:.0f} ranges of a bar from one close to the next open: its rows are not in "
        "the order in which they were traded, so bars of training come after those of test; date each row by "
        "its own time",
        series=bars.name,
        column="date",
        time=int(bars.close_time_N[0]),
        amount=jump / width,
    )


def _moves(bars: Bars) -> np.ndarray:
    """Relative moves into each bar, single large ones cut off."""
    close_N = bars.columns["close"]
    size_N = np.where(close_N == 0, 1.0, np.abs(close_N))
    move_N = np.diff(close_N, prepend=close_N[:1]) / size_N
    most = 8 * np.median(np.abs(move_N)) or np.inf
    clipped_N: np.ndarray = np.clip(move_N, -most, most)
    return clipped_N


def _correlation(a_N: np.ndarray, b_N: np.ndarray, lag: int) -> float:
    """Correlation of a with b so many bars later."""
    if lag:
        a_N, b_N = (a_N[:-lag], b_N[lag:]) if lag > 0 else (a_N[-lag:], b_N[:lag])
    if a_N.std() == 0 or b_N.std() == 0:
        return 0.0
    return float(np.corrcoef(a_N, b_N)[0, 1])


def _runs(bars: Bars) -> Iterator[tuple[bytes, int]]:
    """Each stretch of moves that can be told from others, and when its last bar closes."""
    close_N = bars.columns["close"]
    if len(close_N) <= RUN or (close_N <= 0).any():
        return
    move_N = np.round(np.diff(close_N) / close_N[:-1], 9)
    run_NL = np.lib.stride_tricks.sliding_window_view(move_N, RUN)
    sorted_NL = np.sort(run_NL, axis=1)
    distinct_N = 1 + (np.diff(sorted_NL, axis=1) != 0).sum(axis=1)
    for n in np.flatnonzero(distinct_N >= DISTINCT):
        yield run_NL[n].tobytes(), int(bars.close_time_N[n + RUN])
