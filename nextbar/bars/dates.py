"""Dates, as text, numbers or datetimes, to seconds since the epoch, UTC."""

from __future__ import annotations

import datetime as dt
import math
import re
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nextbar.bars.slots import DAY
from nextbar.config.values import FIRST_YEAR, LAST_YEAR
from nextbar.errors import ConfigError, short

_FIRST = int(dt.datetime(FIRST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp())
_LAST = int(dt.datetime(LAST_YEAR + 1, 1, 1, tzinfo=dt.UTC).timestamp()) - 1

_MILLISECONDS = 1e11
"""from here on a number counts milliseconds: 1973; as seconds it were the year 5138"""
_MICROSECONDS, _NANOSECONDS = 1e14, 1e17
"""and from here on these"""
_MOST = 9e18
"""size of a number that an int64 holds"""
_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Number of digits: form of a calendar time that such a number may be, as of strptime."""
_UNITS = 300
"""ratio of two dates that are numbers of different units; units differ by 1,000"""
EARLY = (1_000_000, 1_000, 1)
"""microseconds by which the last moment of a bar is before its end: a second, a millisecond or a microsecond"""
_FRACTION = (
    "has a fraction of a second; it should be the time the bar opens (if it closes then: nextbar data import --label "
    "close)"
)
_FORMS = "is not a date: ISO 8601 (2024-01-31T13:00:00Z) or epoch seconds or milliseconds"
_ISO = r"^\s*\d{4}-?\d{2}-?\d{2}(?:$|[T\s])"
_SHORT = r"^\s*(\d{1,2})[./-](\d{1,2})[./-]\d{4}(?:\D.*)?$"
_DAY = r"\d{4}-?\d{2}-?\d{2}"
_NUMBER = r"^\s*[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?\s*$"
_WORD = r"\s*(?:UTC|GMT)\s*$"
_ZONE = r"[T\s]\s*\d.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)\s*$"


@dataclass
class Dates:
    """Dates of N rows: ``seconds_N`` int64, good where ``good_N``, and why the others are not."""

    seconds_N: np.ndarray
    good_N: np.ndarray
    mistakes: list[tuple[np.ndarray, str]] = field(default_factory=list)
    local: bool = False
    """whether they say neither a zone nor how long after the epoch: times on a clock, read as UTC"""

    def refuse(self, bad_N: np.ndarray, reason: str) -> None:
        """Count the rows where ``bad_N`` as mistakes, those that are one already excepted."""
        bad_N = bad_N & self.good_N
        if bad_N.any():
            self.mistakes.append((bad_N, reason))
            self.good_N = self.good_N & ~bad_N


def read_dates(column: pd.Series) -> Dates:
    """Seconds of a column of ISO 8601 text, epoch numbers or datetimes.

    Without a zone a date is UTC; zones may differ from row to row, but rows with and without one do not mix.
    Epoch numbers are seconds, milliseconds, microseconds or nanoseconds by the size of their median; whole
    numbers of 8, 12 or 14 digits that are calendar times (20240131, 202401311300, 20240131130000) are those.
    """
    dates, micros = _read(column)
    _refuse_fractions(dates, micros)
    return dates


def _refuse_fractions(dates: Dates, micros: np.ndarray) -> None:
    dates.refuse(dates.seconds_N * 1_000_000 != micros, _FRACTION)


def closing_dates(column: pd.Series, step: int) -> tuple[Dates, np.ndarray]:
    """Dates of a column that says when bars close, and the seconds to add to each, int64 (N,), 0 or 1.

    A bar's last moment is often written for its end: 23:59:59, or 23:59:59.999 and with six digits. Where most rows are
    so, these belong a second later. For the rest as ``read_dates``; a fraction that was a last moment is cut off.

    Args:
        column: as ``read_dates``.
        step: seconds of a bar.
    """
    dates, micros = _read(column)
    unit = math.gcd(step, 60) * 1_000_000
    early_N = (micros % unit != 0) & np.isin(-micros % unit, EARLY)
    if early_N[dates.good_N].sum() * 2 <= dates.good_N.sum():
        early_N[:] = False
    _refuse_fractions(dates, np.where(early_N, dates.seconds_N * 1_000_000, micros))
    return dates, early_N.astype(np.int64)


def _read(column: pd.Series) -> tuple[Dates, np.ndarray]:
    """Dates of a column, and their microseconds since the epoch."""
    n = len(column)
    dates = Dates(np.zeros(n, np.int64), np.ones(n, bool))
    dates.refuse(column.isna().to_numpy(), "is empty")
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        micros = _micros(column)
        dates.local = not isinstance(column.dtype, pd.DatetimeTZDtype)
    elif column.dtype.kind == "m":
        dates.refuse(np.ones(n, bool), "is a duration, not a date")
        micros = np.zeros(n, np.int64)
    elif column.dtype.kind in "iuf":
        micros = _from_numbers(column, dates)
    else:
        text = column.astype("str")
        if (read := _plain_iso(text)) is not None:
            micros, dates.local = read
        elif (_like(text, _NUMBER) & dates.good_N).sum() * 2 > dates.good_N.sum():
            micros = _from_numbers(pd.to_numeric(text, errors="coerce"), dates)
        else:
            micros = _from_text(text, dates)
    dates.seconds_N = micros // 1_000_000
    outside = (dates.seconds_N < _FIRST) | (dates.seconds_N > _LAST)
    dates.refuse(outside, f"is outside of the years {FIRST_YEAR} to {LAST_YEAR}")
    return dates, micros


def _micros(column: pd.Series) -> np.ndarray:
    """Microseconds of a datetime column; where it is empty any number."""
    if column.dt.tz is not None:
        column = column.dt.tz_convert(None)
    return column.to_numpy().astype("datetime64[us]", copy=False).view(np.int64)


def _from_text(text: pd.Series, dates: Dates) -> np.ndarray:
    if _like(text, _WORD).any():
        text = text.str.replace(_WORD, "Z", regex=True)
    _refuse_day_or_month_first(text, dates)
    dates.refuse(~_like(text, _ISO), _FORMS)
    parsed = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    dates.refuse(parsed.isna().to_numpy(), _FORMS)
    zoned = _like(text, _ZONE)
    dates.local = not zoned.any()
    with_zone, without = zoned & dates.good_N, ~zoned & dates.good_N
    if with_zone.any() and without.any():
        if with_zone.sum() < without.sum():
            dates.refuse(with_zone, "has a time zone and other rows have none: give one to all rows or to none")
        else:
            dates.refuse(without, "has no time zone and other rows have one: give one to all rows or to none")
    return _micros(parsed)


def _plain_iso(text: pd.Series) -> tuple[np.ndarray, bool] | None:
    """Microseconds of texts that Arrow itself takes for ISO 8601, and whether none has a zone; else all have."""
    array = pa.array(text, pa.string(), from_pandas=True)
    for zone in ("UTC", None):
        with suppress(pa.ArrowInvalid):
            times = array.cast(pa.timestamp("us", zone)).cast(pa.int64())
            return pc.fill_null(times, 0).to_numpy(zero_copy_only=False), zone is None
    return None


def _refuse_day_or_month_first(text: pd.Series, dates: Dates) -> None:
    """Refuse dates such as 31.01.2024, saying which comes first as far as the whole column tells."""
    first_N = _like(text, _SHORT) & dates.good_N
    if first_N.sum() * 2 > dates.good_N.sum():
        parts = text[first_N].str.extract(_SHORT).astype(int)
        day, month = parts[0].max() > 12, parts[1].max() > 12
        which = "the day comes first" if day else "the month comes first" if month else "is day or month first?"
        form = "%d.%m.%Y" if day or not month else "%m/%d/%Y"
        reason = f"is not ISO 8601 ({which}): import the file, with nextbar data import --date-format such as {form}"
        dates.refuse(first_N, reason)


def _like(text: pd.Series, pattern: str) -> np.ndarray:
    """bool (N,): texts that match a pattern. By Arrow's own matcher: pandas may fall back to one call a row."""
    matches = pc.match_substring_regex(pa.array(text, pa.string(), from_pandas=True), pattern)
    return pc.fill_null(matches, False).to_numpy(zero_copy_only=False)


def _from_numbers(numbers: pd.Series, dates: Dates) -> np.ndarray:
    """Microseconds of numbers: of calendar times such as 20240131, or of what they count since the epoch."""
    values = numbers.to_numpy()
    with np.errstate(invalid="ignore"):
        dates.refuse(~np.isfinite(values) | (np.abs(values) > _MOST), _FORMS)
    if not dates.good_N.any():
        return np.zeros(len(values), np.int64)
    amounts = np.where(dates.good_N, values, 0).astype(np.float64)
    middle = float(np.median(np.abs(amounts[dates.good_N])))
    times = _from_digits(amounts, middle, dates.good_N)
    if times is not None:
        dates.refuse(times.isna().to_numpy(), _FORMS)
        dates.local = True
        return _micros(times)
    dates.refuse(_other_unit(np.abs(amounts), middle), "counts in another unit than the other rows")
    return _since_epoch_from_numbers(values, middle, dates)


def form_of_digits(number: float) -> str | None:
    """Form of the calendar time that a number such as 20240131 or 202401311300 may be; None: it is none by its size."""
    digits = len(str(int(number))) if number < _MOST else 0
    form = _DIGITS.get(digits)
    if form is None or digits == 8:
        return form
    return form if FIRST_YEAR <= int(number) // 10 ** (digits - 4) <= LAST_YEAR else None


def _from_digits(amounts: np.ndarray, middle: float, good_N: np.ndarray) -> pd.Series | None:
    """Calendar times that numbers such as 20240131 write down, NaT for others; None where they are no such numbers.

    A number of twelve digits could be milliseconds of 1976 too: where nine in ten of them have a month, a day, an hour
    and a minute, they are those.
    """
    form = form_of_digits(middle)
    if form is None:
        return None
    text = pd.Series(np.where(amounts % 1 == 0, amounts, 0).astype(np.int64)).astype("str")
    times = pd.to_datetime(text, format=form, errors="coerce")
    return times if times[good_N].notna().mean() > 0.9 else None


def _since_epoch_from_numbers(values: np.ndarray, middle: float, dates: Dates) -> np.ndarray:
    """Microseconds of numbers that count since the epoch, in the unit that their median tells."""
    whole = np.where(dates.good_N, values, 0)
    if middle >= _NANOSECONDS:
        return (whole // 1_000).astype(np.int64)
    if middle >= _MICROSECONDS:
        return (whole // 1).astype(np.int64)
    scale = 1_000 if middle >= _MILLISECONDS else 1_000_000
    dates.refuse(np.abs(whole) > _MOST / scale, f"is outside of the years {FIRST_YEAR} to {LAST_YEAR}")
    whole = np.where(dates.good_N, whole, 0)
    return np.rint(whole * scale).astype(np.int64)


def _other_unit(amounts: np.ndarray, middle: float) -> np.ndarray:
    """bool (N,): numbers far below the median, where some follow one another that differ like two units of time.

    Dates alone do not: a series that begins in 1970 has small numbers, but rises to the others step by step. Numbers
    far above the median are outside of the years.
    """
    before, after = amounts[:-1], amounts[1:]
    ratio = np.maximum(before, after) / np.maximum(np.minimum(before, after), 1)
    if not ((ratio > _UNITS) & (np.minimum(before, after) > 0)).any():
        return np.zeros(len(amounts), bool)
    return (amounts > 0) & (amounts < middle / _UNITS)


def instant(value: object, *, end: bool = False) -> int:
    """The second since the epoch of a date that a user wrote, in any form that a column of dates may have.

    A day without a time is its beginning, and with ``end`` its end. A whole number below 1e11 counts seconds,
    and is never a day such as 20240131: programs count so.

    Raises:
        ConfigError: it is no date.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and abs(int(value)) < _MILLISECONDS:
        return int(value)
    text = str(value).strip()
    dates, _ = _read(pd.Series([text]))
    if not dates.good_N[0]:
        raise ConfigError(f"found {short(value)}, which {dates.mistakes[0][1]}")
    return int(dates.seconds_N[0]) + (DAY if end and re.fullmatch(_DAY, text) else 0)


def iso(time: int) -> str:
    """A second since the epoch as ISO 8601 text, UTC."""
    return f"{np.datetime64(int(time), 's')}Z"


def from_iso(text: str) -> int:
    """Inverse of ``iso``; ValueError where it is not."""
    return int(dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp())  # NumPy takes "" and "now" as well
