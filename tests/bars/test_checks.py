"""What is wrong with a table is told with file, row and value, and what is not wrong is kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from bar_files import SPELLINGS, WRITERS, bars_table, load, refusal, write

from nextbar.bars.bars import load_bars
from nextbar.bars.checks import CheckedColumns, check
from nextbar.bars.columns import DEFAULT_NEEDS, TableNeeds
from nextbar.bars.number_columns import LARGEST
from nextbar.bars.table import Table
from nextbar.errors import DataError
from nextbar.resolution import seconds


@pytest.mark.parametrize("extension", WRITERS)
def test_an_empty_volume_is_left_out_and_a_gap_in_it_stays_a_gap(tmp_path: Path, extension: str):
    write(tmp_path, bars_table().assign(volume=np.nan), extension)
    bars = load(tmp_path)
    assert "volume" not in bars.columns and bars.notices == ("volume is empty and left out",)
    table = bars_table()
    table.loc[3, "volume"] = np.nan
    write(tmp_path, table, extension)
    bars = load(tmp_path)
    assert np.flatnonzero(np.isnan(bars.columns["volume"])).tolist() == [3]
    assert "volume is empty in 1 of 8 rows" in bars.notices[0]


@pytest.mark.parametrize("word", ["NaN", "nan", "null", " NULL"])
@pytest.mark.parametrize("extension", WRITERS)
def test_nothing_said_in_words_is_nothing_but_in_a_price(tmp_path: Path, extension: str, word: str):
    write(tmp_path, bars_table().assign(volume=word, trades=word, ema_3=[word, word, *"123456"]), extension)
    bars = load(tmp_path, indicators=["ema_3"])
    assert list(bars.columns) == ["open", "high", "low", "close", "ema_3"]
    assert bars.notices[:2] == ("volume is empty and left out", "trades is empty and left out")
    assert [notice.partition(" (")[0] for notice in bars.notices[2:]] == ["ema_3 is empty in 2 of 8 rows"]
    np.testing.assert_array_equal(bars.columns["ema_3"], [np.nan, np.nan, 1, 2, 3, 4, 5, 6])
    write(tmp_path, bars_table().assign(volume=["1", "2", word, *"45678"]), extension)
    bars = load(tmp_path)
    assert np.flatnonzero(np.isnan(bars.columns["volume"])).tolist() == [2]
    assert "volume is empty in 1 of 8 rows" in bars.notices[0]
    for name in ("close", "date"):
        assert f"{name} {word!r} is not a" in refusal(tmp_path, bars_table().assign(**{name: word}), extension)
    assert "volume 'none' is not a" in refusal(tmp_path, bars_table().assign(volume="none"), extension)


def test_highs_and_lows_alone_lack_the_other_prices(tmp_path: Path):
    told = refusal(tmp_path, bars_table()[["date", "high", "low"]])
    assert "no column 'open', 'close'" in told


def test_a_csv_of_polars_without_a_volume(tmp_path: Path):
    path = write(tmp_path, bars_table())
    pl.read_csv(path).with_columns(volume=float("nan")).write_csv(path)
    assert path.read_text().splitlines()[1].endswith(",NaN")
    assert load(tmp_path).notices == ("volume is empty and left out",)


def test_a_day_as_a_number_has_no_fraction(tmp_path: Path):
    (tmp_path / "1d").mkdir()
    days = [20240101.0 + day for day in range(20)]
    days[5] += 0.5
    bars_table(20).assign(date=days).to_csv(tmp_path / "1d" / "abc_1d.csv", index=False)
    with pytest.raises(DataError, match=r"1 problem\n.*line 7: date 20240106\.5 is not a date"):
        load_bars(tmp_path, ["abc"], ["1d"])


def test_further_columns(tmp_path: Path):
    table = bars_table().assign(ema_3=[np.nan, np.nan, 1, 2, 3, 4, 5, 6], note="text", wild=[np.inf] + [1.0] * 7)
    write(tmp_path, table)
    bars = load(tmp_path)
    assert list(bars.columns) == ["open", "high", "low", "close", "volume", "ema_3"]
    assert np.isnan(bars.columns["ema_3"]).sum() == 2
    with pytest.raises(DataError, match="line 2: wild inf is not a finite number"):
        load(tmp_path, indicators=["wild"])


def test_close_alone_may_be_any_finite_number(tmp_path: Path):
    table = bars_table()[["date", "close"]].assign(close=[-1.0, 0, 1, 2, 3, 4, 5, 6], load=1.0)
    write(tmp_path, table)
    bars = load(tmp_path, "close")
    assert list(bars.columns) == ["close", "load"]
    with pytest.raises(DataError, match=r"line 2: close -1\.0 is not above 0"):
        load(tmp_path, "close", target="log_return")
    with pytest.raises(DataError, match="no column 'open', 'high', 'low'; the columns are date, close, load"):
        load(tmp_path, "ohlcv")


def spoil(row: int, column: str, value: object) -> pd.DataFrame:
    table = bars_table()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


LAST = SPELLINGS["iso"][2]
SPOILT = {
    "text in a price": (spoil(2, "open", "n/a"), "open 'n/a' is not a finite number"),
    "empty price": (spoil(2, "close", None), "close is empty or NaN"),
    "zero": (spoil(2, "low", 0.0), "low 0.0 is not above 0"),
    "negative": (spoil(2, "low", -3.5), "low -3.5 is not above 0"),
    "infinity": (spoil(2, "high", float("inf")), "high inf is not a finite number"),
    "true": (spoil(2, "high", True), "high"),
    "high too low": (spoil(2, "high", 1.0), "high 1.0 is below open"),
    "low too high": (spoil(2, "low", 500.0), "low 500.0 is above open"),
    "negative volume": (spoil(2, "volume", -1.0), "volume -1.0 is negative"),
    "text in volume": (spoil(2, "volume", "much"), "volume 'much' is not a finite number"),
    "no date": (spoil(2, "date", "soon"), "date 'soon' is not a date"),
    "now": (spoil(2, "date", "now"), "date 'now' is not a date"),
    "American date": (spoil(2, "date", "09/13/2020"), "date '09/13/2020' is not a date"),
    "empty date": (spoil(2, "date", None), "date is empty or NaN"),
    "year 9999": (spoil(2, "date", "9999-12-31T00:00:00Z"), "is outside of the years 1900 to 2199"),
    "spreadsheet's zero": (spoil(2, "date", "1899-12-30T00:00:00Z"), "is outside of the years 1900 to 2199"),
    "closing time": (spoil(2, "date", "2020-09-13T02:59:59.999Z"), "has a fraction of a second"),
    "date without zone": (spoil(2, "date", LAST[:-1]), "has no time zone and other rows have one"),
    "duplicate": (spoil(2, "date", SPELLINGS["iso"][1]), "is there already in"),
    "half an hour": (
        spoil(2, "date", SPELLINGS["iso"][1].replace(":00:00Z", ":30:00Z")),
        "two bars in one slot",
    ),
}


@pytest.mark.parametrize("extension", WRITERS)
@pytest.mark.parametrize("mistake", SPOILT)
def test_a_mistake_is_told_with_file_row_and_value(tmp_path: Path, mistake: str, extension: str):
    table, text = SPOILT[mistake]
    if extension == "parquet":
        for column in table:
            if table[column].dtype == object and table[column].map(type).nunique() > 1:
                table = table.assign(**{column: table[column].map(lambda value: None if value is None else str(value))})
        text = text.replace("inf", "'inf'").replace("0.0 is not", "'0.0' is not").replace("-3.5", "'-3.5'")
    message = refusal(tmp_path, table, extension)
    assert message.startswith(f"{tmp_path / '1h' / 'abc_1h'}.{extension}: ")
    row = "line 4" if extension.startswith("csv") else "record 3"
    assert any(line.strip().startswith(f"{row}: ") for line in message.splitlines()), message
    if extension != "parquet":
        assert text in message


def test_all_problems_stand_in_one_error_and_the_rest_is_counted(tmp_path: Path):
    table = bars_table(40)
    table["close"] = table["close"].astype(object)
    table.loc[[3, 20], "close"] = "x"
    table.loc[4:18, "volume"] = -1.0
    table = table.drop(columns="low")
    lines = refusal(tmp_path, table).splitlines()
    assert lines[0].endswith("18 problems")
    assert lines[1].strip() == "no column 'low'; the columns are date, open, high, close, volume"
    assert lines[2].strip() == "line 5: close 'x' is not a finite number"
    assert [line.split(":")[0].strip() for line in lines[3:-1]] == [f"line {n}" for n in range(6, 14)]
    assert lines[-1].strip() == "and 8 more"


def test_mixed_zones_accuse_the_fewer_rows(tmp_path: Path):
    dates = [text[:-1] for text in SPELLINGS["iso"]]
    dates[5] += "Z"
    message = refusal(tmp_path, bars_table().assign(date=dates))
    assert "1 problem" in message and "line 7" in message and "has a time zone and other rows have none" in message


def test_bars_of_another_resolution_are_told(tmp_path: Path):
    message = refusal(tmp_path, bars_table(step=4 * 3600))
    assert "mostly 4h apart, but the resolution is 1h" in message and "1 problem" in message
    assert "mostly 15m apart" in refusal(tmp_path, bars_table(step=900))


def test_unsorted_rows_are_sorted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    table = bars_table(50)
    write(tmp_path, table, name="sorted")
    write(tmp_path, table.iloc[::-1])
    (bars,), (same,) = (load_bars(tmp_path, [name], ["1h"]) for name in ("abc", "sorted"))
    assert "not in the order of their dates (first at line 3)" in bars.notices[0]
    assert "not in the order" in caplog.text and same.notices == ()
    np.testing.assert_array_equal(bars.columns["close"], same.columns["close"])
    np.testing.assert_array_equal(bars.time_N, same.time_N)


def test_the_clock_change_of_a_local_market_is_no_double_bar(tmp_path: Path):
    days = pd.date_range("2021-02-01", periods=120, tz="America/New_York")
    (tmp_path / "1d").mkdir()
    bars_table(120).assign(date=[day.isoformat() for day in days]).to_csv(tmp_path / "1d" / "abc_1d.csv", index=False)
    (bars,) = load_bars(tmp_path, ["abc"], ["1d"])
    assert sorted(set(np.diff(bars.time_N) // 3600)) == [23, 24]


CLOSE = TableNeeds("close")
HOUR = 3600


def checked(needs: TableNeeds, resolution: str = "1h", **columns: Any) -> CheckedColumns:
    """A table checked; a row an hour, unless it says when."""
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"date": HOUR * np.arange(n), **columns})
    result = check(Table("t", frame, np.arange(n) + 1), resolution, seconds(resolution), needs)
    assert all(values.dtype == np.float64 and len(values) == len(result.time_N) for values in result.columns.values())
    return result


def problems(needs: TableNeeds, resolution: str = "1h", **columns: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        checked(needs, resolution, **columns)
    first, *lines = str(caught.value).split("\n  ")
    assert first == f"t: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return lines


def test_a_table_without_rows_or_dates_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        checked(CLOSE, close=[])
    assert str(caught.value) == "t: no rows, only the names of columns; at least one bar is needed"
    with pytest.raises(DataError) as caught:
        check(Table("t", pd.DataFrame({"close": [-1.0, np.inf]}), np.arange(2)), "1h", HOUR, CLOSE)
    assert str(caught.value) == (
        "t: 2 problems\n  no column 'date'; the columns are close\n  record 1: close inf is not a finite number"
    )
    assert checked(CLOSE, close=[5]).columns["close"].tolist() == [5.0]


def test_numbers_are_as_large_and_prices_as_small_as_the_device_can_have_them() -> None:
    returns, least = TableNeeds("close", "log_return"), 1 / LARGEST
    too_large, too_small = np.nextafter(LARGEST, np.inf), np.nextafter(least, 0)
    assert checked(returns, close=[least, LARGEST]).columns["close"].tolist() == [least, LARGEST]
    assert checked(CLOSE, close=[-LARGEST, too_small, 0.0]).columns["close"].tolist() == [-LARGEST, too_small, 0.0]
    assert problems(CLOSE, close=[1.0, -too_large]) == [
        f"record 2: close {-too_large} is beyond 1e+30: use another unit"
    ]
    assert problems(returns, close=[too_large, too_small, 0.0, -0.5]) == [
        f"record 1: close {too_large} is beyond 1e+30: use another unit",
        f"record 2: close {too_small} is below 1e-30: use another unit",
        "record 3: close 0.0 is not above 0, as target log_return needs",
        "record 4: close -0.5 is not above 0, as target log_return needs",
    ]
    one = dict.fromkeys(("open", "high", "low", "close"), np.ones(3))
    assert checked(DEFAULT_NEEDS, **one, volume=[0.0, LARGEST, 1]).notices == ()
    assert problems(DEFAULT_NEEDS, **one, volume=[too_large, -1.0, np.inf]) == [
        f"record 1: volume {too_large} is beyond 1e+30: use another unit",
        "record 2: volume -1.0 is negative",
        "record 3: volume inf is not a finite number",
    ]
    with_others = checked(CLOSE, close=[1.0] * 2, wild=[1.0, too_large], x=[LARGEST, -LARGEST], volume=[-1.0, np.inf])
    assert list(with_others.columns) == ["close", "x"]
    needs = TableNeeds("close", indicators=("Wild",))
    assert problems(needs, close=[1.0] * 2, wild=[1.0, too_large]) == [
        f"record 2: wild {too_large} is beyond 1e+30: use another unit"
    ]


def test_an_empty_column_is_kept_where_it_is_asked_for() -> None:
    nothing, some = [np.nan] * 3, [1.0, np.nan, np.nan]
    result = checked(CLOSE, close=[1.0] * 3, gone=nothing, rsi=some, last=[1, 2, 3])
    assert list(result.columns) == ["close", "rsi", "last"] and result.notices == ()
    asked = checked(TableNeeds("close", indicators=("gone", " RSI")), close=[1.0] * 3, gone=nothing, rsi=some)
    assert list(asked.columns) == ["close", "gone", "rsi"]
    assert asked.notices == (
        "gone is empty in 3 of 3 rows (first: record 1)",
        "rsi is empty in 2 of 3 rows (first: record 2)",
    )
    one = dict.fromkeys(("open", "high", "low", "close"), np.ones(3))
    result = checked(DEFAULT_NEEDS, **one, volume=nothing, trades=["nan", None, "NULL "], other=nothing)
    assert result.notices == ("volume is empty and left out", "trades is empty and left out")
    result = checked(DEFAULT_NEEDS, **one, volume=["1", " null", "NaN"])
    assert result.notices == (
        "volume is empty in 2 of 3 rows (first: record 2): no window that uses volume covers them",
    )


NUMBERS: dict[str, tuple[Any, list[float]]] = {
    "whole": ([1, 2], [1, 2]),
    "unsigned": (np.array([1, 2], np.uint8), [1, 2]),
    "short": (np.array([0.5, 2], np.float32), [0.5, 2]),
    "nullable": (pd.array([1, None], "Int64"), [1, np.nan]),
    "nullable floats": (pd.array([0.5, None], "Float64"), [0.5, np.nan]),
    "text": (["1.5", " 2e3 "], [1.5, 2000]),
    "whole text": (["1", "2"], [1, 2]),
    "objects": (np.array([Decimal("1.5"), "2"], object), [1.5, 2]),
    "objects, empty": (np.array([1, None], object), [1, np.nan]),
}
NO_NUMBERS: dict[str, Any] = {
    "bool": [True, False],
    "complex": [1j, 2],
    "dates": pd.to_datetime(["2024", "2025"]),
    "lengths": pd.to_timedelta([1, 2], "h"),
    "bool among objects": np.array([1.0, True], object),
    "NumPy's bool among objects": np.array([1.0, np.True_], object),
    "lists": np.array([1.0, [2.0]], object),
    "too large for a float": np.array([1.0, 10**400], object),
    "words": ["1", "x"],
    "categories": pd.Categorical(["a", "b"]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_a_number(kind: str) -> None:
    values, expected = NUMBERS[kind]
    np.testing.assert_array_equal(checked(CLOSE, close=[1.0, 2.0], x=values).columns["x"], expected)


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_number_is_no_indicator_and_refused_where_asked_for(kind: str) -> None:
    values = NO_NUMBERS[kind]
    assert list(checked(CLOSE, close=[1.0, 2.0], x=values, y=[1.0, 2.0]).columns) == ["close", "y"]
    lines = problems(TableNeeds("close", indicators=("x",)), close=[1.0, 2.0], x=values)
    assert lines[-1].startswith("record 2: x ") and lines[-1].endswith(" is not a finite number")
    assert problems(CLOSE, close=values)[-1].startswith("record 2: close ")


def test_the_edges_of_a_bar_are_told_with_all_that_lies_beyond() -> None:
    prices = {"open": [2.0, 1, 2], "high": [1.0, 1, 2], "low": [1.5, 1, 2.5], "close": [1.25, 1, 2.25]}
    assert problems(DEFAULT_NEEDS, **prices) == [
        "record 1: high 1.0 is below open 2.0 and low 1.5 and close 1.25",
        "record 1: low 1.5 is above close 1.25",
        "record 3: high 2.0 is below low 2.5 and close 2.25",
        "record 3: low 2.5 is above open 2.0 and close 2.25",
    ]


def test_rows_are_sorted_and_those_without_a_good_date_told_apart() -> None:
    result = checked(CLOSE, date=[0, 7200, 3600, 10800], close=[1.0, 2, 3, 4])
    assert result.time_N.tolist() == [0, 3600, 7200, 10800] and result.time_N.dtype == np.int64
    assert result.columns["close"].tolist() == [1, 3, 2, 4]
    assert result.notices == ("rows are not in the order of their dates (first at record 3): sorted",)
    assert problems(
        CLOSE, date=["1970-01-01T01", "x", "1970-01-01T00", "1970-01-01T01", "", "1970-01-01T01"], close=[1.0] * 6
    ) == [
        "record 2: date 'x' is not a date: ISO 8601 (2024-01-31T13:00:00Z) or epoch seconds or milliseconds",
        "record 4: date '1970-01-01T01' is there already in record 1",
        "record 5: date '' is not a date: ISO 8601 (2024-01-31T13:00:00Z) or epoch seconds or milliseconds",
        "record 6: date '1970-01-01T01' is there already in record 1",
    ]


def test_problems_of_dates_and_values_are_told_together() -> None:
    assert problems(CLOSE, date=["0", "0", "x"], close=[np.inf, 1.0, 2.0]) == [
        "record 1: close inf is not a finite number",
        "record 2: date '0' is there already in record 1",
        "record 3: date 'x' is not a date: ISO 8601 (2024-01-31T13:00:00Z) or epoch seconds or milliseconds",
    ]


def test_of_many_rows_of_one_date_the_first_is_the_good_one() -> None:
    """Also where they are sorted first."""
    time_N = HOUR * np.tile(np.arange(500)[::-1], 2)
    with pytest.raises(DataError) as caught:
        checked(CLOSE, date=time_N, close=np.ones(1000))
    first, *lines, more = str(caught.value).split("\n  ")
    assert (first, more) == ("t: 500 problems", "and 490 more")
    assert lines == [f"record {501 + k}: date {time_N[k]} is there already in record {1 + k}" for k in range(10)]


def ok(resolution: str, *hours: float) -> bool:
    """Whether bars after so many hours each are of this resolution, and in slots of their own."""
    time_N = HOUR * np.concatenate([[0], np.cumsum(hours)])
    return len(checked(CLOSE, resolution, date=time_N, close=np.ones(len(time_N))).time_N) == len(time_N)


def test_gaps_tell_the_resolution() -> None:
    assert ok("1h", 2, 2), "three of a kind at least"
    assert ok("1h", 1, 1, 1, 2, 3, 4, 5) and ok("4h", 3, 3, 3, 4, 5, 6, 7), "the usual one or the median"
    assert ok("4h", 4, 3, 5, 4) and ok("1d", 23, 25, 24) and ok("5h", 4), "a clock is put forward"
    for resolution, hours, found, length in (("1h", (4, 4, 4, 1), "4h", "1h"), ("60m", (2, 2, 2), "2h", "1h")):
        time_N = HOUR * np.concatenate([[0], np.cumsum(hours)])
        assert problems(CLOSE, resolution, date=time_N, close=np.ones(len(time_N))) == [
            f"the rows are mostly {found} apart, but the resolution is {resolution} ({length}): put the file where it "
            "belongs or name its resolution"
        ]


@pytest.mark.parametrize(
    ("resolution", "gap", "told"),
    [
        ("1h", 1800, "30m"),
        ("2h", HOUR, "1h"),
        ("3h", 2 * HOUR, "2h"),
        ("4h", 3 * HOUR - 1, "10799s"),
        ("1d", 22 * HOUR, "22h"),
    ],
)
def test_two_bars_in_one_slot_are_told(resolution: str, gap: int, told: str) -> None:
    step = seconds(resolution)
    time_N = np.cumsum([0, step, step, gap, step, 3 * step])[[0, 1, 3, 2, 4, 5]]
    assert problems(CLOSE, resolution, date=time_N, close=np.ones(6)) == [
        f"record 3: opens {told} after the bar before, in {resolution} bars: two bars in one slot"
    ]
    assert problems(CLOSE, resolution, date=[0, gap], close=[1.0, 2.0])[0].startswith(f"record 2: opens {told} after")
