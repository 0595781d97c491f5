"""Files to tables, by the ending of their names; a file that is no table is refused as a whole."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from nextbar.bars.bounds import largest, largest_unpacked, too_large
from nextbar.bars.csv_file import read_csv, read_gzip
from nextbar.bars.feather import read_feather
from nextbar.bars.json_file import read_json
from nextbar.bars.levels import ABOUT_LEVELS, LEVELS, index_as_columns, one_level
from nextbar.bars.recognition import recognised
from nextbar.bars.table import Table
from nextbar.bars.zip_file import only_member
from nextbar.errors import DataError, first_line
from nextbar.files import read_bytes


def read_table(
    path: Path, layout: str | None = None, date_format: str | None = None, decimal: str | None = None
) -> Table:
    """The table in a file of bars: as it stands there, or under the names here where another program laid it out.

    Args:
        path: the file.
        layout: name of the layout; None: by its content.
        date_format: form of its dates, as of strptime; None: as the layout has them.
        decimal: the mark before decimals of a text file; None: by its content.

    Raises:
        DataError: the file is unreadable, empty, cut off or not of its format.
        ConfigError: no such layout, or no form of dates.
    """
    extension = any_extension(path.name)
    if extension is None:
        raise DataError(f"{path}: cannot be read as bars; the formats are {', '.join((*READERS, *FURTHER))}")
    try:
        data = read_bytes(path, largest())
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise too_large(str(path), "it has", largest()) from None
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data or data.isspace():
        raise DataError(f"{path}: the file is empty")
    read = reader_of(extension)
    table = read(data, str(path)) if decimal is None else TEXTS.get(extension, _no_decimals)(data, str(path), decimal)
    return recognised(table, layout, date_format)


def _no_decimals(data: bytes, source: str, decimal: str) -> Table:
    raise DataError(f"{source}: its numbers are no text, so that --decimal has no meaning; leave it out")


def extension_of(name: str) -> str | None:
    """The known extension a file name ends in, ``None`` for others."""
    return next((extension for extension in READERS if name.lower().endswith(extension)), None)


def any_extension(name: str) -> str | None:
    """The known extension a file name ends in, also one of the further formats, ``None`` for others."""
    return extension_of(name) or next((extension for extension in FURTHER if name.lower().endswith(extension)), None)


def reader_of(extension: str) -> Callable[[bytes, str], Table]:
    """What reads the files of a known extension."""
    return READERS.get(extension) or FURTHER[extension]


def _read_parquet(data: bytes, source: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    allowed = largest_unpacked(len(data))
    try:
        facts = pyarrow.parquet.read_metadata(pyarrow.BufferReader(data))
        packed = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
        if max(packed, 8 * facts.num_rows * facts.num_columns) > allowed:
            raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
        whole = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
        whole.validate(full=True)  # text that is not UTF-8 would fail wherever it is looked at
        frame = whole.to_pandas(split_blocks=True)  # a block of all columns would be one more copy
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{source}: not a sound Parquet file, or cut off ({first_line(error)})") from error
    except Exception as error:  # what pandas wrote about its columns is not checked when read, and fails anywhere
        raise DataError(
            f"{source}: the pandas metadata of the Parquet file is damaged ({type(error).__name__}: "
            f"{first_line(error)}); write the file again"
        ) from error
    if frame.columns.nlevels > 1:
        frame = index_as_columns(one_level(frame, source), "date")
        return Table.of(source, frame, layout=LEVELS, notices=(ABOUT_LEVELS,))
    return Table.of(source, index_as_columns(frame, "date"))


READERS: dict[str, Callable[[bytes, str], Table]] = {
    ".json": read_json,
    ".csv": read_csv,
    ".csv.gz": read_gzip,
    ".parquet": _read_parquet,
}
"""ending of a file's name: the function that makes a table of its bytes and its path, which messages begin with"""


def _read_zip(data: bytes, source: str) -> Table:
    name, content = only_member(data, source)
    extension = any_extension(name)
    if extension in (None, ".zip", ".csv.gz"):
        raise DataError(f"{source}: {name!r} in the zip file cannot be read as bars; it should be a .csv or .json file")
    return reader_of(extension)(content, f"{source}/{name}")


FURTHER: dict[str, Callable[[bytes, str], Table]] = {
    ".feather": read_feather,
    ".zip": _read_zip,
    ".txt": read_csv,
    ".tsv": read_csv,
}
"""formats that are read from a file that is named, and of a folder where it holds none of the others: a note or a
packed copy beside a file of bars is no second one"""

TEXTS: dict[str, Callable[[bytes, str, str], Table]] = {
    ".csv": read_csv,
    ".csv.gz": read_gzip,
    ".txt": read_csv,
    ".tsv": read_csv,
}
"""formats whose numbers are text, read with the mark before their decimals"""
