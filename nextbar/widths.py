"""Widths of tables on a terminal: what their columns take, and blocks of columns where it is too narrow for all."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def blocks(out: Console, table: Table, keys: int) -> list[Table]:
    """The table where it fits or where there is no terminal; else tables of some of its columns."""
    if not out.is_terminal or _widths(out, table).least_table <= out.width:
        return [table]
    keyed = list(range(keys))
    parted, block = [], keyed
    for i in range(keys, len(table.columns)):
        wider = [*block, i]
        if block != keyed and _widths(out, _part(table, wider)).least_table > out.width:
            parted.append(block)
            wider = [*keyed, i]
        block = wider
    parts = [_part(table, columns) for columns in (*parted, block)]
    for part in parts[1:]:
        part.title = None
    return parts


def _part(table: Table, columns: Sequence[int]) -> Table:
    """A table of some of the columns of another."""
    part = copy(table)
    part.columns = [replace(table.columns[i], _index=place) for place, i in enumerate(columns)]
    return part


class _Widths(NamedTuple):
    """What the columns of a table take."""

    least: list[int]
    """with every word and every number whole"""
    most: list[int]
    """with every cell in one line"""
    gaps: int
    """between them, all together"""

    @property
    def least_table(self) -> int:
        return sum(self.least) + self.gaps


def _widths(out: Console, table: Table) -> _Widths:
    from rich.measure import Measurement

    unlimited = out.options.update(width=10_000)
    least, most = [], []
    for column in table.columns:
        header, *cells = (Measurement.get(out, unlimited, cell) for cell in (column.header, *column.cells))
        number = column.justify == "right"
        most.append(max([header.maximum, *(cell.maximum for cell in cells)]))
        least.append(max([header.minimum, *(cell.maximum if number else cell.minimum for cell in cells)]))
    return _Widths(least, most, Measurement.get(out, unlimited, table).maximum - sum(most))


def fix_widths(out: Console, table: Table) -> int:
    """Give columns the width of their cells; less on a terminal that is too narrow, but no less than a word or number.

    Returns:
        The width of the table.
    """
    least, most, gaps = _widths(out, table)
    widths = list(most)
    while out.is_terminal and sum(widths) + gaps > out.width:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    return sum(widths) + gaps
