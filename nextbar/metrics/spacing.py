"""Windows of a series so far apart that their outcomes share no bar, in the order of time.

Forecasts over h bars from neighbouring origins share h - 1 bars, so their errors go together even where the forecasts
are right. A test for what goes together over time asks every h-th origin only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.types import Outcomes


class SpacedWindows(NamedTuple):
    """Successive windows of one series and one step."""

    series: str
    step: int
    """1 ... H"""
    row_M: np.ndarray
    """windows, by time"""


def sequences(outcomes: Outcomes, horizon: int) -> list[SpacedWindows]:
    """One for each series and step h, holding every h-th of the series' windows, the first included."""
    every: list[SpacedWindows] = []
    for name, row_M in outcomes.rows_by_name.items():
        by_time_M = row_M[np.argsort(outcomes.origin_time_N[row_M], kind="stable")]
        every += [SpacedWindows(name, step, by_time_M[::step]) for step in range(1, horizon + 1)]
    return every
