"""Resolution of a table of bars, learnt from the distances of its dates."""

from __future__ import annotations

import numpy as np

from nextbar.bars.columns import plain
from nextbar.bars.date_columns import date_columns
from nextbar.bars.dates import read_dates
from nextbar.bars.slots import DAY, HOUR, least_gap
from nextbar.bars.table import Table, UndecidedError
from nextbar.errors import DataError, cut, listed
from nextbar.resolution import span

SHORTEST_MONTH, LONGEST_MONTH = 28 * DAY - HOUR, 31 * DAY + HOUR
"""Seconds, with a change of the clock."""


def resolution_of(table: Table) -> str:
    """The resolution of bars that are as far apart as most rows, where no two are closer.

    Raises:
        DataError: there is no column of dates.
        UndecidedError: the rows have no usual distance, or some are closer.
    """
    dates = date_columns(table)
    if not dates:
        names = listed([cut(str(name)) for name in table.frame.columns]) or "none"
        raise DataError(f"{table.source}: no column of dates; the columns are {names}")
    read = read_dates(table.frame.iloc[:, dates[0]].reset_index(drop=True))
    gaps = np.diff(np.unique(read.seconds_N[read.good_N]))
    if not len(gaps):
        raise UndecidedError(f"{table.source}: neither its name nor its dates say the resolution; give --resolution")
    sizes, counts = np.unique(gaps, return_counts=True)
    usual = int(sizes[np.argmax(counts)])
    if sizes[0] >= SHORTEST_MONTH and len(sizes) > 1 and usual <= LONGEST_MONTH:
        raise UndecidedError(
            f"{table.source}: its rows are months apart; months differ in length, and a bar here has one length: weeks "
            "(1w) are the longest that one can train on"
        )
    if sizes[0] < least_gap(usual):
        raise UndecidedError(
            f"{table.source}: its name does not say the resolution; its rows are mostly {span(usual)} apart, but some "
            f"{span(int(sizes[0]))}; give --resolution {span(usual)} or --resolution {span(int(sizes[0]))}"
        )
    return span(usual)


def learnt(resolution: str) -> str:
    """A phrase about a resolution that the dates say."""
    return f"resolution {resolution} by the distances of the dates"


def has_bars(table: Table) -> bool:
    """Whether a table has dates and closes, as bars do."""
    return bool(date_columns(table)) and "close" in map(plain, table.frame.columns)
