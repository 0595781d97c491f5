"""Files of bars in a folder: ``<datapath>/<resolution>/<ticker>_<resolution>.<ext>``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from nextbar.bars.file_names import IMPORT, called_elsewhere, ticker_called
from nextbar.bars.intervals import has_bars, learnt, resolution_of
from nextbar.bars.reading import READERS, extension_of, read_table
from nextbar.bars.table import UndecidedError
from nextbar.errors import DataError, listed
from nextbar.resolution import is_resolution, seconds
from nextbar.storage.address import require_local


def layout() -> str:
    """Where a file of bars lies under its folder, for a message."""
    return "<resolution>/<ticker>_<resolution>.<ext>, ext one of " + ", ".join(name[1:] for name in READERS)


def series_called(path: Path) -> tuple[str, str] | None:
    """(resolution, ticker) of a file of bars by its name; None where that is no such name."""
    extension = extension_of(path.name)
    ticker, _, resolution = path.name[: -len(extension)].rpartition("_") if extension else ("", "", "")
    return (resolution, ticker) if ticker and is_resolution(resolution) else None


def named_series(path: Path) -> tuple[str, str] | None:
    """(resolution, ticker) of a file of bars by its name, whoever gave it."""
    return series_called(path) or called_elsewhere(path)


def list_series(datapath: str | Path) -> list[tuple[str, str, Path]]:
    """(resolution, ticker, path) of every file of bars under a folder, also of two for one series.

    A folder without one that is called as here is looked through for what other programs call theirs, and without one
    of these too for files of bars of any name.

    Raises:
        ConfigError: an address in object storage.
        DataError: no such folder.
    """
    require_local(datapath, "bars are read from a disk", "copy them there")
    folder = Path(datapath)
    if folder.is_file():
        raise DataError(
            f"{str(datapath)!r} is a file, should be the folder that holds {layout()}: "
            "name that folder, or hand the file to a command that takes one (--data)"
        )
    if not folder.is_dir():
        raise DataError(f"no folder {str(datapath)!r}{_folders_in(folder.parent)}")
    files = []
    for sub in sorted(
        (sub for sub in folder.iterdir() if sub.is_dir() and is_resolution(sub.name)),
        key=lambda sub: (seconds(sub.name), sub.name),
    ):
        for path in sorted(sub.iterdir()):
            extension = extension_of(path.name)
            ending = f"_{sub.name}{extension}"
            if extension and path.name.lower().endswith(ending) and not path.name.startswith(("_", ".")):
                files.append((sub.name, path.name[: -len(ending)], path))
    return files or _elsewhere(folder)


def _elsewhere(folder: Path) -> list[tuple[str, str, Path]]:
    """The series of a folder, and of those in it that are called by a resolution, by names of other programs."""
    subs = [sub for sub in folder.iterdir() if sub.is_dir() and is_resolution(sub.name)]
    paths = sorted(path for sub in (folder, *subs) for path in sub.iterdir() if path.is_file())
    series = [(*names, path) for path in paths if (names := called_elsewhere(path))]
    series = series or [(*names, path) for path in paths if (names := series_in(path))]
    return sorted(series, key=lambda entry: (seconds(entry[0]), entry[0], entry[1], entry[2]))


def series_in(path: Path) -> tuple[str, str] | None:
    """(resolution, ticker) of a file of bars by its name; at the resolution of its folder, or else of its dates, where
    the name says no more than a ticker. None where it holds no bars.

    Raises:
        UndecidedError: its content leaves several readings.
    """
    if (called := named_series(path)) is not None:
        return called
    ticker = ticker_called(path)
    if ticker is None:
        return None
    facts = path.stat()
    resolution = _resolution_in(path, facts.st_mtime_ns, facts.st_size)
    if resolution is None:
        return None
    return path.parent.name if is_resolution(path.parent.name) else resolution, ticker


@lru_cache(maxsize=1000)
def _resolution_in(path: Path, _changed: int, _size: int) -> str | None:
    """Resolution that the dates of a file have; None where it holds no bars."""
    try:
        table = read_table(path)
    except UndecidedError:
        raise
    except DataError:
        return None
    return resolution_of(table) if has_bars(table) else None


def assumed_of(path: Path, resolution: str) -> tuple[str, ...]:
    """Phrases about a resolution that neither the name of a file nor that of its folder says."""
    return () if named_series(path) or path.parent.name == resolution else (learnt(resolution),)


def existing_folder(written: str, recorded: str | None) -> str:
    """The folder of a run's bars: where it was when the run was trained, else the configuration's ``datapath``.

    Args:
        written: the configuration's ``datapath``, relative to the working directory.
        recorded: the absolute path that the run noted; None: it noted none.

    Raises:
        DataError: neither is there; names both.
    """
    if recorded is None or os.path.abspath(written) == recorded:
        return written
    for folder in (recorded, written):
        if Path(folder).is_dir():
            return folder
    raise DataError(
        f"no folder {recorded!r}, where the bars were when the run was trained, and no {written!r} in {os.getcwd()!r}"
    )


def find_series(
    datapath: str | Path, tickers: Sequence[str], resolutions: Sequence[str]
) -> list[tuple[str, str, Path]]:
    """(resolution, ticker, path) of the series asked for: by resolution, then by ticker.

    Raises:
        ConfigError: an impossible resolution.
        DataError: something is not there (the message lists what is), or a series has two files.
    """
    for resolution in resolutions:
        seconds(resolution)
    files: dict[str, dict[str, list[Path]]] = {}
    for resolution, ticker, path in list_series(datapath):
        files.setdefault(resolution, {}).setdefault(ticker, []).append(path)
    return [
        (resolution, ticker, _only(files, Path(datapath), ticker, resolution))
        for resolution in resolutions
        for ticker in tickers
    ]


def _only(files: dict[str, dict[str, list[Path]]], datapath: Path, ticker: str, resolution: str) -> Path:
    """The one file of a series."""
    if resolution not in files:
        existing = (
            f"there are {listed(files)}"
            if files
            else f"there are no bars at all; a file is called {layout()}; of other names: {IMPORT}"
        )
        raise DataError(f"no bars at resolution {resolution!r} in {str(datapath)!r}; {existing}")
    paths = files[resolution].get(ticker, [])
    if not paths:
        near = difflib.get_close_matches(ticker, files[resolution], n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        existing = listed(files[resolution])
        raise DataError(f"no ticker {ticker!r} at {resolution} in {str(datapath)!r}; there are {existing}{hint}")
    if len(paths) > 1:
        joined = "" if all(map(series_called, paths)) else ", or join them: nextbar data import FILE... --to DIR"
        raise DataError(f"{len(paths)} files for one series: {' and '.join(map(str, paths[:5]))}; keep one{joined}")
    return paths[0]


def _folders_in(parent: Path) -> str:
    """The folders in ``parent``, as the end of a message about one that is missing."""
    try:
        names = sorted(entry.name for entry in parent.iterdir() if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        return ""
    return f"; in {str(parent)!r} there are {listed(names)}" if names else f"; {str(parent)!r} holds no folder"
