"""Forms of dates that are neither ISO 8601 nor numbers: the one form that a whole column leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from nextbar.bars.columns import ALIASES, plain
from nextbar.bars.dates import form_of_digits, read_dates
from nextbar.bars.table import Table, UndecidedError


class DayForm(NamedTuple):
    """One way to write a day."""

    pattern: str
    form: str
    """As of strptime."""
    words: str


def _numeric() -> Iterator[DayForm]:
    for mark in ("/", r"\.", "-"):
        sign = mark[-1]
        for pattern, form, words in (
            (r"\d{1,2}~\d{1,2}~\d{4}", "%d~%m~%Y", "day first"),
            (r"\d{1,2}~\d{1,2}~\d{4}", "%m~%d~%Y", "month first"),
            (r"\d{4}~\d{1,2}~\d{1,2}", "%Y~%m~%d", "year first"),
            (r"\d{1,2}~\d{1,2}~\d{2}", "%d~%m~%y", "day first"),
            (r"\d{1,2}~\d{1,2}~\d{2}", "%m~%d~%y", "month first"),
            (r"\d{1,2}~\d{1,2}~\d{2}", "%y~%m~%d", "year first"),
        ):
            yield DayForm(pattern.replace("~", mark), form.replace("~", sign), words)


DAYS: tuple[DayForm, ...] = (
    *_numeric(),
    DayForm(r"[A-Z][a-z]{2} \d{1,2}, \d{4}", "%b %d, %Y", "with names of months"),
    DayForm(r"[A-Z][a-z]{3,} \d{1,2}, \d{4}", "%B %d, %Y", "with names of months"),
    DayForm(r"\d{1,2} [A-Z][a-z]{2} \d{4}", "%d %b %Y", "with names of months"),
    DayForm(r"\d{1,2}-[A-Za-z]{3}-\d{4}", "%d-%b-%Y", "with names of months"),
    DayForm(r"\d{1,2}-[A-Za-z]{3}-\d{2}", "%d-%b-%y", "with names of months"),
    DayForm(r"\d{4}-\d{2}", "%Y-%m", "as months"),
    DayForm(r"\d{8}", "%Y%m%d", "as digits"),
)
TIMES: dict[str, str] = {
    "": "",
    r"\d{1,2}:\d{2}": "%H:%M",
    r"\d{1,2}:\d{2}:\d{2}": "%H:%M:%S",
    r"\d{1,2}:\d{2}:\d{2}\.\d+": "%H:%M:%S.%f",
    r"\d{1,2}:\d{2} [AaPp][Mm]": "%I:%M %p",
    r"\d{1,2}:\d{2}[AaPp][Mm]": "%I:%M%p",
    r"\d{1,2}:\d{2}:\d{2} [AaPp][Mm]": "%I:%M:%S %p",
    r"\d{1,2}:\d{2}:\d{2}[AaPp][Mm]": "%I:%M:%S%p",
    r"\d{4}": "%H%M",
    r"\d{5,6}": "%H%M%S",
}
"""Pattern of a time of day: its form, as of strptime."""
GAPS = (" ", "T", ", ")
"""What stands between day and time."""
LEAST = 0.9
"""Share of the rows that a form must be right for where none is right for all."""

_ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}(?:$|[T\s](?!.*[AaPp][Mm]\s*$)).*")


def with_dates(table: Table, column: str | None = None) -> Table:
    """The table with dates of another form than ISO 8601 as datetimes, where the column leaves one form.

    Args:
        table: under the names here.
        column: name of the column of dates; None: any of those that a date may have.

    Raises:
        UndecidedError: several forms are right for the whole column, and they are different dates.
    """
    names = [plain(name) for name in table.frame.columns]
    aliases = ALIASES["date"] if column is None else (plain(column),)
    at = next((names.index(alias) for alias in aliases if alias in names), None)
    if at is None:
        return table
    dates = table.frame.iloc[:, at]
    filled = np.flatnonzero(dates.notna().to_numpy())
    if not len(filled):
        return table
    if dates.dtype.kind in "iuf":
        return _with_digits(table, at)
    if dates.dtype.kind != "O":
        return table
    sample = [dates.iloc[int(row)] for row in filled[[0, len(filled) // 2, -1]]]
    if not all(isinstance(value, str) for value in sample):
        return table
    if all(_ISO.fullmatch(value) for value in sample):
        return table
    readings = _readings(dates, sample)
    if not readings:
        return table
    day = _only(table, dates, readings)
    if day is None:
        return table
    parsed = readings[day]
    frame = table.frame.copy()
    whole = parsed.notna() | dates.isna()
    frame.isetitem(at, (parsed if whole.all() else parsed.astype("str").where(parsed.notna(), dates)).array)
    return table.assuming(f"dates {day.words} ({day.form})", frame)


def _with_digits(table: Table, at: int) -> Table:
    """The table with numbers such as 202401311300 as datetimes, and said; days such as 20240131 are usual."""
    column = table.frame.iloc[:, at]
    form = form_of_digits(float(column.median()))
    if form is None or form == "%Y%m%d":
        return table
    dates = read_dates(column)
    if not dates.local or not dates.good_N.all():
        return table
    frame = table.frame.copy()
    frame.isetitem(at, pd.Series(pd.to_datetime(dates.seconds_N, unit="s")).array)
    return table.assuming(f"dates as digits ({form})", frame)


def _readings(dates: pd.Series, sample: list[str]) -> dict[DayForm, pd.Series]:
    """Datetimes of a column in each form that a value of the sample has; NaT for values that have another form."""
    readings: dict[DayForm, pd.Series] = {}
    forms = dict.fromkeys(form for value in sample for form in _forms(value.strip()))
    text = dates.str.strip()
    for day, time in [*forms, *((day, "") for day, _ in forms)]:  # spreadsheets write midnight without a clock
        left = text if day not in readings else text.where(readings[day].isna())
        if day not in readings or left.notna().any():
            parsed = pd.to_datetime(left, format=day.form + time, errors="coerce")
            readings[day] = readings[day].fillna(parsed) if day in readings else parsed
    return readings


def _forms(value: str) -> Iterator[tuple[DayForm, str]]:
    """The forms that a value has: of its day, and of what follows the day."""
    for day in DAYS:
        for pattern, time in TIMES.items():
            for gap in GAPS if pattern else ("",):
                if re.fullmatch(f"{day.pattern}{gap}{pattern}", value):
                    yield day, gap + time


def _only(table: Table, dates: pd.Series, readings: dict[DayForm, pd.Series]) -> DayForm | None:
    """The form in which a whole column is dates, or nearly, where no other form is as good; None where none is.

    Raises:
        UndecidedError: several forms are as good, and they are different dates.
    """
    counts = {day: int(parsed.notna().sum()) for day, parsed in readings.items()}
    best = max(counts.values())
    first, *others = [day for day, count in counts.items() if count == best]
    if best < LEAST * dates.notna().sum():
        return None
    for other in others:
        differ = (readings[first] != readings[other]) & readings[first].notna() & readings[other].notna()
        if differ.any():
            row = int(np.argmax(differ.to_numpy()))
            raise _question(table, str(dates.iloc[row]).strip(), row, {day: readings[day] for day in (first, *others)})
    return first


def _question(table: Table, value: str, row: int, readings: dict[DayForm, pd.Series]) -> UndecidedError:
    """The error that several forms are right for all dates of a table, with what each makes of one of them."""
    words = " or ".join(day.words for day in readings)
    never = "a first number above 12" if len(readings) == 2 else "a number that only one of them allows"
    shown = ", ".join(f"{day.form} reads {parsed.iloc[row]:%Y-%m-%d}" for day, parsed in readings.items())
    return UndecidedError(
        f"{table.source}: date {value}: {words}? The file never has {never}. Say --date-format: {shown} "
        "(nextbar data import FILE --date-format FORM --to DIR)"
    )
