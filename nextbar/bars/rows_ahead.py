"""Rows ahead: rows after the last bar of a table, without prices, that hold what is known of bars to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nextbar.bars.columns import AMOUNTS, PRICES, TableNeeds
from nextbar.bars.dates import read_dates
from nextbar.bars.numbers import floats
from nextbar.bars.table import Table


@dataclass(frozen=True, eq=False)
class RowsAhead:
    """Further columns of the bars that follow the last one of a series, as far as they are known in advance."""

    time_N: np.ndarray
    """int64 opening times, seconds since the epoch UTC, strictly increasing, all after the last bar's"""
    columns: dict[str, np.ndarray]
    """float64 (N,) by lower-case name, NaN where the source is empty; no prices, volume or trades"""

    def __len__(self) -> int:
        return len(self.time_N)

    @classmethod
    def of(cls, time_N: np.ndarray, columns: Mapping[str, np.ndarray], later: RowsAhead | None = None) -> RowsAhead:
        """Rows with what is no price and no amount of these columns, and those that come later."""
        own = {name: values for name, values in columns.items() if name not in (*PRICES, *AMOUNTS)}
        if later is None:
            return cls(time_N, own)
        joined = {name: np.concatenate([values, later.values(name)]) for name, values in own.items()}
        return cls(np.concatenate([time_N, later.time_N]), joined)

    def values(self, name: str) -> np.ndarray:
        """A column, (N,); NaN where there is none of that name."""
        return self.columns.get(name.lower(), np.full(len(self), np.nan))


def rows_ahead_of(table: Table, needs: TableNeeds) -> np.ndarray:
    """``find_rows_ahead`` of a table that has not been checked; looks no further where its last row has a close."""
    positions = needs.match(list(table.frame.columns))[0]
    if not len(table) or not {"date", "close"} <= set(positions):
        return np.zeros(len(table), bool)
    if not np.isnan(floats(table.frame.iloc[-1:, positions["close"]])[0]):
        return np.zeros(len(table), bool)
    numbers = {name: floats(table.frame.iloc[:, at]) for name, at in positions.items() if name != "date"}
    return find_rows_ahead(numbers, needs, table.frame.iloc[:, positions["date"]])


def find_rows_ahead(columns: Mapping[str, np.ndarray], needs: TableNeeds, dates: pd.Series) -> np.ndarray:
    """bool (N,): the rows of a table that have no price and no amount, but another number, and follow all with a price.

    Args:
        columns: float64 (N,) by standard name, NaN where the table has no number.
        needs: what the table is read for.
        dates: its column of dates.
    """
    usual = [name for name in (*needs.prices, *needs.amounts) if name in columns]
    further = [values for name, values in columns.items() if name not in usual]
    none_N = np.zeros(len(dates), bool)
    if not usual or not further or not np.isnan(columns[usual[0]]).any():
        return none_N
    bare_N = np.all([np.isnan(columns[name]) for name in usual], axis=0)
    ahead_N = bare_N & ~np.isnan(further).all(axis=0)
    if not ahead_N.any() or bare_N.all():
        return none_N
    read = read_dates(dates)
    time_N = np.full(len(dates), np.iinfo(np.int64).min)
    time_N[read.good_N] = read.seconds_N[read.good_N]
    return ahead_N & read.good_N & (time_N > time_N[~bare_N].max())
