"""Numbers as people write them: decimal mark, separators between thousands, currency signs, percent, K, M and B."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nextbar.bars.columns import plain
from nextbar.bars.table import UndecidedError
from nextbar.errors import DataError, short

MARKS = {".": ",", ",": "."}
"""Mark before decimals: the mark that stands between thousands beside it."""
MARK_NAMES = {".": "points", ",": "commas"}
NOT_NUMBERS = ("ticker", "<ticker>", "symbol", "unique_id")
"""Names of columns whose values stay text, whatever they look like: 3M is a ticker."""
SAMPLE = 200
"""Values of a text column that decide whether it is a column of numbers."""

_CURRENCY = r"[$€£¥]|USD|EUR|GBP|JPY|CHF"
_GAPS = "'’ \u00a0\u202f"
"""Separators between thousands beside either mark."""
_UNITS = {
    "k": (3, "thousands"),
    "m": (6, "millions"),
    "b": (9, "billions"),
    "t": (12, "trillions"),
    "%": (-2, "hundredths"),
}
"""Unit after a number: power of ten that it stands for, and its name."""
_PLAIN = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"
_THREE = r"^\s*[+-]?\d{1,3}\.\d{3}\s*$"


def _pattern(decimal: str) -> str:
    """Pattern of a number with this mark before its decimals."""
    gap, mark = rf"[{re.escape(MARKS[decimal])}{_GAPS}]", re.escape(decimal)
    digits = rf"(?:[1-9]\d{{0,2}}(?:{gap}\d{{3}})+|\d+)(?:{mark}\d*)?|{mark}\d+"
    currency = rf"\s*(?:{_CURRENCY})?\s*"
    return rf"^\s*[+-]?{currency}[+-]?(?:{digits})(?:[eE][+-]?\d+|\s?[kKmMbBtT%])?{currency}$"


PATTERNS = {decimal: _pattern(decimal) for decimal in MARKS}


@dataclass(frozen=True)
class _Column:
    """A text column that holds numbers."""

    text: pa.Array
    empty_N: np.ndarray
    matches: Mapping[str, np.ndarray]
    """bool (N,): values that are numbers, by mark before decimals."""

    @classmethod
    def of(cls, values: pd.Series, marks: tuple[str, ...]) -> _Column:
        text = _text(values)
        return cls(text, text.is_null().to_numpy(zero_copy_only=False), {m: _like(text, PATTERNS[m]) for m in marks})


def as_numbers(
    frame: pd.DataFrame,
    source: str,
    decimal: str | None = None,
    as_text: Callable[[], pd.DataFrame] | None = None,
    local: bool = False,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame with its text columns of numbers as numbers, and phrases about how they were read.

    All columns have one mark before decimals: the one with which every value is a number. A value that is no number
    with that mark stays text.

    Args:
        frame: as parsed, numbers of the form 1234.5 already numbers.
        source: the path, which messages begin with.
        decimal: the mark before decimals; None: by the values.
        as_text: the same frame with all values as text; None: there is none.
        local: numbers of the form 1.234 may be thousands, as in files separated by semicolons.

    Raises:
        UndecidedError: numbers such as 1,234 that either mark could stand in.
        DataError: columns of a frame that were parsed with another mark than the text has.
    """
    texts = [at for at in range(frame.shape[1]) if _is_text_of_numbers(frame, at)]
    floats = [at for at in range(frame.shape[1]) if frame.iloc[:, at].dtype.kind == "f"]
    if not texts and decimal != "," and not (local and decimal is None and _may_be_thousands(frame, floats)):
        return frame, ()
    fractions = [at for at in floats if (frame.iloc[:, at].to_numpy() % 1 > 0).any()]
    whole = frame if as_text is None else as_text()
    at_all = texts if as_text is None else sorted({*texts, *fractions})
    columns = {at: _Column.of(whole.iloc[:, at], tuple(MARKS) if decimal is None else (decimal,)) for at in at_all}
    mark = decimal or _mark(columns.values(), bool(fractions) and as_text is None, source)
    if mark == "," and as_text is None and fractions:
        raise DataError(
            f"{source}: column {frame.columns[fractions[0]]} was parsed with points before decimals, but other columns "
            "have commas; read all of them with decimal=','"
        )
    changed, phrases = frame.copy(), dict[str, None]()
    for at, column in columns.items():
        if at in texts or mark == ",":
            numbers_N, used = _values(column, mark)
            is_text_N = ~column.matches[mark] & ~column.empty_N
            values = numbers_N.astype(object) if is_text_N.any() else numbers_N
            values[is_text_N] = whole.iloc[:, at].to_numpy()[is_text_N]
            changed.isetitem(at, values)
            phrases |= dict.fromkeys(used)
    return changed, tuple(phrases)


def _is_text_of_numbers(frame: pd.DataFrame, at: int) -> bool:
    """Whether a text column holds numbers, as far as a sample shows, and one of them is not of the form 1234.5."""
    column = frame.iloc[:, at]
    if column.dtype.kind in "iufbcMm" or plain(frame.columns[at]) in NOT_NUMBERS or not len(column):
        return False
    text = _text(column)
    rows = np.flatnonzero(~text.is_null().to_numpy(zero_copy_only=False))
    if not len(rows):
        return False
    sample = text.take(pa.array(rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLE).astype(int))]))
    if 2 * _is_number(sample).sum() < len(sample):
        return False
    return bool((_is_number(text) & ~_like(text, _PLAIN)).any())


def _may_be_thousands(frame: pd.DataFrame, floats: list[int]) -> bool:
    """Whether all fractions have three digits at most and belong to numbers below 1,000: 1.234 may be thousands."""
    values = [frame.iloc[:, at].dropna().to_numpy() for at in floats]
    fractions = [column[column % 1 > 0] for column in values]
    return any(map(len, fractions)) and all(
        (np.abs(column) < 1000).all() and (np.abs(column * 1000 - np.rint(column * 1000)) < 1e-6).all()
        for column in fractions
    )


def _mark(columns: Collection[_Column], has_fractions: bool, source: str) -> str:
    """The mark before decimals with which every value of the columns is a number, or most are.

    Raises:
        UndecidedError: it may be either, and the numbers differ.
    """
    counts = {mark: sum(int(column.matches[mark].sum()) for column in columns) for mark in MARKS}
    if has_fractions and counts["."] >= counts[","]:
        return "."  # somebody parsed the other columns with points
    if counts["."] != counts[","]:
        return max(counts, key=lambda mark: counts[mark])
    for column in columns:
        readings = {mark: _values(column, mark)[0] for mark in MARKS}
        differ = np.flatnonzero((readings["."] != readings[","]) & column.matches["."] & column.matches[","])
        if len(differ):
            at = int(differ[0])
            raise UndecidedError(
                f"{source}: {short(column.text[at].as_py().strip())} is {readings['.'][at]:.10g} with decimals after "
                f"points or {readings[','][at]:.10g} with decimals after commas? No number of the file leaves only one "
                "of them. Say --decimal . or --decimal , (nextbar data import FILE --decimal , --to DIR)"
            )
    return "."


def _values(column: _Column, mark: str) -> tuple[np.ndarray, list[str]]:
    """float64 (N,): values, NaN for what is no number with this mark, and phrases about how they were read."""
    text = pc.if_else(pa.array(column.matches[mark]), column.text, None)
    phrases = []

    def without(pattern: str, replacement: str, phrase: str) -> None:
        nonlocal text
        if _like(text, pattern).any():
            text = pc.replace_substring_regex(text, pattern, replacement)
            if phrase:
                phrases.append(phrase)

    signs = {sign: None for sign in re.findall(_CURRENCY, _joined(text))}
    without(rf"\s*(?:{_CURRENCY})\s*", "", f"{', '.join(signs)} left out")
    without(re.escape(MARKS[mark]), "", f"{MARK_NAMES[MARKS[mark]]} between thousands")
    without(r"^\s+|\s+$", "", "")
    without(rf"(\d)[{_GAPS}](\d{{3}})", r"\1\2", "gaps between thousands")
    without(rf"(\d)[{_GAPS}](\d{{3}})", r"\1\2", "")
    if mark == ",":
        without(",", ".", "decimals after commas")
    for unit, (power, word) in _UNITS.items():
        without(rf"(?i)\s?{unit}$", f"e{power}", f"{unit.upper()} as {word}")
    return pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan, copy=True), phrases


def _joined(text: pa.Array) -> str:
    """A few values that hold a sign of a currency, as one text."""
    has_sign = pc.match_substring_regex(text, _CURRENCY)
    return " ".join(text.filter(pc.fill_null(has_sign, False)).slice(0, SAMPLE).to_pylist())


def _text(values: pd.Series) -> pa.Array:
    if values.dtype == object:
        values = values.map(lambda value: None if value is None or value is pd.NA else str(value), na_action="ignore")
    return pa.array(values, pa.string(), from_pandas=True)


def _is_number(text: pa.Array) -> np.ndarray:
    """bool (N,): values that are numbers with either mark."""
    return np.logical_or(*(_like(text, pattern) for pattern in PATTERNS.values()))


def _like(text: pa.Array, pattern: str) -> np.ndarray:
    """bool (N,): values that match a pattern."""
    return pc.fill_null(pc.match_substring_regex(text, pattern), False).to_numpy(zero_copy_only=False)
