"""Dialect of a text table: its separator, what stands before the names, and the number of lines with names."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nextbar.bars.columns import ALIASES, plain
from nextbar.errors import DataError

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""what may separate fields where commas do not, and its name"""
LOOKED_AT = 5
"""written lines that tell how a table is written"""
LEAST = 4
"""fields of a line without names: a date and prices"""

_ADDRESS = re.compile(r"\s*\"?(?:https?://|www\.)\S+\s*$")
_VALUE = re.compile(
    r"\s*[\"']?(?:[+-]?[\d.,]*\d(?:[eE][+-]?\d+)?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|\d{8} \d+|[\d:]+)?[\"']?\s*"
)
_COMMA = r"^\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?\s*$"
_WITH_COMMA = r"\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?(?:[eE][+-]?\d+)?\s*"
_POINT = r"^\s*[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)\.\d+\s*$"
_EITHER = r"^\s*[+-]?\d{1,3},\d{3}\s*$"


@dataclass(frozen=True)
class Dialect:
    """How a text table is written; by default with commas and one line of names, and nothing before it."""

    separator: str = ","
    preamble: str = ""
    """a line before the names, where it is an address"""
    skipped: int = 0
    """lines before the names"""
    names: int = 1
    """lines of names"""

    @classmethod
    def of(cls, lines: Sequence[tuple[int, str]]) -> Dialect:
        """The dialect that the first written lines speak, given with how many lines stand before each."""
        preamble = lines[0][1].strip() if len(lines) > 1 and _ADDRESS.match(lines[0][1]) else ""
        rest = lines[1:] if preamble else lines
        skipped = rest[0][0] if rest else 0
        texts = [text for _, text in rest]
        separator = _separator(texts)
        rows = [_fields(text, separator) for text in texts]
        return cls(separator, preamble, skipped, _lines_of_names(rows))


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _separator(texts: Sequence[str]) -> str:
    """A comma where the first line names a date between commas; else what is as often in the next line."""
    if not texts or {plain(name) for name in _fields(texts[0], ",")} & set(ALIASES["date"]):
        return ","
    for separator in SEPARATORS:
        counts = {len(_fields(text, separator)) for text in texts}
        if min(counts) > 1 and (len(counts) == 1 or texts[0].count(separator) + 1 == len(_fields(texts[1], separator))):
            return separator
    return ","


def _lines_of_names(rows: Sequence[Sequence[str]]) -> int:
    """3 or 2 where names of quantities and tickers stand in lines of their own, as yfinance writes; 0 without names."""
    first = rows[0] if rows else []
    if len(first) >= LEAST and all(_VALUE.fullmatch(field) for field in first) and any(first):
        return 0
    if len(rows) > 2 and len(first) > 1 and {plain(rows[0][0]), plain(rows[1][0])} == {"price", "ticker"}:
        return 3
    second = rows[1] if len(rows) > 2 else []
    if plain(first[0] if first else "") in ALIASES["date"] and len(second) == len(first) and not second[0]:
        tickers = set(second[1:])
        if "" not in tickers and len(tickers) < len(first) and not any(_VALUE.fullmatch(name) for name in tickers):
            return 2
    return 1


def with_points(frame: pd.DataFrame, decimal: str | None, source: str) -> pd.DataFrame:
    """The table with numbers such as 1.234,56 as numbers, where it has such.

    Args:
        decimal: the mark before the decimals, of a table that is all text; None: by what the numbers look like.

    Raises:
        DataError: 1,234 alone, which may be either.
    """
    if decimal == ".":
        return frame
    texts = {at: frame.iloc[:, at] for at in range(frame.shape[1]) if frame.iloc[:, at].dtype.kind not in "iufbM"}
    commas = {at: text for at, text in texts.items() if _count(text, _COMMA)}
    if decimal is None:
        if not commas or _has_points(frame, texts):
            return frame  # commas between thousands are told as they are
        if all(_count(text, _EITHER) == _count(text, _COMMA) for text in commas.values()):
            example = next(text[text.astype("str").str.contains(",")] for text in commas.values()).iloc[0]
            raise DataError(
                f"{source}: {str(example)[:40]!r} has either decimals or thousands after its comma; say which: nextbar "
                "data import --decimal , (decimals) or --decimal . (thousands, which are then refused)"
            )
    changed = frame.copy()
    for at, text in (commas if decimal is None else texts).items():
        plain_text = text.astype("str").where(text.notna(), "")
        whole = plain_text.str.fullmatch(_WITH_COMMA).to_numpy(bool)
        numbers = plain_text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        values = pd.to_numeric(numbers.where(whole, None), errors="coerce")
        kept = values if (whole | text.isna()).all() else values.astype(object).where(whole, text)
        changed.isetitem(at, kept.to_numpy())
    return changed


def _has_points(frame: pd.DataFrame, texts: Mapping[int, pd.Series]) -> bool:
    """Whether there are numbers with decimals after a point."""
    floats = [frame.iloc[:, at] for at in range(frame.shape[1]) if frame.iloc[:, at].dtype.kind == "f"]
    return any(_count(text, _POINT) for text in texts.values()) or any((column % 1 > 0).any() for column in floats)


def _count(text: pd.Series, pattern: str) -> int:
    """Values that match a pattern."""
    matches = pc.match_substring_regex(pa.array(text.astype("str"), pa.string(), from_pandas=True), pattern)
    return int(pc.sum(matches).as_py() or 0)
