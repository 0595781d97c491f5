"""JSON files and records to tables."""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd

from nextbar.bars.bounds import MOST_COLUMNS
from nextbar.bars.services import unwrapped
from nextbar.bars.table import Table
from nextbar.errors import DataError


def read_json(data: bytes, source: str) -> Table:
    """The table in the bytes of a JSON file.

    Raises:
        DataError: they are no JSON, or hold no records.
    """
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
    return records_table(records, source)


def records_table(content: object, source: str) -> Table:
    """The table of records: an array of objects or of arrays, or an object that holds one as services answer.

    Raises:
        DataError: it is none of these.
    """
    records, notices = unwrapped(content)
    if not isinstance(records, list):
        raise DataError(f"{source}: found one {_json_word(records)}, should be an array of objects, one a bar")
    if not records:
        raise DataError(f"{source}: the file is empty: an array without a record")
    if isinstance(records[0], (list, tuple)):
        return Table.of(source, _of_lists(records, source), notices=notices)
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{source}: record {number} is {_json_word(record)}, should be an object such as "
                '{"date": "2024-01-31T13:00:00Z", "open": 1.0, ...}'
            )
    names = len(set().union(*records))
    if names > MOST_COLUMNS:
        raise DataError(f"{source}: {names:,} names of columns, should be at most {MOST_COLUMNS:,}")
    return Table.of(source, pd.DataFrame.from_records(records), notices=notices)


def _of_lists(records: list[Any], source: str) -> pd.DataFrame:
    """Records that are arrays of values of one length, as numbered columns."""
    width = len(records[0])
    if width > MOST_COLUMNS:
        raise DataError(f"{source}: {width:,} values in a record, should be at most {MOST_COLUMNS:,}")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, (list, tuple)) or len(record) != width:
            raise DataError(
                f"{source}: record {number} is {_json_word(record)}, should be an array of {width} values as the first"
            )
        if any(isinstance(value, (list, tuple, dict)) for value in record):
            raise DataError(f"{source}: record {number} holds an array or object, should hold a date and numbers")
    return pd.DataFrame(records, columns=range(width))


def _json_word(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "true/false", type(None): "null"}
    return kinds.get(type(value), "number")
