"""CSV files, gzipped or not, to tables."""

from __future__ import annotations

import csv
import gzip
import io
import re
import reprlib
import warnings
import zlib

import numpy as np
import pandas as pd

from nextbar.bars.bounds import largest_unpacked, too_large
from nextbar.bars.columns import ALIASES, plain
from nextbar.bars.table import Table
from nextbar.errors import DataError, short

# a header may be [date],[open] or <DATE>,<OPEN>, as some programs write them
_JSON = re.compile(r"\s*(?:\{|\[(?![A-Za-z]))")
_PAGE = re.compile(r"\s*<(?:[!?]|html\b|.*</)", re.IGNORECASE | re.DOTALL)
_GZIP = b"\x1f\x8b"
_SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "a space"}


def read_csv(data: bytes, source: str) -> Table:
    """The table in the bytes of a CSV file.

    Raises:
        DataError: they are not text in UTF-8, or no table separated by commas.
    """
    if data[:2] == _GZIP:
        raise DataError(f"{source}: this is a gzip file; call it .csv.gz")
    text = _decoded(data, source)
    blank, header = _header(data)
    names = _names(text, header, source)
    frame = _parsed(data, blank, header, source)
    if len(names) != frame.shape[1]:
        raise DataError(
            f"{source}: the first line, {_shown(header)}, has {len(names)} of the {frame.shape[1]} names; put all of "
            "them in one line, without line breaks inside quotes"
        )
    frame.columns = pd.Index(names, dtype=object)
    lines = np.arange(len(frame)) + blank + 2
    if frame.iloc[:, 0].isna().any():
        filled = frame.notna().any(axis=1).to_numpy()
        frame, lines = frame[filled], lines[filled]
    return Table(source, frame, lines, "line")


def _decoded(data: bytes, source: str) -> str:
    """The text of a file, refused where it is not UTF-8."""
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
    return text


def _names(text: str, header: str, source: str) -> list[str]:
    """Names of the columns in the first line, refused where the text is no table separated by commas."""
    shown = _shown(header)
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
                f"{short(header)}; save the file with commas"
            )
    return names


def _parsed(data: bytes, blank: int, header: str, source: str) -> pd.DataFrame:
    """The table after so many blank lines, under whatever names pandas reads."""
    try:
        with warnings.catch_warnings():
            # without an error here, fields that the first line has no name for are silently dropped
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
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
            f"{_shown(header)}"
        ) from error
    except (ValueError, pd.errors.ParserError) as error:
        what = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{source}: not a table separated by commas: {what}") from error


def _shown(header: str) -> str:
    """The first line, for a message."""
    return reprlib.repr(header.strip())


def _header(data: bytes) -> tuple[int, str]:
    """Number of blank lines before the first written one, and that line."""
    for blank, line in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")):
        if line.strip():
            return blank, line.rstrip("\r\n")
    return 0, ""


def read_gzip(data: bytes, source: str) -> Table:
    """The table in the bytes of a gzipped CSV file.

    Raises:
        DataError: as ``read_csv``, no sound gzip, or one that unpacks into too much.
    """
    allowed = largest_unpacked(len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
            text = unpacked.read(allowed + 1)
    except EOFError as error:
        raise DataError(f"{source}: the gzip file is cut off; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source}: not a sound gzip file ({error}); fetch it again") from error
    if len(text) > allowed:
        raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
    if not text.strip():
        raise DataError(f"{source}: the file is empty")
    if text[:2] == _GZIP:
        raise DataError(f"{source}: a gzip file inside a gzip file; unpack it once")
    return read_csv(text, source)
