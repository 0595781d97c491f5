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
from nextbar.bars.dialect import LOOKED_AT, SEPARATORS, Dialect
from nextbar.bars.encoding import utf8
from nextbar.bars.footer import without_footer
from nextbar.bars.levels import ABOUT_LEVELS, LEVELS, one_level
from nextbar.bars.number_forms import as_numbers
from nextbar.bars.table import Table
from nextbar.errors import DataError, cut, short

# a header may be [date],[open] or <DATE>,<OPEN>, as some programs write them
_JSON = re.compile(r"\s*(?:\{|\[(?![A-Za-z]))")
_PAGE = re.compile(r"\s*<(?:[!?]|html\b|.*</)", re.IGNORECASE | re.DOTALL)
_GZIP = b"\x1f\x8b"
_UNREAD = {";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "a space"}
"""separators that are named in a message, where the lines do not agree on them"""


def read_csv(data: bytes, source: str, decimal: str | None = None) -> Table:
    """The table in the bytes of a CSV file.

    Args:
        data: the bytes.
        source: the path, which messages begin with.
        decimal: the mark before decimals; None: a point, or what numbers between other separators look like.

    Raises:
        DataError: they are no text in an encoding that is read, or are no table separated by commas, semicolons, tabs
            or bars; or its numbers may be read in two ways.
    """
    if data[:2] == _GZIP:
        raise DataError(f"{source}: this is a gzip file; call it .csv.gz")
    if not data or data.isspace():
        raise DataError(f"{source}: the file is empty")
    data, text, encoding = utf8(data, source)
    lines = _first_lines(data)
    dialect = Dialect.of(lines)
    written = [line for before, line in lines if before >= dialect.skipped]
    header = written[0] if written else ""
    _refuse_others(text, header, source)
    del text  # as large as the file
    bar = written[dialect.names] if len(written) > dialect.names else ""
    data, footer = without_footer(data, bar, header if dialect.names else "", dialect.separator)
    names = _names(header, dialect.separator, source) if dialect.names == 1 else None

    def parsed(as_text: bool) -> pd.DataFrame:
        frame = _parsed(data, dialect, header, source, as_text)
        if names is None:
            return _unnamed(frame) if dialect.names == 0 else _levelled(frame, lines, dialect)
        if len(names) != frame.shape[1]:
            raise DataError(
                f"{source}: the first line, {_shown(header)}, has {len(names)} of the {frame.shape[1]} names; put all "
                "of them in one line, without line breaks inside quotes"
            )
        return frame.set_axis(pd.Index(names, dtype=object), axis=1)

    frame, numbers = as_numbers(parsed(False), source, decimal, lambda: parsed(True), dialect.separator == ";")
    rows_N = np.arange(len(frame)) + dialect.skipped + dialect.names + 1
    if frame.iloc[:, 0].isna().any():
        filled = frame.notna().any(axis=1).to_numpy()
        frame, rows_N = frame[filled], rows_N[filled]
    assumed = (
        *([f"encoded in {encoding}"] if encoding else []),
        *([f"separated by {SEPARATORS[dialect.separator]}"] if dialect.separator in SEPARATORS else []),
        *numbers,
        *([_about_footer(footer)] if footer else []),
    )
    if frame.columns.nlevels > 1:
        order = pd.Series(rows_N, index=frame.index)
        frame = one_level(frame, source)
        rows_N = order[frame.index].to_numpy()
        frame = frame.reset_index(drop=True)
        return Table(source, frame, rows_N, "line", layout=LEVELS, notices=(ABOUT_LEVELS,), assumed=assumed)
    return Table(source, frame, rows_N, "line", dialect.preamble, assumed=assumed)


def _about_footer(lines: list[str]) -> str:
    """A phrase about lines at the end of a file that are no bars."""
    first, n = cut(lines[0]), len(lines)
    return f"the last line left out: {first}" if n == 1 else f"the last {n} lines left out, from: {first}"


def _unnamed(frame: pd.DataFrame) -> pd.DataFrame:
    """A table without names, numbered; a comma at the end of each line makes no column."""
    if frame.shape[1] > 1 and frame.iloc[:, -1].isna().all():
        frame = frame.iloc[:, :-1]
    return frame.set_axis(range(frame.shape[1]), axis=1)


def _levelled(frame: pd.DataFrame, lines: list[tuple[int, str]], dialect: Dialect) -> pd.DataFrame:
    """A table under two lines of names, and perhaps a third that names the date alone."""
    above = [line for before, line in lines if before >= dialect.skipped]
    first, second, third = (next(csv.reader([line], delimiter=dialect.separator)) for line in above[:3])
    width = frame.shape[1]
    first, second = ((names + [""] * width)[:width] for names in (first, second))
    if dialect.names == 3:
        first[0], second[0] = third[0], ""
    return frame.set_axis(pd.MultiIndex.from_arrays([first, second]), axis=1)


def _refuse_others(text: str, header: str, source: str) -> None:
    """Raise DataError where a text is JSON or a page."""
    for form, advice in ((_JSON, "as JSON does: save it as a .json file"), (_PAGE, "a web page? Fetch the file again")):
        if form.match(text):
            raise DataError(f"{source}: not a table separated by commas: it begins with {_shown(header)}, {advice}")


def _names(header: str, separator: str, source: str) -> list[str]:
    """Names of the columns in the first line, refused where nothing known separates them."""
    try:
        names = next(csv.reader([header], delimiter=separator))
    except csv.Error as error:
        raise DataError(
            f"{source}: not a table separated by commas: the first line, {_shown(header)}, should be names ({error})"
        ) from error
    for mark, word in _UNREAD.items():
        parts = {plain(part.strip('"')) for part in header.split(mark)}
        if len(names) == 1 and len(parts) > 1 and parts & set(ALIASES["date"]):
            raise DataError(
                f"{source}: the separator seems to be {word} ({mark!r}), found in the first line "
                f"{short(header)}; save the file with commas"
            )
    return names


def _parsed(data: bytes, dialect: Dialect, header: str, source: str, as_text: bool) -> pd.DataFrame:
    """The table, under whatever names pandas reads; numbered where the names are not one line."""
    named = dialect.names == 1
    try:
        with warnings.catch_warnings():
            # without an error here, fields that the first line has no name for are silently dropped
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(data),
                sep=dialect.separator,
                header=0 if named else None,
                skiprows=dialect.skipped + (0 if named else dialect.names),
                skip_blank_lines=False,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8-sig",
                low_memory=False,
                dtype=str if as_text else None,
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


def _first_lines(data: bytes) -> list[tuple[int, str]]:
    """The first written lines, each with the number of lines before it."""
    written: list[tuple[int, str]] = []
    for before, line in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")):
        if line.strip():
            written.append((before, line.rstrip("\r\n")))
        if len(written) == LOOKED_AT:
            break
    return written or [(0, "")]


def read_gzip(data: bytes, source: str, decimal: str | None = None) -> Table:
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
    if text[:2] == _GZIP:
        raise DataError(f"{source}: a gzip file inside a gzip file; unpack it once")
    return read_csv(text, source, decimal)
