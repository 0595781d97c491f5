"""What is wrong with a table is told with file, row and value, and what is not wrong is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from bar_files import SPELLINGS, WRITERS, bars_table, load, refusal, write

from nextbar.bars.bars import load_bars
from nextbar.errors import DataError


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
