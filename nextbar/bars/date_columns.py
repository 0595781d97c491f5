"""Columns of dates: finds them, joins days and clocks, reads other forms, and reports two that disagree."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nextbar.bars.columns import ALIASES, plain
from nextbar.bars.dates import read_dates
from nextbar.bars.table import Table
from nextbar.errors import ConfigError

KEEP = "keep the one that says when a bar opens"
CLOCK = r"\s*\d{1,2}:\d{2}(?::\d{2}(?:\.0+)?)?\s*"
"""a time of day"""


def date_columns(table: Table) -> list[int]:
    """Places of the columns that are called as dates are, that which is read first."""
    names = [plain(name) for name in table.frame.columns]
    return [names.index(alias) for alias in ALIASES["date"] if alias in names]


def disagreement(table: Table, column: int, other_column: int) -> str:
    """A sentence about two columns that are dates, where they are not of the same instants; else empty."""
    first, second = (read_dates(table.frame.iloc[:, at].reset_index(drop=True)) for at in (column, other_column))
    differ_N = (first.seconds_N != second.seconds_N) & first.good_N & second.good_N
    if not differ_N.any():
        return ""
    row = int(np.argmax(differ_N))
    values = [f"{table.frame.columns[at]!s} {table.frame.iloc[row, at]!s}" for at in (column, other_column)]
    return (
        f"two columns of dates disagree in {differ_N.sum():,} of {len(table):,} rows, first in {table.row(row)}: "
        f"{' and '.join(values)}"
    )


def further_dates(table: Table) -> list[str]:
    """Sentences about further columns that are all dates, and others than those that are read."""
    first, *others = date_columns(table) or [0]
    dates = [at for at in others if read_dates(table.frame.iloc[:, at].reset_index(drop=True)).good_N.all()]
    return [sentence for sentence in (disagreement(table, first, at) for at in dates) if sentence]


def clocked(frame: pd.DataFrame, names: Sequence[str]) -> bool:
    """Whether days repeat beside a column of clock times."""
    if names.count("date") != 1 or names.count("time") != 1:
        return False
    clock = frame.iloc[:, names.index("time")].astype("str")
    days = frame.iloc[:, names.index("date")]
    return bool(days.duplicated().any()) and bool(clock.str.fullmatch(CLOCK).all())


def joined(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with day and clock as one date."""
    day = frame["day"].astype("str").str.strip()
    day = day.str.replace(r"^(\d{4})[./](\d{2})[./](\d{2})$", r"\1-\2-\3", regex=True)
    day = day.str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True)
    if "clock" in frame:
        clock = frame["clock"].astype("str").str.strip()
        digits = clock.str.fullmatch(r"\d{1,6}")
        full = clock.str.zfill(6)
        clock = clock.where(~digits, full.str[:2] + ":" + full.str[2:4] + ":" + full.str[4:])
        day = day + " " + clock
    return frame.drop(columns=["day", "clock"], errors="ignore").assign(date=day)


def dated(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    """The frame with dates of another form as datetimes; those that are not of it stay as they are."""
    names = [plain(name) for name in frame.columns]
    at = next((names.index(alias) for alias in ALIASES["date"] if alias in names), None)
    if at is None:
        return frame
    text = frame.iloc[:, at].astype("str")
    parsed = in_form(text, form)
    whole = parsed.notna()
    frame = frame.copy()
    frame.isetitem(at, (parsed if whole.all() else parsed.astype("str").where(whole, text)).array)
    return frame


def in_form(text: pd.Series, form: str) -> pd.Series:
    """Datetimes of texts of a form, as of strptime; NaT for others.

    Raises:
        ConfigError: it is no form.
    """
    try:
        return pd.to_datetime(text, format=form, errors="coerce")
    except (ValueError, re.error) as error:
        raise ConfigError(f"date format: found {form!r}, should be as of strptime, such as %d.%m.%Y %H:%M") from error
