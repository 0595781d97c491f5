"""A frame of forecasts as a file: CSV, Parquet, JSON, JSON lines or feather, whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.errors import DataError
from nextbar.files import write_whole
from nextbar.storage.address import require_local

if TYPE_CHECKING:
    import pandas as pd

ISO = "%Y-%m-%dT%H:%M:%SZ"
NAIVE = "%Y-%m-%dT%H:%M:%S"
"""of dates without a zone, which other programs want"""


def check_target(path: Path, endings: Sequence[str] | None = None) -> None:
    """Check that a frame can be written there, before it is made.

    Args:
        path: the file.
        endings: those that it may have; None: all of ``WRITERS``.

    Raises:
        ConfigError: an address in object storage.
        DataError: an ending that says no format, no such folder, or a folder of that name.
    """
    require_local(path, "tables are written to a disk", "copy it from there")
    if _ending(path, endings) is None:
        raise DataError(f"{path}: the ending says the format, and must be one of {', '.join(endings or WRITERS)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder {str(path.parent)!r}; make it first")


def write_table(path: Path, frame: pd.DataFrame, endings: Sequence[str] | None = None) -> None:
    """Write a frame in the format of the file's ending; a file that is there is replaced by one rename.

    Raises:
        DataError: see :func:`check_target`.
        OSError: the disk cannot be written.
    """
    check_target(path, endings)
    ending = _ending(path, endings)
    assert ending is not None
    write_whole(path, encoded(frame, ending))


def encoded(frame: pd.DataFrame, ending: str) -> bytes:
    """A frame as a file of that ending holds it."""
    return WRITERS[ending](frame)


def to_csv(frame: pd.DataFrame) -> str:
    """A frame as CSV, dates in ISO 8601, numbers with all their digits; its index only where that has a name."""
    is_utc = len(frame.select_dtypes("datetimetz").columns) or getattr(frame.index, "tz", None) is not None
    date_format = ISO if is_utc else NAIVE
    return frame.to_csv(index=_has_index(frame), date_format=date_format, lineterminator="\n")


def _csv(frame: pd.DataFrame) -> bytes:
    return to_csv(frame).encode()


def _gzipped_csv(frame: pd.DataFrame) -> bytes:
    return gzip.compress(_csv(frame), mtime=0)  # the same bytes for the same table


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=_has_index(frame))
    return buffer.getvalue()


def _feather(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_feather(buffer)
    return buffer.getvalue()


def _json(frame: pd.DataFrame) -> bytes:
    return (json.dumps(_records(frame), indent=1, allow_nan=False) + "\n").encode()


def _json_lines(frame: pd.DataFrame) -> bytes:
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in _records(frame)).encode()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, dates in ISO 8601, null where a cell is empty; pandas' own JSON would round the numbers."""
    aware, naive = frame.select_dtypes("datetimetz").columns, frame.select_dtypes("datetime").columns
    dates = {name: frame[name].dt.strftime(ISO) for name in aware}
    dates |= {name: frame[name].dt.strftime(NAIVE) for name in naive}
    records = frame.assign(**dates).to_dict("records")
    return [{str(k): None if v != v else v for k, v in record.items()} for record in records]


def _has_index(frame: pd.DataFrame) -> bool:
    return frame.index.name is not None


def _ending(path: Path, endings: Sequence[str] | None) -> str | None:
    return next((ending for ending in endings or WRITERS if path.name.lower().endswith(ending)), None)


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": _csv,
    ".csv.gz": _gzipped_csv,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
    ".feather": _feather,
}

BINARY = frozenset({".csv.gz", ".parquet", ".feather"})
"""endings of files that are no text"""
