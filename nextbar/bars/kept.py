"""Series of large files, kept as checks left them in a folder that may be removed: who reads again maps them.

A kept series is that of a file with these very bytes, read by this very code, so that it is never stale.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from nextbar.bars.bounds import largest
from nextbar.bars.checks import CheckedColumns
from nextbar.bars.columns import TableNeeds
from nextbar.bars.layouts import LAYOUTS, UNNAMED
from nextbar.bars.reading import any_extension, reader_of
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.files import json_object, sweep_parts, write_parts
from nextbar.folders import lock_of
from nextbar.machine.own_code import code_hash
from nextbar.storage.address import working_folder

VARIABLE = "NEXTBAR_KEPT_BARS"
"""environment variable: folder that series are kept in, instead of the one beside the runs; empty: none are kept"""
FOLDER = ".bars"
"""in the folder of the runs"""
SMALLEST = 2**25
"""bytes that the files of an experiment have together, from which on they are kept; fewer are soon read"""
_LONGEST = 2**20
"""bytes of the line before the arrays"""
_LIBRARIES = ("nextbar", "numpy", "pandas", "pyarrow")
_BESIDE = ("files.py", "resolution.py", "config/values.py", "config/exchanges.py")
"""modules elsewhere that decide what is read"""


def kept_folder(log_dir: str | Path, paths: Sequence[Path]) -> Path | None:
    """Where the series in some files are kept; None where they are not.

    Args:
        log_dir: folder of the runs.
        paths: the files of one experiment.
    """
    named = os.environ.get(VARIABLE)
    if named == "" or sum(os.path.getsize(path) for path in paths if os.path.isfile(path)) < SMALLEST:
        return None
    return working_folder(log_dir) / FOLDER if named is None else Path(named)


@dataclass(frozen=True, eq=False)
class Sought:
    """The series in a file, as it was sought in the folder."""

    path: Path
    """the file"""
    place: Path
    """where its series is kept, if it is"""
    key: dict[str, str] | None
    """what the series follows from; None where it cannot be kept, or is not to be"""
    columns: CheckedColumns | None
    """what was kept of it, in arrays that are mapped and cannot be written"""

    def or_read(self, read: Callable[[], CheckedColumns]) -> CheckedColumns:
        """The series as it was kept; else read, and then kept.

        There is one of each series: what was read later, of other bytes or for other needs, takes the place of the
        former. One that cannot be kept is read each time, and so is one with dates in the future, which are told until
        they have come. Of several processes that read it at once one writes it.

        Args:
            read: reads and checks it.

        Raises:
            DataError: what ``read`` raises.
        """
        if self.columns is not None:
            return self.columns
        series = read()
        if self.key is not None and series.time_N[-1] < time.time():
            with suppress(OSError, NotImplementedError):  # the latter of a file system without locks
                if _content(self.path) == self.key["file"]:
                    return _written(self.place, self.key, series)
        return series


def sought(folder: Path, path: Path, name: str, needs: TableNeeds, keeps: bool = True) -> Sought:
    """Look for a series in the folder.

    Args:
        folder: where series are kept; it need not be there.
        path: the file.
        name: of the series: ticker and resolution.
        needs: what is to be read of it.
        keeps: False: what is read is not kept.
    """
    place = folder / hashlib.sha256(_text([str(path.absolute()), name]).encode()).hexdigest()[:24]
    code, key, columns = _code(), None, None
    looks = keeps or os.path.isfile(place)  # else the bytes of a large file would be looked through for nothing
    # nobody knows when a reader from elsewhere is another, and a pipe has its bytes once
    if looks and code is not None and _is_own(path) and os.path.isfile(path):
        with suppress(OSError):  # reading says what is wrong with the file
            key = {"file": _content(path), "reader": _reader(code), "needs": _text(needs)}
            columns = _load(place, key)
    return Sought(path, place, key if keeps else None, columns)


def _is_own(path: Path) -> bool:
    """Whether a file is read by code here alone; a zip file may hold what a reader from elsewhere reads."""
    extension = any_extension(path.name)
    if extension is None or extension == ".zip":
        return False
    return reader_of(extension).__module__.startswith("nextbar.bars.")


def _written(place: Path, key: dict[str, str], series: CheckedColumns) -> CheckedColumns:
    """The series as it is kept from now on.

    Raises:
        OSError: it cannot be written, or another process is writing it.
    """
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock_of(place), timeout=0):
        sweep_parts(place)
        if (existing := _load(place, key)) is None:  # else another process has written it meanwhile
            write_parts(place, _laid_out(series, key))
            existing = _load(place, key)
    pyarrow.default_memory_pool().release_unused()  # what was read is mapped now, and need not be held
    return existing or series


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reader(code: str) -> str:
    """Hash of all that decides what is read from given bytes: code, libraries, layouts that were added, bounds."""
    return hashlib.sha256(_text([code, LAYOUTS, UNNAMED, largest()]).encode()).hexdigest()


def _code() -> str | None:
    """Hash of the modules that read, and of the versions of what they call; None where others may run."""
    here = Path(__file__).parent
    return code_hash([*sorted(here.glob("*.py")), *(here.parent / name for name in _BESIDE)], _LIBRARIES)


def _text(value: Any) -> str:
    return json.dumps(value, default=lambda part: sorted(part) if isinstance(part, frozenset) else asdict(part))


def _laid_out(series: CheckedColumns, key: dict[str, str]) -> Iterator[bytes | memoryview]:
    """A line with the hash of all that comes after it and with what that is, then the arrays, 8 bytes a number."""
    ahead = series.ahead
    arrays = [series.time_N, *series.columns.values(), *([ahead.time_N, *ahead.columns.values()] if ahead else [])]
    head = {
        "key": key,
        "bars": len(series.time_N),
        "columns": [*series.columns],
        "ahead": len(ahead) if ahead else 0,
        "columns_ahead": [*ahead.columns] if ahead else [],
        "notices": series.notices,
    }
    text = json.dumps(head).encode()
    text += b" " * ((-len(text) - 2) % 8) + b"\n"
    yield _digest(text, arrays).encode() + b" " + text
    yield from map(_bytes, arrays)


def _load(place: Path, key: dict[str, str]) -> CheckedColumns | None:
    """The series that a file holds; None where it has another key, or is not there as it was written.

    Raises:
        OSError: it cannot be read.
    """
    if not os.path.isfile(place):
        return None
    with place.open("rb") as file:
        digest, _, text = file.readline(_LONGEST).partition(b" ")
    with suppress(ValueError, KeyError, TypeError):
        head = json_object(text)
        if head["key"] != key:
            return None
        n, names, n_ahead, names_ahead = (head[name] for name in ("bars", "columns", "ahead", "columns_ahead"))
        sizes = [n] * (1 + len(names)) + [n_ahead] * (1 + len(names_ahead))
        number_X = np.asarray(np.memmap(place, np.int64, "r", len(digest) + 1 + len(text)))
        if len(number_X) != sum(sizes) or _digest(text, [number_X]).encode() != digest:
            return None
        time_N, *rest = np.split(number_X, np.cumsum(sizes[:-1]))
        values = [part.view(np.float64) for part in rest]
        ahead = RowsAhead(rest[len(names)], dict(zip(names_ahead, values[len(names) + 1 :], strict=True)))
        columns = dict(zip(names, values[: len(names)], strict=True))
        return CheckedColumns(time_N, columns, tuple(head["notices"]), ahead if n_ahead else None)
    return None


def _digest(text: bytes, arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256(text)
    for array in arrays:
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).view(np.uint8).data
