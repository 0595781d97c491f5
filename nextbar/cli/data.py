"""The commands ``nextbar data``: bars on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit
from nextbar.cli.options import listed
from nextbar.errors import ConfigError, NextbarError
from nextbar.tables import plain_table, print_line, print_whole, stdout

if TYPE_CHECKING:
    from rich.table import Table

    from nextbar.bars.inventory import Holding

data = typer.Typer(help="Bars on disk.", no_args_is_help=True)


@data.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if need be.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write daily bars of the S&P 500 and the Nasdaq, 1999 to 2018, which come with a dependency."""
    with clean_exit():
        from nextbar.bars.samples import write_samples

        for path in write_samples(folder, overwrite):
            answer(path)


@data.command()
def check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE", help="Holds <resolution>/<ticker>_<resolution>.*; or one such file.", show_default=False
        ),
    ],
    calendar: Annotated[
        str, typer.Option("--calendar", metavar="auto|24/7|sessions|XNYS|…", help="When the market is open.")
    ] = "auto",
) -> None:
    """List the series in a folder or a file: rows, span, holes, hours, problems. Exit code 1 where there are any."""
    with clean_exit():
        from nextbar.bars.inventory import take_inventory

        holdings = take_inventory(folder, calendar)
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
    price: Annotated[
        str, typer.Option("--price", metavar="close|adjusted", help="The close, where there is an Adj Close too.")
    ] = "close",
    drop_bad: Annotated[bool, typer.Option("--drop-bad", help="Leave out rows with a problem, and say which.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write bars of any layout as <resolution>/<ticker>_<resolution>.csv; several files of a series are joined."""
    with clean_exit():
        from nextbar.bars.importing import ImportOptions, import_bars
        from nextbar.logger import get_logger

        options = ImportOptions(ticker, resolution, layout, date_format, timezone, decimal, label, price, drop_bad)
        for series in import_bars(files, to, options, overwrite=overwrite):
            for line in (*series.notices, f"{series.rows:,} bars"):
                get_logger().info("%s: %s", series.path.name, line)
            answer(series.path)


@data.command()
def resample(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR...", help="Bars of any layout, or folders of them.", show_default=False),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to; made if need be.", show_default=False)],
    resolution: Annotated[
        str, typer.Option("--resolution", metavar="1h|1d|…", help="Of the longer bars.", show_default=False)
    ],
    source: Annotated[
        str | None, typer.Option("--from", metavar="1m|5m|…", help="Of the bars given.", show_default="by name")
    ] = None,
    tickers: Annotated[str | None, typer.Option("--tickers", metavar="A,B,…", show_default="all")] = None,
    calendar: Annotated[
        str, typer.Option("--calendar", metavar="auto|24/7|sessions|XNYS|…", help="When it is open.")
    ] = "auto",
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Whose midnight days begin at.")] = "auto",
    offset: Annotated[
        str | None, typer.Option("--offset", metavar="30m|…", help="Bars begin so much later.", show_default="0")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME=HOW", help="first, last, sum, mean, min or max.", show_default="last"),
    ] = None,
    missing: Annotated[float, typer.Option("--missing", metavar="SHARE", help="That a whole bar may lack.")] = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Make longer bars of shorter ones, whole ones only; never one that is not over."""
    with clean_exit():
        from nextbar.bars.resampling import ResampleOptions, resample_files
        from nextbar.logger import get_logger

        hows = [text.partition("=") for text in columns or ()]
        if wrong := [name for name, sign, _ in hows if not sign]:
            raise ConfigError(f"--column {wrong[0]}: should be NAME=HOW, such as {wrong[0]}=mean")
        chosen = listed(tickers)
        options = ResampleOptions(
            resolution=resolution,
            source=source,
            tickers=None if chosen is None else tuple(chosen),
            calendar=calendar,
            timezone=timezone,
            offset=offset,
            columns={name: how for name, _, how in hows},
            missing=missing,
        )
        for series in resample_files(sources, to, options, overwrite=overwrite):
            for line in series.notices:
                get_logger().info("%s: %s", series.path.name, line)
            answer(series.path)


def _show(holdings: list[Holding]) -> None:
    console = stdout()
    print_whole(console, _table(holdings), keys=2)
    for holding in holdings:
        for problem in holding.problems:
            print_line(console, f"{holding.path}: {problem}", "red")
        for notice in holding.notices:
            print_line(console, f"{holding.path}: {notice}")


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
    from datetime import timedelta

    from nextbar.bars.zone import EPOCH

    return "" if time is None else f"{EPOCH + timedelta(seconds=time):%Y-%m-%d %H:%M}"
