"""Lines after the last bar of a text file, such as a total, a source or a disclaimer."""

from __future__ import annotations

import re

from nextbar.bars.columns import plain
from nextbar.bars.dialect import fields

MOST_LINES = 20
LOOKED_AT = 1 << 14
"""Bytes at the end of a file in which such lines are looked for."""
SUMMARIES = ("total", "sum", "average", "mean", "avg", "minimum", "maximum", "min", "max", "count", "change", "summe",
             "gesamt", "mittelwert", "durchschnitt")  # fmt: skip
"""First words of lines that sum up numbers."""

_EMPTY = ("nan", "nat", "null", "none", "")
_BEGINS = re.compile(r"""["']?\s*(?:[^\W\d_]|[*©#(\[<–—-])""")
_VALUE = re.compile(r"\s*[^\w\s]?\s*[+-]?\d[\d.,'’ \u00a0]*(?:[eE][+-]?\d+)?\s*\S{0,3}\s*")
_DATE = re.compile(r"\W*[A-Za-z]{3,9}\.? \d{1,2},? \d{4}")


def without_footer(data: bytes, bar: str, names: str, separator: str) -> tuple[bytes, list[str]]:
    """The bytes of a text file without the lines after its last bar, and these lines.

    Such a line begins with text, is no date, and has at most half as many numbers as a bar, or begins with the word for
    a sum.

    Args:
        data: the file in UTF-8.
        bar: the line of its first bar.
        names: the line of its names of columns; empty: there is none.
        separator: between its fields.
    """
    begin = max(len(data) - LOOKED_AT, 0)
    if begin:
        begin = data.find(b"\n", begin) + 1
    end, lines = len(data), list[str]()
    begins_with_text = bool(_BEGINS.match(bar)) and not _DATE.match(bar)
    numbers = _numbers(bar, separator)
    first_name = _first(names, separator)
    if not numbers:  # there is no bar to compare lines with
        return data, []
    for raw in reversed(data[begin:].splitlines(keepends=True)):
        line = raw.decode(errors="replace").strip()
        if line.strip(f"{separator} \t"):
            first = _first(line, separator)
            is_sum = not begins_with_text and first.partition(" ")[0].strip(".:") in SUMMARIES
            is_text = _BEGINS.match(line) and not _DATE.match(line) and first not in (first_name, *_EMPTY)
            if len(lines) == MOST_LINES or not is_text or not (is_sum or 2 * _numbers(line, separator) <= numbers):
                break
            lines.insert(0, line)
        end -= len(raw)
    return (data[:end], lines) if lines else (data, [])


def _first(line: str, separator: str) -> str:
    return plain((fields(line, separator) or [""])[0])


def _numbers(line: str, separator: str) -> int:
    """Fields after the first that are numbers."""
    return sum(bool(_VALUE.fullmatch(field)) for field in fields(line, separator)[1:])
