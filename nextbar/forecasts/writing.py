"""A forecast table as a file: CSV, Parquet or JSON, whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nextbar.errors import DataError
from nextbar.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

ISO = "%Y-%m-%dT%H:%M:%SZ"


def check_target(path: Path) -> None:
    """Check that a table can be written there, before it is made.

    Raises:
        DataError: an ending that says no format, no such folder, or a folder of that name.
    """
    if _writer(path) is None:
        raise DataError(f"{path}: the ending says the format, and must be one of {', '.join(WRITERS)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder {str(path.parent)!r}; make it first")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table in the format of the file's ending; a file that is there is replaced by one rename.

    Raises:
        DataError: see :func:`check_target`.
        OSError: the disk cannot be written.
    """
    check_target(path)
    writer = _writer(path)
    assert writer is not None
    write_whole(path, writer(table))


def to_csv(table: pd.DataFrame) -> str:
    """The table as CSV, dates in ISO 8601, numbers with all their digits."""
    return table.to_csv(index=False, date_format=ISO, lineterminator="\n")


def _csv(table: pd.DataFrame) -> bytes:
    return to_csv(table).encode()


def _gzipped_csv(table: pd.DataFrame) -> bytes:
    return gzip.compress(_csv(table), mtime=0)  # the same bytes for the same table


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _json(table: pd.DataFrame) -> bytes:
    dates = {name: table[name].dt.strftime(ISO) for name in table.select_dtypes("datetimetz").columns}
    records = table.assign(**dates).to_dict("records")  # pandas' own JSON would round the numbers
    return (json.dumps(records, indent=1, allow_nan=False) + "\n").encode()


def _writer(path: Path) -> Callable[[pd.DataFrame], bytes] | None:
    return next((write for ending, write in WRITERS.items() if path.name.lower().endswith(ending)), None)


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": _csv,
    ".csv.gz": _gzipped_csv,
    ".parquet": _parquet,
    ".json": _json,
}
