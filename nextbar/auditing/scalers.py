"""Scalers fitted on all rows: a column whose figures are 0 and 1 to the last digit over the whole file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nextbar.auditing.result import Leak
from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso

DIGITS = 1e-4
"""by which mean and standard deviation of a saved column may miss 0 and 1; a column that was standardised on part of
its rows misses them by a few percent"""
LEAST_ROWS, LEAST_VALUES = 100, 20
"""rows, and different values among them, of a column that may have been scaled"""


def scaled_on_all_rows(column: str, series: Sequence[Bars], validation: int) -> Iterator[Leak]:
    """Leaks of an own column, in each series by itself and in all of them together.

    Args:
        column: its name.
        series: bars with all rows that their source has.
        validation: when the validation span begins.
    """
    parts = [b for b in series if column in b.columns]
    pooled = [(b.name, b.columns[column], b.close_time_N) for b in parts]
    if len(parts) > 1:
        values, times = (np.concatenate([part[i] for part in pooled]) for i in (1, 2))
        pooled.append(("all series together", values, times))
    for name, value_N, time_N in pooled:
        finite_N = np.isfinite(value_N)
        value_N, late_N = value_N[finite_N], time_N[finite_N] >= validation
        if len(value_N) >= LEAST_ROWS and len(np.unique(value_N)) >= LEAST_VALUES and late_N.any() and not late_N.all():
            how = _standardised(value_N, late_N) or _ranged(value_N, late_N)
            if how:
                yield Leak(
                    "bars",
                    "suspicious",
                    f"{column} of {name} has {how} over all rows of the file, those of validation and test included: "
                    f"a scaler fitted on everything; fit it on the bars before {iso(validation)}, or leave scaling to "
                    "norm_mode",
                    series="" if name == "all series together" else name,
                    column=column,
                    time=validation,
                )
                return


def _standardised(value_N: np.ndarray, late_N: np.ndarray) -> str:
    """In words, if all rows are standardised and those before the validation span are not."""
    for what, middle, width in (
        ("mean 0 and standard deviation 1", np.mean, np.std),
        ("median 0 and quartiles that are 1 apart", np.median, _quartiles),
    ):
        if _near(float(middle(value_N)), 0.0) and _near(float(width(value_N)), 1.0, 1 / len(value_N)):
            early_N = value_N[~late_N]
            if not (_near(float(middle(early_N)), 0.0) and _near(float(width(early_N)), 1.0, 1 / len(early_N))):
                return what
    return ""


def _ranged(value_N: np.ndarray, late_N: np.ndarray) -> str:
    """In words, if the least and the largest of all rows are 0 or -1, and 1, once each, and one of them comes late."""
    low, high = float(value_N.min()), float(value_N.max())
    once = (value_N == low).sum() == (value_N == high).sum() == 1
    late = low < value_N[~late_N].min(initial=np.inf) or high > value_N[~late_N].max(initial=-np.inf)
    return f"minimum {low:g} and maximum 1" if once and late and low in (0.0, -1.0) and high == 1.0 else ""


def _quartiles(value_N: np.ndarray) -> float:
    low, high = np.quantile(value_N, [0.25, 0.75])
    return float(high - low)


def _near(value: float, target: float, more: float = 0.0) -> bool:
    return abs(value - target) < DIGITS + more
