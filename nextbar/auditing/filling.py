"""Back-filled columns: empty first rows that were filled with the first later value."""

from __future__ import annotations

import numpy as np

from nextbar.auditing.result import Leak
from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso

FEWEST = 4
"""equal values at the beginning of a column that else changes from bar to bar"""
MOST_STILL = 0.02
"""share of the other rows that equal the one before"""
ROUND = 4
"""significant digits of a constant that somebody has chosen"""


def back_filled(column: str, bars: Bars) -> Leak | None:
    """The leak of a column whose first rows were filled from a later one."""
    value_N = bars.columns[column]
    rows = np.flatnonzero(np.isfinite(value_N))
    if len(rows) < 10 * FEWEST:
        return None
    value_N, time_N = value_N[rows], bars.close_time_N[rows]
    still_N = np.diff(value_N) == 0
    n = int(np.argmin(still_N)) if not still_N.all() else len(still_N)
    later_N = still_N[n:]
    if n + 1 < FEWEST or n > len(value_N) // 2 or later_N.mean() > MOST_STILL or _is_round(float(value_N[0])):
        return None
    return Leak(
        "bars",
        "suspicious",
        f"{column} of {bars.name} is {value_N[0]:.9g} in its first {n + 1} rows and then changes from bar to bar: "
        f"filled backwards with what was known at {iso(time_N[n])} only; leave the rows empty",
        series=bars.name,
        column=column,
        time=int(time_N[0]),
    )


def _is_round(value: float) -> bool:
    """Whether a number has few digits, as one that was chosen and not computed."""
    return float(f"{value:.{ROUND}g}") == value
