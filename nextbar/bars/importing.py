"""Imports bars of any layout into files of nextbar's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from nextbar.bars.bars import Bars, table_bars
from nextbar.bars.checks import without_bad
from nextbar.bars.columns import DEFAULT_NEEDS, plain
from nextbar.bars.date_columns import KEEP, date_columns, further_dates
from nextbar.bars.dates import closing_dates, iso, read_dates
from nextbar.bars.file_names import called_elsewhere, ticker_called
from nextbar.bars.intervals import learnt, resolution_of
from nextbar.bars.reading import read_table
from nextbar.bars.slots import DAY
from nextbar.bars.table import Table
from nextbar.bars.wall_clock import instants
from nextbar.bars.writing import write_series
from nextbar.errors import ConfigError, DataError, listed
from nextbar.resolution import seconds

MONTHS = ("1mo", "1mon", "1month", "monthly", "mn1", "mn", "month", "1m0", "3mo")

DATED_BY_OPENS = ("binance", "binance_klines")
"""Layouts that have both times of a bar, of which the opening time is read."""


@dataclass(frozen=True)
class ImportOptions:
    """How files are to be read; None: by their content or their names."""

    ticker: str | None = None
    resolution: str | None = None
    layout: str | None = None
    date_format: str | None = None
    """form of dates, as of strptime"""
    timezone: str | None = None
    """whose clock dates without a zone are on"""
    decimal: str | None = None
    label: str = "open"
    """``open`` or ``close``: which of the two a date is of its bar"""
    price: str = "close"
    """``close`` or ``adjusted``, as in ``DatasetConfig``"""
    drop_bad: bool = False
    """leave out rows with a problem, instead of refusing the file"""
    guess: bool = False
    """a ticker that nothing tells is the file's name, also where there are several files"""


@dataclass
class Imported:
    """One series as written: its file, its rows, and notices of what was dropped and how it was read.

    What looks wrong in it is logged.
    """

    path: Path
    rows: int = 0
    notices: list[str] = field(default_factory=list)


def import_bars(
    files: Sequence[str | Path], to: str | Path, options: ImportOptions | None = None, *, overwrite: bool = False
) -> list[Imported]:
    """Write ``<to>/<resolution>/<ticker>_<resolution>.csv`` for each series in the files; several files are joined.

    Nothing is written before all of it can be.

    Raises:
        ConfigError: an option that cannot mean anything, such as a resolution of months.
        DataError: a file that cannot be read; it does not say its ticker or resolution; two of one series disagree; a
            file is there with other content, and ``overwrite`` is False.
    """
    series = read_files(files, options or ImportOptions())
    paths = write_series([bars for bars, _ in series], to, overwrite)
    return [Imported(path, len(bars), notices) for path, (bars, notices) in zip(paths, series, strict=True)]


def read_files(files: Sequence[str | Path], options: ImportOptions) -> list[tuple[Bars, list[str]]]:
    """The series in files of any layout, each with lines about how it was read; several files of one are joined.

    Raises:
        ConfigError, DataError: as ``import_bars``.
    """
    _refuse_options(options)
    options = replace(options, guess=options.guess or len(files) == 1)
    series: dict[tuple[str, str], list[tuple[Bars, list[str]]]] = {}
    for path in map(Path, files):
        for bars, notices in _read(path, options):
            series.setdefault((bars.resolution, bars.ticker), []).append((bars, notices))
    out = []
    for parts in series.values():
        bars, joined = _joined([bars for bars, _ in parts])
        out.append((bars, [line for _, lines in parts for line in lines] + joined))
    return out


def _refuse_options(options: ImportOptions) -> None:
    if options.resolution is not None:
        if options.resolution == "1M" or options.resolution.lower() in MONTHS:
            raise ConfigError(
                f"resolution: found {options.resolution!r}; months differ in length, and a bar here has one length: "
                "weeks (1w) are the longest that one can train on"
            )
        seconds(options.resolution)
    if options.ticker is not None and (not options.ticker.strip() or set(options.ticker) & set("/\\\0")):
        raise ConfigError(f"ticker: found {options.ticker!r}, should be a name for a file, without / and \\")
    if options.decimal not in (None, ",", "."):
        raise ConfigError(f"decimal: found {options.decimal!r}, should be , or .")
    if options.label not in ("open", "close"):
        raise ConfigError(f"label: found {options.label!r}, should be open or close")
    if options.price not in ("close", "adjusted"):
        raise ConfigError(f"price: found {options.price!r}, should be close or adjusted")
    if options.timezone is not None:
        zone_called(options.timezone)


def zone_called(name: str) -> ZoneInfo:
    """The time zone of an IANA name; ConfigError where there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ConfigError(f"timezone: found {name!r}, should be an IANA name, such as Europe/Athens or UTC") from error


def _read(path: Path, options: ImportOptions) -> list[tuple[Bars, list[str]]]:
    """The series of one file, each with lines about how it was read."""
    if not path.exists():
        raise DataError(f"no file {str(path)!r}")
    whole = read_table(path, options.layout, options.date_format, options.decimal)
    if options.label == "close":
        whole = _dated_by_closes(whole)
    called = called_elsewhere(path) or (None, ticker_called(path) if options.guess else None)
    needs = replace(DEFAULT_NEEDS, price=options.price, features=_features(whole))
    out = []
    for ticker, table in _by_ticker(whole, options.ticker or called[1], options.ticker):
        if disagreements := further_dates(table):
            raise DataError(f"{table.source}: {disagreements[0]}; {KEEP}")
        resolution = options.resolution or called[0]
        if resolution is None:
            resolution = resolution_of(table)
            table = table.assuming(learnt(resolution))
        table = _on_time(table, resolution, options)
        notices = [*table.reading, *([] if needs.features != "close" else ["closes alone: no open, high and low"])]
        if options.drop_bad:
            rows = len(table)
            table, lines = without_bad(table, resolution, seconds(resolution), needs)
            notices += [f"{rows - len(table):,} of {rows:,} rows dropped:", *lines] if rows > len(table) else []
        bars = table_bars(replace(table, notices=(), assumed=()), ticker, resolution, needs)
        out.append((bars, notices))
    return out


def _dated_by_closes(table: Table) -> Table:
    """The table with its column of closing times as its date; DataError where its date is known to be the opening."""
    if table.layout in DATED_BY_OPENS:
        raise DataError(f"{table.source}: the dates of {table.layout} are when bars open; leave out --label close")
    names = [plain(name).replace("_", " ") for name in table.frame.columns]
    if date_columns(table) or names.count("close time") != 1:
        return table
    columns = ["date" if name == "close time" else column for name, column in zip(names, table.frame, strict=True)]
    return replace(table, frame=table.frame.set_axis(columns, axis=1))


def _by_ticker(table: Table, usual: str | None, ticker: str | None) -> list[tuple[str, Table]]:
    """(ticker, table) of each ticker in a table; by name where no column says."""
    columns = [plain(name) for name in table.frame.columns]
    at = next((columns.index(name) for name in ("ticker", "symbol") if columns.count(name) == 1), None)
    tickers = None if at is None else table.frame.iloc[:, at].astype("str").str.replace(r"[/\\]", "_", regex=True)
    existing = [] if tickers is None else list(tickers.unique())
    if tickers is None or at is None or (len(existing) == 1 and (ticker or usual)):
        name = ticker or usual
        if name is None:
            raise DataError(f"{table.source}: neither its name nor a column says which ticker it is; give --ticker")
        return [(name, table)]
    if ticker is not None and ticker not in existing:
        raise DataError(f"{table.source}: no ticker {ticker!r}; there are {listed(existing)}")
    chosen = existing if ticker is None else [ticker]
    rest = replace(table, frame=table.frame.drop(columns=table.frame.columns[at]))
    return [(name, rest.of_rows((tickers == name).to_numpy())) for name in chosen]


def _features(table: Table) -> str:
    """``close`` where a table has a close and no other price."""
    names = {plain(name) for name in table.frame.columns}
    return "close" if "close" in names and not names & {"open", "high", "low"} else DEFAULT_NEEDS.features


def _on_time(table: Table, resolution: str, options: ImportOptions) -> Table:
    """The table with its dates in UTC, and as when bars open."""
    places = date_columns(table)
    if not places or not len(table) or (options.timezone is None and options.label == "open"):
        return table
    column = table.frame.iloc[:, places[0]].reset_index(drop=True)
    step = seconds(resolution)
    closes = options.label == "close"
    dates, early_N = closing_dates(column, step) if closes else (read_dates(column), np.zeros(len(column), np.int64))
    notices = ["dates are when bars close: shifted by a bar"] if closes else []
    if early_N.any():
        notices.append("they are the last moment of a bar, up to a second before its end: read as its end")
    to_open_N = early_N - step if closes else early_N
    time_N = np.where(dates.good_N, dates.seconds_N, 0)
    by_clock = step % DAY == 0  # a day earlier is so on the market's clock, also where that was changed
    if by_clock:
        time_N = time_N + to_open_N
    if options.timezone is not None:
        if not dates.local:
            raise DataError(
                f"{table.source}: its dates are instants already (epoch, Z or an offset); leave out --timezone"
            )
        time_N, lines = _to_utc(table, time_N, dates.good_N, options.timezone, step)
        notices = [*lines, *notices]
    if not by_clock:
        time_N = time_N + to_open_N
    stamps: pd.Series = pd.Series(pd.to_datetime(time_N, unit="s", utc=True))
    if not dates.good_N.all():
        stamps = stamps.astype("str").where(dates.good_N, column.astype("str"))
    frame = table.frame.copy()
    frame.isetitem(places[0], stamps.array)
    return replace(table, frame=frame, notices=(*table.notices, *notices))


def _to_utc(table: Table, time_N: np.ndarray, good_N: np.ndarray, zone: str, step: int) -> tuple[np.ndarray, list[str]]:
    """Seconds since the epoch of local clock times, and lines about those that the clock shows twice.

    Raises:
        DataError: a time that the clock never shows, or one that it shows twice among rows that are not sorted.
    """
    row_G = np.flatnonzero(good_N)
    read = instants(time_N[row_G], zone, step)
    for bad_G, reason in (
        (read.skipped_N, "never shows, since it is set forward over it; is it another zone?"),
        (read.unsorted_N, "shows twice, and the rows around are not in order; sort them oldest first"),
    ):
        if bad_G.any():
            row = int(row_G[np.argmax(bad_G)])
            raise DataError(
                f"{table.source}: {table.row(row)} has a time, {_clock_time(time_N[row])}, that the clock of {zone} "
                f"{reason}"
            )
    lines = [f"dates on the clock of {zone}"]
    for these_G, reading in (
        (read.repeated_N & ~read.guessed_N, "told apart by the rows around them"),
        (read.guessed_N, "which of the two cannot be told, read as the first"),
    ):
        if these_G.any():
            row = int(row_G[np.argmax(these_G)])
            lines.append(
                f"{these_G.sum():,} dates are in an hour that this clock shows twice (first in {table.row(row)}, "
                f"{_clock_time(time_N[row])}): {reading}"
            )
    out = time_N.copy()
    out[row_G] = read.utc_N
    return out, lines


def _clock_time(time: int) -> str:
    """A time on a local clock, for a message."""
    return iso(time).removesuffix("Z").replace("T", " ")


def _joined(parts: Sequence[Bars]) -> tuple[Bars, list[str]]:
    """The bars of several files of one series as one, and lines about what was left out."""
    if len(parts) == 1:
        return parts[0], []
    names = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    lost = sorted({name for part in parts for name in part.columns} - {*names})
    time = np.concatenate([part.time_N for part in parts])
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
    order = np.argsort(time, kind="stable")
    again = np.diff(time[order], prepend=time[order][:1] - 1) == 0
    before = np.maximum(np.arange(len(order)) - 1, 0)
    for name, values in columns.items():
        differ = again & ~np.isclose(values[order], values[order[before]], rtol=0, atol=0, equal_nan=True)
        if differ.any():
            row = int(np.argmax(differ))
            raise DataError(
                f"{parts[0].name}: the files disagree in {differ.sum():,} bars, first at {iso(time[order][row])}: "
                f"{name} {values[order][row - 1]:.10g} and {values[order][row]:.10g}; leave one of them out"
            )
    order = order[~again]
    notices = [f"{again.sum():,} bars are in two files alike"] if again.any() else []
    notices += [f"left out, since not in all files: {listed(lost)}"] if lost else []
    joined = {name: values[order] for name, values in columns.items()}
    ahead = max(parts, key=lambda part: part.time_N[-1]).ahead
    return Bars(parts[0].ticker, parts[0].resolution, time[order], joined, ahead=ahead), notices
