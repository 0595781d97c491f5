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
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from nextbar.bars.bounds import largest
from nextbar.bars.checks import CheckedColumns
from nextbar.bars.layouts import LAYOUTS, UNNAMED
from nextbar.bars.reading import READERS, extension_of
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.files import json_object, write_parts

VARIABLE = "NEXTBAR_KEPT_BARS"
"""environment variable: folder that series are kept in, instead of the one beside the runs; empty: none are kept"""
FOLDER = ".bars"
"""in the folder of the runs"""
SMALLEST = 2**25
"""bytes that the files of an experiment have together, from which on they are kept; fewer are soon read"""
_LONGEST = 2**20
"""bytes of the line before the arrays"""
_LIBRARIES = ("nextbar", "numpy", "pandas", "pyarrow")


def kept_folder(log_dir: str | Path, paths: Sequence[Path]) -> Path | None:
    """Where the series in some files are kept; None where they are not.

    Args:
        log_dir: folder of the runs.
        paths: the files of one experiment.
    """
    named = os.environ.get(VARIABLE)
    if named == "" or sum(os.path.getsize(path) for path in paths if os.path.isfile(path)) < SMALLEST:
        return None
    return Path(log_dir) / FOLDER if named is None else Path(named)


def kept(folder: Path, path: Path, of: Sequence[Any], read: Callable[[], CheckedColumns]) -> CheckedColumns:
    """The series in a file: as it was kept, in arrays that are mapped and cannot be written; else read, and then kept.

    A later series of the same file takes the place of the former. One that cannot be kept is read each time, and so is
    one with dates in the future, which are told until they have come.

    Args:
        folder: where to; made if need be.
        path: the file.
        of: what the series depends on besides, in plain values and data classes: ticker, resolution, needs.
        read: reads and checks it.

    Raises:
        DataError: what ``read`` raises.
    """
    extension = extension_of(path.name)
    own = extension is not None and READERS[extension].__module__.startswith("nextbar.bars.")
    if not (own and os.path.isfile(path)):
        return read()  # nobody knows when a reader from elsewhere is another, and a pipe has its bytes once
    place = folder / hashlib.sha256(_text([str(path.absolute()), *of]).encode()).hexdigest()[:24]
    try:
        key = {"file": _content(path), "reader": _reader()}
        if (series := _load(place, key)) is not None:
            return series
    except OSError:
        return read()  # which says what is wrong with the file
    series = read()
    with suppress(OSError):
        if series.time_N[-1] < time.time() and _content(path) == key["file"]:
            folder.mkdir(parents=True, exist_ok=True)
            write_parts(place, _laid_out(series, key))
            read_again = _load(place, key) or series
            pyarrow.default_memory_pool().release_unused()  # what was read is mapped now, and need not be held
            return read_again
    return series


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reader() -> str:
    """Hash of all that decides what is read from given bytes: code, libraries, layouts that were added, bounds."""
    return hashlib.sha256(_text([_code(), LAYOUTS, UNNAMED, largest()]).encode()).hexdigest()


@cache
def _code() -> str:
    """Hash of the modules here, and of the versions of what they call."""
    digest = hashlib.sha256(_text([version(name) for name in _LIBRARIES]).encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


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
