"""Inventory of a folder of bars: dates, holes and problems of each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nextbar.bars.calendars import learn
from nextbar.bars.checks import CheckedColumns, check
from nextbar.bars.columns import AMOUNTS, DEFAULT_NEEDS, PRICES, TableNeeds
from nextbar.bars.file_names import IMPORT
from nextbar.bars.folder import assumed_of, layout, list_series, series_in
from nextbar.bars.reading import READERS, read_table
from nextbar.bars.recognition import single
from nextbar.bars.suggestion import suggestion
from nextbar.bars.table import Table
from nextbar.config.exchanges import exchange_package, is_exchange, require_calendar
from nextbar.errors import ConfigError, DataError
from nextbar.resolution import seconds


@dataclass(frozen=True)
class Holding:
    """One file of bars; a figure is None where it cannot be read.

    ``first`` and ``last`` are opening times in seconds UTC. ``holes`` counts the holes and ``missing`` the
    bars missing in them; ``problems`` are errors, ``notices`` are not.
    """

    ticker: str
    resolution: str
    path: Path
    rows: int | None = None
    first: int | None = None
    last: int | None = None
    holes: int | None = None
    missing: int | None = None
    calendar: str | None = None
    timezone: str | None = None
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def take_inventory(datapath: str | Path, calendar: str = "auto") -> list[Holding]:
    """Every series under a folder, ordered by resolution and ticker; or the one in a file, which its name tells.

    Args:
        datapath: the folder, or the file.
        calendar: as in ``DatasetConfig``.

    Raises:
        ConfigError: no such calendar, or its sessions cannot be had.
        DataError: no such folder, no file of bars in it, or a file whose name does not say ticker and resolution.
    """
    require_calendar(calendar)
    if is_exchange(calendar):
        exchange_package(calendar)
    if Path(datapath).is_file():
        resolution, ticker = _called(Path(datapath))
        return [_inspect(ticker, resolution, Path(datapath), 1, calendar)]
    series = list_series(datapath)
    if not series:
        raise DataError(f"no bars in {str(datapath)!r}; a file is called {layout()}; of other names: {IMPORT}")
    files = Counter((resolution, ticker) for resolution, ticker, _ in series)
    return [
        _inspect(ticker, resolution, path, files[resolution, ticker], calendar) for resolution, ticker, path in series
    ]


def _inspect(ticker: str, resolution: str, path: Path, files: int, kind: str) -> Holding:
    """Figures and problems of a file, one of so many for its series."""
    problems = [f"one of {files} files for this series: keep one"] if files > 1 else []
    try:
        table = single(read_table(path), ticker)
    except DataError as error:
        return Holding(ticker, resolution, path, problems=(*problems, _without(path, error)))
    checked = None
    try:
        table = replace(table, assumed=(*table.assumed, *assumed_of(path, resolution)))
        checked = check(table, resolution, seconds(resolution), DEFAULT_NEEDS)
    except DataError as error:
        problems.append(_without(path, error))
        checked = _closes(table, resolution)
    if checked is None:
        return Holding(ticker, resolution, path, rows=len(table), problems=tuple(problems))
    time, step = checked.time_N, seconds(resolution)
    try:
        calendar = learn(time, step, kind)
    except ConfigError as error:
        problems.append(str(error))
        calendar = learn(time, step)
    hole = calendar.hole_before(time)
    about = [calendar.outside_notice(time), suggestion(time, step, calendar) if kind == "auto" else None]
    return Holding(
        ticker,
        resolution,
        path,
        len(time),
        int(time[0]),
        int(time[-1]),
        int(hole.sum()),
        int(calendar.missing(time)[hole].sum()),
        calendar.kind,
        calendar.timezone,
        tuple(problems),
        (*checked.notices, *_empty_columns(checked), *filter(None, about)),
    )


def _called(path: Path) -> tuple[str, str]:
    """Resolution and ticker of a file, by its name, or by its dates where the name says no resolution."""
    called = series_in(path)
    if called is None:
        raise DataError(
            f"{path}: the name of a file of bars tells ticker and resolution, <ticker>_<resolution>.<ext>, such as "
            f"spx_1d.csv (formats: {', '.join(READERS)}); rename it, or name a folder of bars; "
            f"{IMPORT}"
        )
    return called


def _empty_columns(checked: CheckedColumns) -> Iterator[str]:
    """Notices about further columns with empty rows, which an experiment may use as indicators."""
    for name, value_N in checked.columns.items():
        n = int(np.isnan(value_N).sum())
        if n and name not in (*PRICES, *AMOUNTS):
            yield f"{name} is empty in {n} of {len(value_N)} rows; as an indicator it has what empty_values says there"


def _closes(table: Table, resolution: str) -> CheckedColumns | None:
    """The closes alone, which tell span and holes even if another column is bad."""
    try:
        return check(table, resolution, seconds(resolution), TableNeeds(features="close"))
    except DataError:
        return None


def _without(path: Path, error: DataError) -> str:
    """The message without the path, which stands in the table's own column."""
    return str(error).removeprefix(f"{path}: ")
