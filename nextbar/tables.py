"""Tables for people, as wide as they have to be where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


def stdout() -> Console:
    """The console of a command's answer."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=10_000)


def plain_table(names: Sequence[str], right: Sequence[str] = (), title: str | None = None) -> Table:
    """A table without frame; the columns named in ``right`` hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold",
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for name in names:
        table.add_column(name, justify="right" if name in right else "left")
    return table


def print_whole(out: Console, shown: RenderableType) -> None:
    """Print tables, and text beside them, with no number and no word cut off.

    On a terminal cells of several words are broken between them; where single words are too long for it, it breaks its
    lines itself. Elsewhere a row is one line.
    """
    from rich.console import Group
    from rich.table import Table

    parts = shown.renderables if isinstance(shown, Group) else [shown]
    width = max([out.width, *(_fix_widths(out, part) for part in parts if isinstance(part, Table))])
    if width > out.width:
        out = type(out)(file=out.file, width=width)
    out.print(shown)


def _fix_widths(out: Console, table: Table) -> int:
    """Give columns the width of their cells; less on a terminal that is too narrow, but room for numbers and words.

    Returns:
        The width of the table.
    """
    from rich.measure import Measurement

    unlimited = out.options.update(width=10_000)
    least, widths = [], []
    for column in table.columns:
        header, *cells = (Measurement.get(out, unlimited, cell) for cell in (column.header, *column.cells))
        number = column.justify == "right"
        widths.append(max([header.maximum, *(cell.maximum for cell in cells)]))
        least.append(max([header.minimum, *(cell.maximum if number else cell.minimum for cell in cells)]))
    gaps = Measurement.get(out, unlimited, table).maximum - sum(widths)
    while out.is_terminal and sum(widths) + gaps > out.width:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    return sum(widths) + gaps
