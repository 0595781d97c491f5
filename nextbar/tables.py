"""Tables for people, as wide as they have to be where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def stdout() -> Console:
    """The console of a command's answer."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=10_000)


def plain_table(names: Sequence[str], right: Sequence[str] = ()) -> Table:
    """A table without frame; the columns named in ``right`` hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in right else "left")
    return table


def print_whole(out: Console, table: Table) -> None:
    """Print a table with no cell cut off; a terminal that is too narrow breaks its lines."""
    from rich.measure import Measurement

    wide = Measurement.get(out, out.options.update(width=10_000), table).maximum
    type(out)(file=out.file, width=max(out.width, wide)).print(table)
