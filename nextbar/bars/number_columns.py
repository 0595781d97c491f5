"""Numeric columns of a table: which of them are used, what is wrong with their values, and where they have none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nextbar.bars.columns import TableNeeds
from nextbar.bars.numbers import empty, floats
from nextbar.bars.rows_ahead import find_rows_ahead
from nextbar.bars.table import Problems, Table

LARGEST = 1e30
"""of any number, and the inverse of the least price: the device computes in float32, which ends at 1e±38"""


class NumberColumns(NamedTuple):
    """The columns of a table that are used, float64 (N,) by standard name, and which rows are rows ahead."""

    columns: dict[str, np.ndarray]
    ahead_N: np.ndarray


class _Cells(NamedTuple):
    """The cells of one column: their numbers, and which of them hold none, or none that may stand."""

    number_N: np.ndarray
    """float64, NaN for what is no number"""
    empty_N: np.ndarray
    """nothing, or a word for that"""
    wrong_N: np.ndarray
    """no finite number: empty, text or infinite"""
    huge_N: np.ndarray
    """a finite number beyond ``LARGEST``"""

    @classmethod
    def of(cls, raw: pd.Series, number_N: np.ndarray) -> _Cells:
        wrong_N = ~np.isfinite(number_N)
        return cls(number_N, empty(raw, number_N), wrong_N, ~wrong_N & (np.abs(number_N) > LARGEST))


class _Fault(NamedTuple):
    """Why the values of some rows are refused."""

    bad_N: np.ndarray
    reason: str


def read_numbers(
    table: Table, positions: dict[str, int], needs: TableNeeds, problems: Problems, notices: list[str]
) -> NumberColumns:
    """The numeric columns of a table; adds to its problems and notices.

    A value that may not stand is a problem of a column that the experiment needs or asks for; any other column with
    such a value is left out.

    Args:
        table: as read.
        positions: of its columns by standard name; may lack some.
        needs: what the table is read for.
        problems: of the table.
        notices: about the table.
    """
    numbers = {name: floats(table.frame.iloc[:, at]) for name, at in positions.items() if name != "date"}
    ahead_N = np.zeros(len(table), bool)
    if "date" in positions:
        ahead_N = find_rows_ahead(numbers, needs, table.frame.iloc[:, positions["date"]])
    if ahead_N.any():
        first = table.row(int(np.argmax(ahead_N)))
        notices.append(
            f"{ahead_N.sum()} rows after the last bar (first: {first}) have no price: rows ahead, of which only "
            "columns named in known_ahead are used"
        )
    columns: dict[str, np.ndarray] = {}
    for name, number_N in numbers.items():
        if not _within(number_N, name, needs):
            at = positions[name]
            cells = _Cells.of(table.frame.iloc[:, at], number_N)
            if not _is_used(cells, name, needs):
                if name in needs.amounts:
                    notices.append(f"{name} is empty and left out")
                continue
            for fault in _faults(cells, name, needs, ahead_N):
                problems.values(fault.bad_N, name, at, fault.reason)
            notices += _gaps(table, cells, name, needs, ahead_N)
        columns[name] = number_N
    return NumberColumns(columns, ahead_N)


def _within(number_N: np.ndarray, name: str, needs: TableNeeds) -> bool:
    """Whether every value of a column may stand, as nearly always: two passes tell, and NaN fails both."""
    least = 0.0 if name in needs.amounts else -LARGEST
    if needs.is_price(name) and needs.positive:
        least = 1 / LARGEST
    return bool(least <= number_N.min() and number_N.max() <= LARGEST)


def _is_used(cells: _Cells, name: str, needs: TableNeeds) -> bool:
    """Whether a column is used: not an empty one, or one of text or infinities, where nobody asked for it."""
    if needs.is_price(name) or name in needs.asked:
        return True
    if cells.empty_N.all():
        return False
    return name in needs.amounts or not (cells.wrong_N & ~cells.empty_N | cells.huge_N).any()


def _faults(cells: _Cells, name: str, needs: TableNeeds, ahead_N: np.ndarray) -> list[_Fault]:
    """What is wrong with the values of a column that is used; only a price may not be empty."""
    if needs.is_price(name):
        faults = [_Fault(cells.wrong_N & ~ahead_N, "is not a finite number")]
        if needs.positive:
            small_N = (cells.number_N > 0) & (cells.number_N < 1 / LARGEST)
            faults.append(_Fault(~cells.wrong_N & (cells.number_N <= 0), f"is not above 0{needs.why_positive}"))
            faults.append(_Fault(small_N, f"is below {1 / LARGEST:g}: use another unit"))
    else:
        faults = [_Fault(cells.wrong_N & ~cells.empty_N, "is not a finite number")]
    faults.append(_Fault(cells.huge_N, f"is beyond {LARGEST:g}: use another unit"))
    if name in needs.amounts:
        faults.append(_Fault(cells.number_N < 0, "is negative"))
    return faults


def _gaps(table: Table, cells: _Cells, name: str, needs: TableNeeds, ahead_N: np.ndarray) -> list[str]:
    """A notice of where an amount, or a column that was asked for, is empty; none where it is not."""
    gap_N = cells.empty_N & ~ahead_N
    if not gap_N.any() or not (name in needs.amounts or name in needs.asked):
        return []
    first = table.row(int(np.argmax(gap_N)))
    cost = f": no window that uses {name} covers them" if name in needs.amounts else ""
    return [f"{name} is empty in {gap_N.sum()} of {len(table) - ahead_N.sum()} rows (first: {first}){cost}"]
