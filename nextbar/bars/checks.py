"""Checks of one table: sorted float64 columns, or one error that lists every problem with its row and value."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np

from nextbar.bars.adjusted import by_adjusted, told_apart
from nextbar.bars.columns import PRICES, TableNeeds
from nextbar.bars.dates import read_dates
from nextbar.bars.number_columns import read_numbers
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.bars.slots import least_gap
from nextbar.bars.suspicions import suspicions
from nextbar.bars.table import Problems, Table
from nextbar.errors import DataError, cut, listed
from nextbar.resolution import span


class CheckedColumns(NamedTuple):
    """``time_N`` opening times in seconds UTC, strictly increasing; float64 columns of the same length."""

    time_N: np.ndarray
    columns: dict[str, np.ndarray]
    notices: tuple[str, ...]
    ahead: RowsAhead | None = None


def check(table: Table, resolution: str, step: int, needs: TableNeeds) -> CheckedColumns:
    """Prices, amounts and further numeric columns of a table, in order of time.

    Args:
        step: seconds between two bars of this resolution.

    Raises:
        DataError: all problems of the table together, the first ten listed.
    """
    problems, checked = _examine(table, resolution, step, needs)
    problems.raise_if_any()
    notices = (*checked.notices, *suspicions(checked.time_N, checked.columns))
    return checked._replace(notices=notices)


def without_bad(table: Table, resolution: str, step: int, needs: TableNeeds) -> tuple[Table, list[str]]:
    """The rows of a table that have no problem, and a line about each of the first that have one.

    Raises:
        DataError: a problem of the table as a whole, or no row is left.
    """
    lines: list[str] = []
    while True:
        problems, _ = _examine(table, resolution, step, needs)
        if not problems:
            return table, lines
        if problems.of_all or problems.bad_N.all():
            problems.raise_if_any()
        lines += problems.lines()
        table = table.of_rows(~problems.bad_N)


def _examine(table: Table, resolution: str, step: int, needs: TableNeeds) -> tuple[Problems, CheckedColumns]:
    """The problems of a table, and its columns as far as they are sound."""
    if not len(table):
        raise DataError(f"{table.source}: no rows, only the names of columns; at least one bar is needed")
    problems = Problems(table)
    notices: list[str] = list(table.reading)
    positions, misnamed = needs.match(list(table.frame.columns))
    for text in misnamed:
        problems.whole(text + (table.hint if text.startswith("no column") else ""))
    adjusted = needs.adjusted(list(table.frame.columns))
    if needs.price == "adjusted":
        if adjusted is None:
            existing = listed([cut(str(name)) for name in table.frame.columns])
            problems.whole(f"no column 'adj close', or two, which price adjusted needs; the columns are {existing}")
        else:
            positions |= dict([adjusted])
    elif adjusted is not None:
        notices += told_apart(table, positions, *adjusted)
    columns, ahead_N = read_numbers(table, positions, needs, problems, notices)
    if "high" in columns and "low" in columns:
        _check_order(columns, problems)
    if needs.price == "adjusted" and adjusted is not None and not problems:
        columns |= by_adjusted(columns, adjusted[0])
    if "date" not in positions:
        return problems, CheckedColumns(np.empty(0, np.int64), {}, tuple(notices))
    order, time = _times(table, positions["date"], problems, notices)
    _check_spacing(table, time, order, resolution, step, problems)
    n = len(time) - int(ahead_N[order].sum())
    bars, rest = (  # copies, no part of the frame any more
        {name: np.array(values[order][part]) for name, values in columns.items()} for part in (slice(n), slice(n, None))
    )
    ahead = RowsAhead.of(time[n:], rest)
    return problems, CheckedColumns(time[:n], bars, tuple(notices), ahead if len(ahead) else None)


def _check_order(columns: dict[str, np.ndarray], problems: Problems) -> None:
    """High is the highest and low the lowest price of a bar, without any tolerance."""
    prices = {name: columns[name] for name in PRICES if name in columns}
    for edge, word, beyond in (("high", "below", np.less), ("low", "above", np.greater)):
        others = [name for name in prices if name != edge and (edge, name) != ("low", "high")]
        none_N = np.zeros(len(prices[edge]), bool)
        bad = reduce(np.logical_or, (beyond(prices[edge], prices[name]) for name in others), none_N)
        for p in problems.at(bad):
            value = prices[edge][p]
            beaten = [f"{name} {prices[name][p]}" for name in others if beyond(value, prices[name][p])]
            problems.tell(p, f"{edge} {value} is {word} {' and '.join(beaten)}")


def _times(table: Table, at: int, problems: Problems, notices: list[str]) -> tuple[np.ndarray | slice, np.ndarray]:
    """Order that sorts the rows with a good date, a slice where all stay as they are, and their times."""
    dates = read_dates(table.frame.iloc[:, at])
    for bad_N, reason in dates.mistakes:
        problems.values(bad_N, "date", at, reason)
    if not dates.mistakes and (dates.seconds_N[1:] > dates.seconds_N[:-1]).all():
        return slice(None), dates.seconds_N
    good = np.flatnonzero(dates.good_N)
    time = dates.seconds_N[good]
    back = np.flatnonzero(np.diff(time) < 0)
    order = good
    if len(back):
        notices.append(f"rows are not in the order of their dates (first at {table.row(good[back[0] + 1])}): sorted")
        sorting = np.argsort(time, kind="stable")
        order, time = good[sorting], time[sorting]
    again = np.diff(time, prepend=time[:1] - 1) == 0
    if again.any():
        starts = np.maximum.accumulate(np.where(again, 0, np.arange(len(time))))
        earlier = dict(zip(order[again].tolist(), order[starts[again]].tolist(), strict=True))
        repeated = np.zeros(len(table), bool)
        repeated[list(earlier)] = True
        for p in problems.at(repeated):
            problems.tell(p, table.verdict("date", at, p, f"is there already in {table.row(earlier[p])}"))
    return order[~again], time[~again]


def _check_spacing(
    table: Table, time: np.ndarray, order: np.ndarray | slice, resolution: str, step: int, problems: Problems
) -> None:
    """Bars of another resolution, and two bars in one slot."""
    if len(time) < 2:
        return
    gaps = np.diff(time)
    sizes, counts = np.unique(gaps, return_counts=True)
    usual = int(sizes[np.argmax(counts)])
    middle = sizes[np.searchsorted(np.cumsum(counts), [(len(gaps) - 1) // 2, len(gaps) // 2], side="right")]
    # usual or median: illiquid markets and two bars a day shift the one or the other
    if counts.max() >= 3 and step not in (usual, int(middle.mean())):
        problems.whole(
            f"the rows are mostly {span(usual)} apart, but the resolution is {resolution} ({span(step)}): "
            "put the file where it belongs or name its resolution"
        )
        return
    least = least_gap(step)
    if sizes[0] >= least:
        return
    order = np.arange(len(table))[order]
    close = np.zeros(len(table), bool)
    close[order[1:][gaps < least]] = True
    for p in problems.at(close):
        gap = span(int(gaps[np.flatnonzero(order == p)[0] - 1]))
        problems.tell(p, f"opens {gap} after the bar before, in {resolution} bars: two bars in one slot")
