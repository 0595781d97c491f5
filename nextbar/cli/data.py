"""The commands ``nextbar data``: bars on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit
from nextbar.errors import NextbarError
from nextbar.tables import plain_table, print_whole, stdout

if TYPE_CHECKING:
    from rich.table import Table

    from nextbar.bars.inventory import Holding

data = typer.Typer(help="Bars on disk.", no_args_is_help=True)


@data.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if need be.")],
) -> None:
    """Write daily bars of the S&P 500 and the Nasdaq, 1999 to 2018, which come with a dependency."""
    with clean_exit():
        from nextbar.bars.samples import write_samples

        for path in write_samples(folder):
            answer(path)


@data.command()
def check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE", help="Holds <resolution>/<ticker>_<resolution>.*; or one such file.", show_default=False
        ),
    ],
) -> None:
    """List the series in a folder or a file: rows, span, holes, hours, problems. Exit code 1 where there are any."""
    with clean_exit():
        from nextbar.bars.inventory import take_inventory

        holdings = take_inventory(folder)
        _show(holdings)
        bad = [holding for holding in holdings if holding.problems]
        if bad:
            raise NextbarError(f"{len(bad)} of {len(holdings)} series cannot be used as they are.")


@data.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Bars of any layout.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to; made if need be.", show_default=False)],
    ticker: Annotated[
        str | None, typer.Option("--ticker", metavar="NAME", show_default="by column or file name")
    ] = None,
    resolution: Annotated[
        str | None, typer.Option("--resolution", metavar="1h|1d|…", show_default="by file name")
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Layout.", show_default="by content")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option("--date-format", help="Form of dates, such as %d.%m.%Y.", show_default="ISO 8601")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Whose clock dates are on.", show_default="UTC")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option("--decimal", metavar=",|.", help="What precedes decimals.", show_default="by content")
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="open|close", help="What dates are of a bar.")] = "open",
    drop_bad: Annotated[bool, typer.Option("--drop-bad", help="Leave out rows with a problem, and say which.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write bars of any layout as <resolution>/<ticker>_<resolution>.csv; several files of a series are joined."""
    with clean_exit():
        from nextbar.bars.importing import ImportOptions, import_bars
        from nextbar.logger import get_logger

        options = ImportOptions(ticker, resolution, layout, date_format, timezone, decimal, label, drop_bad)
        for series in import_bars(files, to, options, overwrite=overwrite):
            for line in (*series.notices, f"{series.rows:,} bars"):
                get_logger().info("%s: %s", series.path.name, line)
            answer(series.path)


def _show(holdings: list[Holding]) -> None:
    console = stdout()
    print_whole(console, _table(holdings))
    for holding in holdings:
        for problem in holding.problems:
            console.print(f"{holding.path}: {problem}", style="red", markup=False, highlight=False)
        for notice in holding.notices:
            console.print(f"{holding.path}: {notice}", markup=False, highlight=False)


def _table(holdings: list[Holding]) -> Table:
    from rich.text import Text

    names = ("ticker", "resolution", "rows", "first", "last", "holes", "missing", "calendar", "timezone", "problems")
    table = plain_table(names, right=("rows", "holes", "missing"))
    for holding in holdings:
        counts = (holding.rows, holding.holes, holding.missing)
        rows, holes, missing = ("" if n is None else f"{n:,}" for n in counts)
        cells = [holding.ticker, holding.resolution, rows, _date(holding.first), _date(holding.last), holes, missing]
        cells += [holding.calendar or "", holding.timezone or "", str(len(holding.problems) or "none")]
        table.add_row(*map(Text, cells))
    return table


def _date(time: int | None) -> str:
    from datetime import UTC, datetime

    return "" if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
