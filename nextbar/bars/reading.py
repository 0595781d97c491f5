"""Files to tables, by the ending of their names; a file that is no table is refused as a whole."""

from __future__ import annotations

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from nextbar.bars.bounds import MOST_COLUMNS, largest, largest_unpacked, too_large
from nextbar.bars.csv_file import read_csv, read_gzip
from nextbar.bars.table import Table
from nextbar.errors import DataError, first_line
from nextbar.files import read_bytes


def read_table(path: Path) -> Table:
    """The table in a file of bars, as it stands there.

    Raises:
        DataError: the file is unreadable, empty, cut off or not of its format.
    """
    extension = extension_of(path.name)
    if extension is None:
        raise DataError(f"{path}: cannot be read as bars; the formats are {', '.join(READERS)}")
    try:
        data = read_bytes(path, largest())
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise too_large(str(path), "it has", largest()) from None
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data.strip():
        raise DataError(f"{path}: the file is empty")
    return READERS[extension](data, str(path))


def extension_of(name: str) -> str | None:
    """The known extension a file name ends in, ``None`` for others."""
    return next((extension for extension in READERS if name.lower().endswith(extension)), None)


def _read_json(data: bytes, source: str) -> Table:
    try:
        text = data.decode(json.detect_encoding(data))
        records = json.loads(text)
        if "\\u" in text:
            json.dumps(records, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: not UTF-8 text; save the file as UTF-8") from error
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 10]
        raise DataError(
            f"{source}: broken JSON: half a character, {error.object[error.start]!r}, in {around!r}; write whole ones"
        ) from error
    except json.JSONDecodeError as error:
        advice = "write all objects as one array, [{...}, {...}]" if error.msg == "Extra data" else "is it cut off?"
        raise DataError(
            f"{source}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}; {advice}"
        ) from error
    except RecursionError as error:
        raise DataError(f"{source}: broken JSON: nested too deep for an array of objects") from error
    except ValueError as error:  # Python reads no longer whole numbers
        limit = sys.get_int_max_str_digits()
        raise DataError(f"{source}: a number of more than {limit:,} digits; write it shorter, such as 1e9") from error
    if not isinstance(records, list):
        raise DataError(f"{source}: found one {_json_word(records)}, should be an array of objects, one a bar")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{source}: record {number} is {_json_word(record)}, should be an object such as "
                '{"date": "2024-01-31T13:00:00Z", "open": 1.0, ...}'
            )
    if not records:
        raise DataError(f"{source}: the file is empty: an array without a record")
    names = len(set().union(*records))
    if names > MOST_COLUMNS:
        raise DataError(f"{source}: {names:,} names of columns, should be at most {MOST_COLUMNS:,}")
    frame = pd.DataFrame.from_records(records)
    return Table(source, frame, np.arange(1, len(frame) + 1))


def _json_word(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "true/false", type(None): "null"}
    return kinds.get(type(value), "number")


def _read_parquet(data: bytes, source: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    allowed = largest_unpacked(len(data))
    try:
        facts = pyarrow.parquet.read_metadata(io.BytesIO(data))
        packed = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
        if max(packed, 8 * facts.num_rows * facts.num_columns) > allowed:
            raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
        frame = pd.read_parquet(io.BytesIO(data))
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{source}: not a sound Parquet file, or cut off ({first_line(error)})") from error
    except Exception as error:  # what pandas wrote about its columns is not checked when read, and fails anywhere
        raise DataError(
            f"{source}: the pandas metadata of the Parquet file is damaged ({type(error).__name__}: "
            f"{first_line(error)}); write the file again"
        ) from error
    frame = index_as_columns(frame, "date")
    return Table(source, frame, np.arange(1, len(frame) + 1))


def index_as_columns(frame: pd.DataFrame, time_col: str) -> pd.DataFrame:
    """The frame with the levels of its index (dates, tickers) as columns."""
    index = frame.index
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) and index.name is None:
        index = index.rename(time_col)
    added = {
        name: index.get_level_values(level)
        for level, name in enumerate(index.names)
        if name is not None and name not in frame.columns
    }
    bare = frame.reset_index(drop=True)
    for name, values in added.items():
        if isinstance(values, pd.PeriodIndex):
            values = values.to_timestamp()
        bare[name] = pd.Series(values, index=bare.index)
    return bare


READERS: dict[str, Callable[[bytes, str], Table]] = {
    ".json": _read_json,
    ".csv": read_csv,
    ".csv.gz": read_gzip,
    ".parquet": _read_parquet,
}
"""ending of a file's name: the function that makes a table of its bytes and its path, which messages begin with"""
