"""Bars: one checked series, from files or frames."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.checks import CheckedColumns, check
from nextbar.bars.columns import DEFAULT_NEEDS, TableNeeds
from nextbar.bars.dates import instant
from nextbar.bars.folder import assumed_of, find_series, list_series
from nextbar.bars.frames import frame_tables
from nextbar.bars.kept import Sought, kept_folder, sought
from nextbar.bars.reading import read_table
from nextbar.bars.recognition import single
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.bars.table import Table
from nextbar.machine.long_arrays import blocks, in_threads
from nextbar.resolution import seconds

__all__ = ["Bars", "fingerprint", "frame_bars", "is_bars", "list_series", "load_bars", "table_bars"]


@dataclass(frozen=True, eq=False)
class Bars:
    """One ticker at one resolution, checked.

    ``time_N`` int64, **opening** times in seconds since the epoch UTC, strictly increasing. ``columns``
    float64 (N,) by lower-case name: the prices and, where the source has them, volume, trades and further
    numeric columns. Prices are finite; the others may be NaN in rows where the source is empty. ``notices``
    list what was mended or left out. ``ahead`` is what the source knows of the bars that follow the last one.
    """

    ticker: str
    resolution: str
    time_N: np.ndarray
    columns: dict[str, np.ndarray]
    notices: tuple[str, ...] = ()
    ahead: RowsAhead | None = None

    def __len__(self) -> int:
        return len(self.time_N)

    @property
    def name(self) -> str:
        """``<ticker>_<resolution>``."""
        return f"{self.ticker}_{self.resolution}"

    @cached_property
    def step(self) -> int:
        """Seconds of one bar."""
        return seconds(self.resolution)

    @property
    def close_time_N(self) -> np.ndarray:
        """int64 (N,): when each bar is complete; spans, cuts and dates go by this time."""
        return self.time_N + self.step

    def first(self, n: int) -> Bars:
        """The first n bars."""
        return self.rows(slice(None, n))

    def last(self, n: int) -> Bars:
        """The last n bars, at least one."""
        return self.rows(slice(-n, None))

    def rows(self, rows: slice | np.ndarray) -> Bars:
        """Some of the bars: a slice, a mask or row numbers."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        time_N = self.time_N[rows]
        ahead = self.ahead if len(time_N) and time_N[-1] == self.time_N[-1] else None
        return Bars(self.ticker, self.resolution, time_N, columns, self.notices, ahead)

    def between(self, initial: object = None, final: object = None) -> Bars:
        """The bars that close after ``initial`` and not after ``final``; a day without a time is meant whole.

        Both are ISO 8601 text, a date or datetime, epoch seconds, or None for no limit.
        """
        first, end = 0, len(self)
        if initial is not None:
            first = int(np.searchsorted(self.time_N, instant(initial) - self.step, side="right"))
        if final is not None:
            end = int(np.searchsorted(self.time_N, instant(final, end=True) - self.step, side="right"))
        return self.rows(slice(first, max(first, end)))


def load_bars(
    datapath: str | Path,
    tickers: Sequence[str],
    resolutions: Sequence[str],
    needs: TableNeeds = DEFAULT_NEEDS,
    log_dir: str | Path | None = None,
    keeps: bool = True,
) -> list[Bars]:
    """The series in ``<datapath>/<resolution>/<ticker>_<resolution>.<ext>``: by resolution, then by ticker.

    Columns named in ``needs.indicators`` are read even if they are usually passed over, and must then be numeric.
    Beside the runs in ``log_dir``, where one is given, the series of large files are kept (:mod:`nextbar.bars.kept`),
    or without ``keeps`` only looked for.

    Raises:
        DataError: a folder, ticker or resolution that is not there (the message lists what is), two files for one
            series, or all problems of one file.
    """
    paths = find_series(datapath, tickers, resolutions)
    folder = kept_folder(log_dir, [path for *_, path in paths]) if log_dir is not None else None

    looked: Sequence[Sought | None] = [None] * len(paths)
    if folder is not None:
        looked = in_threads(
            lambda r, t, path: sought(folder, path, f"{t}_{r}", needs, keeps), *zip(*paths, strict=True)
        )
    # one file after the other: Ctrl-C and what is wrong with a file wait for no other, and pandas changes the process's
    # filters of warnings in passing, of which a thread that reads beside another could lose that for broken files
    return [
        _in_file(path, ticker, resolution, needs, series)
        for (resolution, ticker, path), series in zip(paths, looked, strict=True)
    ]


def _in_file(path: Path, ticker: str, resolution: str, needs: TableNeeds, series: Sought | None) -> Bars:
    """The series in a file: as it was kept, if it was looked for; else as it is read."""
    source = str(path)

    def read() -> CheckedColumns:
        nonlocal source
        table = single(read_table(path), ticker)
        source = table.source
        table = replace(table, assumed=(*table.assumed, *assumed_of(path, resolution)))
        return check(table, resolution, seconds(resolution), needs)

    checked = read() if series is None else series.or_read(read)
    return _of_checked(source, ticker, resolution, checked)


def frame_bars(
    frame: Any,
    resolution: str | Sequence[str],
    needs: TableNeeds = DEFAULT_NEEDS,
    *,
    tickers: Sequence[str] | None = None,
    id_col: str = "ticker",
) -> list[Bars]:
    """The series of a pandas or polars frame, one series or long format, held to the same checks as files.

    A frame without ``id_col`` is one series, called by the one ticker asked for (else ``series``). Several
    resolutions need a column ``resolution``. A pandas index of dates counts as the time column.

    Raises:
        DataError: as ``load_bars``.
    """
    resolutions = (resolution,) if isinstance(resolution, str) else tuple(resolution)
    tables = frame_tables(frame, resolutions, tickers, id_col, needs.time_col)
    return [table_bars(table, ticker, resolution, needs) for resolution, ticker, table in tables]


def table_bars(table: Table, ticker: str, resolution: str, needs: TableNeeds) -> Bars:
    """A table as bars; its notices are logged.

    Raises:
        DataError: all problems of the table.
    """
    return _of_checked(table.source, ticker, resolution, check(table, resolution, seconds(resolution), needs))


def _of_checked(source: str, ticker: str, resolution: str, checked: CheckedColumns) -> Bars:
    for notice in checked.notices:
        logging.getLogger("nextbar").warning("%s: %s", source, notice)
    return Bars(ticker, resolution, *checked)


def is_bars(value: Any) -> bool:
    """True for one or more ``Bars`` in a list."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(item, Bars) for item in value)


def fingerprint(bars: Sequence[Bars]) -> str:
    """Hex digest of the names, times and values of all series, in whatever order they come."""
    digest = hashlib.sha256()
    for series in sorted(bars, key=lambda series: series.name):
        digest.update(f"{series.name} {len(series)}\n".encode())
        digest.update(np.ascontiguousarray(series.time_N, "<i8").data)
        for name, values in sorted(series.columns.items()):
            digest.update(f"{name}\n".encode())
            for rows in blocks(len(values)):
                same = values[rows] + 0.0  # one zero, and one NaN
                same[np.isnan(same)] = np.nan
                digest.update(same.astype("<f8", copy=False).data)
    return digest.hexdigest()
