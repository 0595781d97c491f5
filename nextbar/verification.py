"""``verify``: whether the files of runs, backtests, studies and exports are as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from nextbar.arguments import strict_arguments
from nextbar.backtesting.folder import FORECASTS, POSITIONS, POSITIONS_CHECKSUM, BacktestFolder
from nextbar.backtesting.times import TIMES, read_times
from nextbar.checksums import LIST, listed_faults
from nextbar.errors import NextbarError, RunError
from nextbar.exporting.folder import is_export
from nextbar.runs.copies import local_folder
from nextbar.runs.faults import Fault, run_faults
from nextbar.runs.kinds import is_backtest, is_run, is_study
from nextbar.runs.listing import nearby
from nextbar.runs.records import BARS, CONFIG, read_bars_record, read_config
from nextbar.searching.folder import StudyFolder
from nextbar.storage.address import by_address, told_by_address


class Verified(NamedTuple):
    """A folder that was looked through."""

    path: Path
    kind: str
    """``run``, ``backtest``, ``study`` or ``export``"""
    faults: tuple[Fault, ...]
    """empty where all is as it was written"""

    @property
    def whole(self) -> bool:
        """True where nothing that nextbar reads is damaged or missing."""
        return not any(fault.harmful for fault in self.faults)


@strict_arguments
@told_by_address()
def verify(path: str | Path) -> list[Verified]:
    """Compare the files of a run, a backtest, a study or an export, or of all in a folder, with their checksums.

    Every file is read, none is changed. Of folders that earlier versions wrote without checksums it can only be told
    whether their files can be read.

    Raises:
        RunError: no such folder, or it holds no run, backtest, study or export.
    """
    folder = local_folder(path)
    if not folder.is_dir():
        raise RunError(f"no folder {folder}{nearby(folder)}")
    verified = [Verified(subfolder, kind, _faults(subfolder, kind)) for subfolder, kind in _folders(folder)]
    if not verified:
        raise RunError(f"{folder} holds no run, backtest, study or export{nearby(folder)}")
    return verified


def _faults(path: Path, kind: str) -> tuple[Fault, ...]:
    """What is wrong with a folder of a kind."""
    return tuple(fault._replace(text=by_address(fault.text)) for fault in _FAULTS[kind](path))


def _folders(folder: Path) -> Iterator[tuple[Path, str]]:
    """Folders of runs, backtests, studies and exports, by path, with their kinds."""
    if is_run(folder) or is_export(folder):
        yield folder, "run" if is_run(folder) else "export"
        return
    if is_backtest(folder):
        yield folder, "backtest"
    elif is_study(folder):
        yield folder, "study"
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _folders(path)


def _backtest_faults(path: Path) -> Iterator[Fault]:
    folder = BacktestFolder(path)
    try:
        summary = folder.read()
    except NextbarError as error:
        yield Fault(path, str(error))
        return
    readers: dict[str, Callable[[], object]] = {CONFIG: lambda: read_config(path), BARS: lambda: read_bars_record(path)}
    if summary["status"] == "finished":
        readers[FORECASTS] = folder.read_forecasts
    if POSITIONS_CHECKSUM in summary:
        readers[POSITIONS] = folder.read_positions
    if (path / TIMES).exists():  # backtests of earlier versions have none
        readers[TIMES] = lambda: read_times(path)
    for name, read in readers.items():
        try:
            if not (path / name).is_file():
                yield Fault(path / name, "is missing")
            else:
                read()
        except NextbarError as error:
            yield Fault(path / name, str(error))


def _study_faults(path: Path) -> Iterator[Fault]:
    folder = StudyFolder(path)
    try:
        description = folder.read()
    except NextbarError as error:
        yield Fault(path, str(error))
        return
    if description.get("storage") is None and not folder.journal.is_file():
        yield Fault(folder.journal, "is missing")
    elif folder.journal.is_file():
        yield from _journal_faults(folder.journal)


def _journal_faults(journal: Path) -> Iterator[Fault]:
    """Lines that are no JSON; a last one without an end was left by a kill, and is passed over by whoever reads it."""
    lines = journal.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            yield Fault(journal, f"line {number} is no JSON")
    if lines[-1]:
        yield Fault(journal, "ends in half a line, left by a process that was killed", harmful=False)


def _export_faults(path: Path) -> Iterator[Fault]:
    try:
        faults = listed_faults(path)
    except OSError as error:
        faults = [str(error)]
    for words in [f"{LIST} is missing"] if faults is None else faults:
        yield Fault(path, words)


_FAULTS = {"run": run_faults, "backtest": _backtest_faults, "study": _study_faults, "export": _export_faults}
