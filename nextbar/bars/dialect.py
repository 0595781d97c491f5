"""Dialect of a text table: its separator, what stands before the names, and the number of lines with names."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nextbar.bars.columns import ALIASES, plain

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
        rows = [fields(text, separator) for text in texts]
        return cls(separator, preamble, skipped, _lines_of_names(rows))


def fields(line: str, separator: str) -> list[str]:
    """The fields of a line; none where its quotes do not end."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _separator(texts: Sequence[str]) -> str:
    """A comma where the first line names a date between commas; else what is as often in the next line."""
    if not texts or {plain(name) for name in fields(texts[0], ",")} & set(ALIASES["date"]):
        return ","
    for separator in SEPARATORS:
        counts = {len(fields(text, separator)) for text in texts}
        if min(counts) > 1 and (len(counts) == 1 or texts[0].count(separator) + 1 == len(fields(texts[1], separator))):
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
