"""Dates of a column: each spelling, each unit at the numbers where it begins, and what is no date."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nextbar.bars import dates
from nextbar.bars.dates import closing_dates, from_iso, instant, iso, read_dates
from nextbar.config.values import FIRST_YEAR, LAST_YEAR

MOMENT = dt.datetime(2024, 1, 31, 13, tzinfo=dt.UTC)
SECOND = int(MOMENT.timestamp())
NO_DATE = "is not a date: ISO 8601 (2024-01-31T13:00:00Z) or epoch seconds or milliseconds"
OUTSIDE = f"is outside of the years {FIRST_YEAR} to {LAST_YEAR}"
FRACTION = (
    "has a fraction of a second; it should be the time the bar opens (if it closes then: nextbar data import --label "
    "close)"
)


def seconds(values: Any) -> list[int]:
    dates = read_dates(pd.Series(values))
    assert dates.good_N.all() and dates.good_N.dtype == bool and not dates.mistakes
    assert dates.seconds_N.dtype == np.int64
    return dates.seconds_N.tolist()


def mistakes(values: Any) -> list[str]:
    """What is wrong with each row; empty where nothing is."""
    dates = read_dates(pd.Series(values))
    assert dates.seconds_N.dtype == np.int64
    reasons = [""] * len(values)
    for bad_N, reason in dates.mistakes:
        for row in np.flatnonzero(bad_N):
            assert reasons[row] == ""  # one reason a row
            reasons[row] = reason
    assert [not reason for reason in reasons] == dates.good_N.tolist()
    return reasons


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T13:00:00Z", "2024-01-31 13:00:00", " 2024-01-31T13:00 ", "20240131T130000Z", "2024-01-31T13",
        "2024-01-31 14:00:00+01", "2024-01-31 14:00:00+0100", "2024-01-31T07:30:00-05:30",
        "2024-01-31 13:00:00 UTC", "2024-01-31 13:00 GMT", "2024-01-31T13:00:00.000Z", "1706706000", "1706706000.0",
        "+1706706000", "1.706706e9", " 1706706000000 ",
    ],
)  # fmt: skip
def test_every_spelling_is_one_moment(text: str) -> None:
    assert seconds([text]) == seconds([text, text])[1:] == [SECOND]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T13:00:00Z", "2024-01-31 13:00", "2024-01-31", "20240131", "2024-01-31T13Z", "2024-01-31 13:00:00.5",
        "2024-01-31T13:00:00.0000001Z", "2024-01-31T13:00+0530", "2024-02-30", "2024-01-31T24:00:00", "0001-01-01",
        "2024", "9999-12-31T23:59:59Z", "2024-01-31T23:59:60Z", "2024-01-31t13:00:00Z", "-2024-01-31", "2024-01-31Z",
        "now", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["2024-01-30T12:00:00+01:00", "2024-01-30 12:00:00", None])
def test_what_arrow_reads_as_dates_is_what_all_the_checks_say(
    text: str, beside: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = pd.Series([text or None, beside, text or None], dtype="str")
    short = read_dates(column)
    monkeypatch.setattr(dates, "_plain_iso", lambda text: None)
    long = read_dates(column)
    np.testing.assert_array_equal(short.good_N, long.good_N)
    np.testing.assert_array_equal(short.seconds_N[short.good_N], long.seconds_N[long.good_N])
    assert [reason for _, reason in short.mistakes] == [reason for _, reason in long.mistakes]
    assert short.local == long.local or not long.good_N.any()


def test_zones_may_differ_from_row_to_row() -> None:
    assert seconds(["2024-01-31T13:00:00Z", "2024-01-31T14:00:00+01:00"]) == [SECOND, SECOND]
    local = pd.Series(pd.DatetimeIndex([MOMENT]).tz_convert("Asia/Tokyo"))
    assert seconds(local) == seconds(local.dt.tz_convert("UTC").dt.tz_localize(None)) == [SECOND]


@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("start", [SECOND, 100_000_000])
def test_the_unit_follows_from_the_median(start: int, scale: int, kind: Any) -> None:
    """Of seconds from 1973 on, and of whatever is a thousand times finer."""
    wanted = [start, start + 3600, start + 7200]
    assert seconds([kind(scale * value) for value in wanted]) == wanted


def test_units_begin_at_powers_of_ten() -> None:
    for number, unit in ((10**11, 10**3), (10**14, 10**6), (10**17, 10**9)):
        assert seconds([number]) == [number // unit]
    assert seconds([10**9]) == [10**9]
    for below in (10**11 - 1, 10**14 - 1000, 10**17 - 1_000_000):
        assert mistakes([below]) == [OUTSIDE]  # still in the coarser unit, of the year 5138
    assert seconds([-86_400, 86_400, 3 * 86_400]) == [-86_400, 86_400, 3 * 86_400]  # before the epoch


def test_the_years_have_a_first_and_a_last_second() -> None:
    first = int(dt.datetime(FIRST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp())
    last = int(dt.datetime(LAST_YEAR, 12, 31, 23, 59, 59, tzinfo=dt.UTC).timestamp())
    texts = [f"{FIRST_YEAR}-01-01T00:00:00", f"{LAST_YEAR}-12-31T23:59:59"]
    assert seconds(texts) == [first, last]
    outside = [f"{FIRST_YEAR - 1}-12-31T23:59:59", f"{LAST_YEAR + 1}-01-01T00:00:00"]
    assert mistakes([*texts, *outside]) == ["", "", OUTSIDE, OUTSIDE]


def test_days_are_numbers_of_eight_digits_if_nearly_all_are_calendar_days() -> None:
    days = [20240101 + i for i in range(19)]
    first = int(dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp())
    wanted = [first + 86_400 * i for i in range(19)]
    for kind in (int, float, str):
        assert seconds([kind(day) for day in days]) == wanted
    assert mistakes([*days, 20241301]) == [*19 * [""], NO_DATE]
    assert mistakes([*map(float, days), 20240101.5])[-1] == NO_DATE
    assert seconds([20240101, 20241301]) == [20240101, 20241301]  # half of them: seconds of 1970
    assert seconds([10_000_000 + i for i in range(20)]) == [10_000_000 + i for i in range(20)]


def test_a_fraction_of_a_second_is_no_opening() -> None:
    assert mistakes(["2024-01-31T13:00:00.5Z", "2024-01-31T13:00:00Z"]) == [FRACTION, ""]
    assert mistakes([SECOND * 1000 + 1, SECOND * 1000]) == [FRACTION, ""]
    assert mistakes([SECOND + 0.25, float(SECOND)]) == [FRACTION, ""]
    assert mistakes([SECOND * 10**6 + 1, SECOND * 10**6]) == [FRACTION, ""]
    assert seconds([SECOND * 10**9 + 999]) == [SECOND]  # below a microsecond: what floats leave


def test_rows_with_and_without_a_zone_do_not_mix_and_the_fewer_are_accused() -> None:
    zoned, plain = "2024-01-31T13:00:00Z", "2024-01-31T14:00:00"
    lacks = "has no time zone and other rows have one: give one to all rows or to none"
    has = "has a time zone and other rows have none: give one to all rows or to none"
    assert mistakes([zoned, zoned, plain]) == ["", "", lacks]
    assert mistakes([zoned, plain, plain]) == [has, "", ""]
    assert mistakes([zoned, plain]) == ["", lacks]
    assert mistakes([zoned, "nonsense", zoned]) == ["", NO_DATE, ""]  # what is no date has no zone to lack


def test_what_is_no_date_is_told_for_its_rows_alone() -> None:
    whole = ["2024-01-31", "2024-02-01", "2024-02-02"]
    for wrong in ("31.01.2024", "2024-13-01", "2024-01-32", "yesterday", "2024", "2024-01-31x"):
        assert mistakes([*whole, wrong]) == ["", "", "", NO_DATE]
    assert mistakes([*whole, None]) == ["", "", "", "is empty"]
    numbers = [float(SECOND), float(SECOND), float(SECOND)]
    assert mistakes([*numbers, np.nan]) == ["", "", "", "is empty"]
    for wrong in (np.inf, -np.inf, 1e19):
        assert mistakes([*numbers, wrong]) == ["", "", "", NO_DATE]
    assert mistakes([*numbers, 1e14]) == ["", "", "", OUTSIDE]
    assert mistakes([*map(str, numbers), "2024-01-31"])[-1] == NO_DATE  # most are numbers
    assert mistakes([None, None]) == ["is empty", "is empty"]
    assert mistakes([np.inf]) == [NO_DATE]


def test_datetimes_are_read_in_every_unit_and_far_beyond_the_years() -> None:
    for unit in ("s", "ms", "us", "ns"):
        moments = pd.Series(pd.DatetimeIndex([MOMENT, None]).as_unit(unit))
        for column in (moments, moments.dt.tz_convert("Asia/Tokyo"), moments.dt.tz_localize(None)):
            dates = read_dates(column)
            assert dates.seconds_N[0] == SECOND and dates.good_N.tolist() == [True, False]
    assert mistakes(np.array(["12345-01-01", "2024-01-01"], "datetime64[s]")) == [OUTSIDE, ""]
    assert mistakes([9e18]) == [OUTSIDE]


def test_a_column_is_one_of_numbers_where_more_than_half_are() -> None:
    """By its type, whatever the numbers, or by its texts."""
    assert mistakes([np.inf, np.inf, float(SECOND)]) == [NO_DATE, NO_DATE, ""]
    text, number = "2024-01-31T13:00:00", str(SECOND)
    assert mistakes([text, number]) == ["", NO_DATE] and mistakes([text, number, number]) == [NO_DATE, "", ""]
    assert mistakes([text, number, None]) == ["", NO_DATE, "is empty"]


def test_nine_of_ten_calendar_days_are_too_few() -> None:
    days = [20240101 + i for i in range(9)]
    assert seconds([*days, 20241301]) == [*days, 20241301]
    told = mistakes([np.nan, *map(float, days), *map(float, days), 202401.0])
    assert told == ["is empty", *18 * [""], NO_DATE]


def test_a_number_counts_seconds_up_to_a_power_of_ten() -> None:
    assert instant(10**11 - 1) == 10**11 - 1 and instant(1 - 10**11) == 1 - 10**11
    assert instant(10**11) == 10**8 and instant(-(10**11)) == -(10**8)


@pytest.mark.parametrize("second", [0, -1, SECOND, 951_782_400])
def test_iso_text_is_read_back(second: int) -> None:
    text = dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert iso(second) == iso(np.int64(second)) == text
    assert from_iso(text) == second and type(from_iso(text)) is int


def test_other_text_than_iso_writes_is_refused() -> None:
    assert iso(SECOND + 0.9) == "2024-01-31T13:00:00Z"  # type: ignore[arg-type]
    for wrong in ("soon", "", "NaT", "now", "today", "2000-03-01Z", "2000-03-01T00:00:00", "z2000-03-01T00:00:00Z"):
        with pytest.raises(ValueError, match=r"."):
            from_iso(wrong)


def test_dates_that_end_in_59_by_chance_are_no_last_moments() -> None:
    """Closing times with any seconds, as of the last trade, stay as they are; most must be a second early."""
    column = pd.Series(SECOND - SECOND % 60 + 3_600 * np.arange(120) + np.arange(120) % 60)
    read, early_N = closing_dates(column, 3_600)
    np.testing.assert_array_equal(read.seconds_N, column)
    assert read.good_N.all() and not early_N.any()
    column[:] = column // 60 * 60 + 59
    assert (closing_dates(column, 3_600)[1] == 1).all()
