"""Files to tables: JSON, CSV, gzipped CSV and Parquet, and what is wrong with a file as a whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import reprlib
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from nextbar.bars.columns import ALIASES, plain
from nextbar.bars.table import Table
from nextbar.errors import DataError

# a header may be [date],[open] or <DATE>,<OPEN>, as some programs write them
_JSON = re.compile(r"\s*(?:\{|\[(?![A-Za-z]))")
_PAGE = re.compile(r"\s*<(?:[!?]|html\b|.*</)", re.IGNORECASE | re.DOTALL)
_SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "a space"}


def read_table(path: Path) -> Table:
    """The table in a file of bars, as it stands there.

    Raises:
        DataError: the file is unreadable, empty, cut off or not of its format.
    """
    extension = extension_of(path.name)
    if extension is None:
        raise DataError(f"{path}: cannot be read as bars; the formats are {', '.join(READERS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data.strip():
        raise DataError(f"{path}: the file is empty")
    return READERS[extension](data, str(path))


def extension_of(name: str) -> str | None:
    """The known extension a file name ends in, ``None`` for others."""
    return next((extension for extension in READERS if name.lower().endswith(extension)), None)


def _read_csv(data: bytes, source: str) -> Table:
    if data[:2] == b"\x1f\x8b":
        raise DataError(f"{source}: this is a gzip file; call it .csv.gz")
    strange = data.find(b"\0")  # valid UTF-8, but UTF-16 or a file that was never written to
    text = ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        strange = error.start
    if strange >= 0:
        raise DataError(
            f"{source}: not UTF-8 text (byte {strange}: {data[strange : strange + 1]!r}); save the file as UTF-8"
        )
    blank, header = _header(data)
    shown = reprlib.repr(header.strip())
    for form, advice in ((_JSON, "as JSON does: save it as a .json file"), (_PAGE, "a web page? Fetch the file again")):
        if form.match(text):
            raise DataError(f"{source}: not a table separated by commas: it begins with {shown}, {advice}")
    try:
        names = next(csv.reader([header]))
    except csv.Error as error:
        raise DataError(
            f"{source}: not a table separated by commas: the first line, {shown}, should be names ({error})"
        ) from error
    for separator, word in _SEPARATORS.items():
        parts = {plain(part.strip('"')) for part in header.split(separator)}
        if len(names) == 1 and len(parts) > 1 and parts & set(ALIASES["date"]):
            raise DataError(
                f"{source}: the separator seems to be {word} ({separator!r}), found in the first line "
                f"{header!r}; save the file with commas"
            )
    try:
        with warnings.catch_warnings():
            # without an error here, fields that the first line has no name for are silently dropped
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(data),
                skiprows=blank,
                skip_blank_lines=False,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8-sig",
                low_memory=False,
            )
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{source}: not a table separated by commas: there are more fields in the lines than names in the first, "
            f"{shown}"
        ) from error
    except (ValueError, pd.errors.ParserError) as error:
        what = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{source}: not a table separated by commas: {what}") from error
    if len(names) != frame.shape[1]:
        raise DataError(
            f"{source}: the first line, {shown}, has {len(names)} of the {frame.shape[1]} names; put all of them in "
            "one line, without line breaks inside quotes"
        )
    frame.columns = pd.Index(names, dtype=object)
    lines = np.arange(len(frame)) + blank + 2
    if frame.iloc[:, 0].isna().any():
        filled = frame.notna().any(axis=1).to_numpy()
        frame, lines = frame[filled], lines[filled]
    return Table(source, frame, lines, "line")


def _header(data: bytes) -> tuple[int, str]:
    """Number of blank lines before the first written one, and that line."""
    for blank, line in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")):
        if line.strip():
            return blank, line.rstrip("\r\n")
    return 0, ""


def _read_gzip(data: bytes, source: str) -> Table:
    try:
        text = gzip.decompress(data)
    except EOFError as error:
        raise DataError(f"{source}: the gzip file is cut off; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source}: not a sound gzip file ({error}); fetch it again") from error
    if not text.strip():
        raise DataError(f"{source}: the file is empty")
    return _read_csv(text, source)


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
    frame = pd.DataFrame.from_records(records)
    return Table(source, frame, np.arange(1, len(frame) + 1))


def _json_word(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "true/false", type(None): "null"}
    return kinds.get(type(value), "number")


def _read_parquet(data: bytes, source: str) -> Table:
    import pyarrow

    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{source}: not a sound Parquet file, or cut off ({_first_line(error)})") from error
    except Exception as error:  # what pandas wrote about its columns is not checked when read, and fails anywhere
        raise DataError(
            f"{source}: the pandas metadata of the Parquet file is damaged ({type(error).__name__}: "
            f"{_first_line(error)}); write the file again"
        ) from error
    frame = index_as_columns(frame, "date")
    return Table(source, frame, np.arange(1, len(frame) + 1))


def index_as_columns(frame: pd.DataFrame, time_col: str) -> pd.DataFrame:
    """The frame with what its index says (dates, tickers) as columns."""
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


READERS: dict[str, Callable[[bytes, str], Table]] = {
    ".json": _read_json,
    ".csv": _read_csv,
    ".csv.gz": _read_gzip,
    ".parquet": _read_parquet,
}
