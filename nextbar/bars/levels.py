"""Levels of a frame's index and columns, such as dates and tickers, as columns."""

from __future__ import annotations

import pandas as pd

from nextbar.bars.columns import plain
from nextbar.errors import DataError, cut

LEVELS = "levels"
"""the layout of a table whose names had two levels"""
ABOUT_LEVELS = "read quantities and tickers from two levels of names"


def one_level(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The frame with one level of names and its tickers in a column, one below the other.

    Of two levels the one that has ``close`` names quantities. A column without a ticker, such as a date, is of all.

    Raises:
        DataError: more levels, none of the two has ``close``, or there is no ticker.
    """
    columns = frame.columns
    levels = [level for level in range(columns.nlevels) if "close" in map(plain, columns.get_level_values(level))]
    if columns.nlevels != 2 or not levels:
        raise DataError(
            f"{source}: the columns have {columns.nlevels} levels (first: {columns[0]}); give it one level, with the "
            "tickers in a column of their own, or two: quantities (Open, High, Low, Close) and tickers"
        )
    quantity, ticker = levels[0], 1 - levels[0]
    of_all = [at for at, name in enumerate(columns) if not str(name[ticker]) or not str(name[quantity])]
    parts = []
    if len(of_all) == len(columns):
        raise DataError(f"{source}: two lines of names, and none of the columns has a quantity and a ticker")
    for symbol in dict.fromkeys(str(name[ticker]) for name in columns if str(name[ticker]) and str(name[quantity])):
        own = [at for at, name in enumerate(columns) if str(name[ticker]) == symbol and at not in of_all]
        part = frame.iloc[:, [*of_all, *own]]
        part = part[frame.iloc[:, own].notna().any(axis=1).to_numpy()]
        shared = [str(columns[at][quantity]) or str(columns[at][ticker]) for at in of_all]
        names = [*shared, *(str(columns[at][quantity]) for at in own)]
        if len({*names, "ticker"}) <= len(names):
            raise DataError(f"{source}: of ticker {cut(symbol)} two columns have one name; keep one")
        part.columns = pd.Index(names, dtype=object)
        parts.append(part.assign(ticker=symbol))
    return pd.concat(parts)


def index_as_columns(frame: pd.DataFrame, time_col: str) -> pd.DataFrame:
    """The frame with the levels of its index (dates, tickers) as columns."""
    index = frame.index
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) and index.name is None:
        index = index.rename(time_col)
    added = {
        name: index.get_level_values(level)
        for level, name in enumerate(index.names)
        if name is not None and name not in frame.columns
    }
    bare = frame.reset_index(drop=True)
    for name, values in added.items():
        if isinstance(values, pd.PeriodIndex):
            values = values.to_timestamp()
        bare[name] = pd.Series(values, index=bare.index)
    return bare
