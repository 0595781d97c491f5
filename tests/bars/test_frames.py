"""Frames in memory: the same table as a file is the same bars, and the same mistakes are the same errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.bars.bars import Bars, fingerprint, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.frames import epoch_seconds, frame_like, frame_tables, has_column, is_frame
from nextbar.errors import DataError

START = 1_600_000_000 // 86_400 * 86_400


def bars_table(n: int = 8, step: int = 3600, seed: int = 1) -> pd.DataFrame:
    """n sound bars with UTC datetimes."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    date = pd.to_datetime(START + step * np.arange(n), unit="s", utc=True)
    return pd.DataFrame(
        {"date": date, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": close}
    )


def same(one: Bars, other: Bars) -> bool:
    return fingerprint([one]) == fingerprint([other])


FORMS = {
    "pandas": lambda table: table,
    "naive dates are UTC": lambda table: table.assign(date=table["date"].dt.tz_localize(None)),
    "another zone": lambda table: table.assign(date=table["date"].dt.tz_convert("Asia/Tokyo")),
    "nanoseconds": lambda table: table.assign(date=table["date"].dt.as_unit("ns")),
    "text": lambda table: table.assign(date=table["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "epoch": lambda table: table.assign(date=START + 3600 * np.arange(len(table))),
    "Python's datetimes": lambda table: table.assign(date=table["date"].astype(object)),
    "index": lambda table: table.set_index("date"),
    "nameless index": lambda table: table.set_index("date").rename_axis(None),
    "naive index": lambda table: table.set_index("date").tz_localize(None),
    "row labels": lambda table: table.set_axis(range(5, 5 + len(table))),
    "capitals": lambda table: table.rename(columns=str.title),
    "polars": pl.from_pandas,
    "polars lazy": lambda table: pl.from_pandas(table).lazy(),
    "polars naive": lambda table: pl.from_pandas(table.assign(date=table["date"].dt.tz_localize(None))),
    "arrow": lambda table: pl.from_pandas(table).to_arrow(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_frame_gives_the_bars_of_the_file(tmp_path: Path, form: str):
    (tmp_path / "1h").mkdir()
    bars_table(50).to_csv(tmp_path / "1h" / "abc_1h.csv", index=False)
    (file,) = load_bars(tmp_path, ["abc"], ["1h"])
    frame = FORMS[form](bars_table(50))
    assert is_frame(frame)
    (bars,) = frame_bars(frame, "1h", tickers=["abc"])
    assert same(bars, file)
    assert frame_bars(frame, "1h")[0].ticker == "series"


MISTAKES = {
    "negative": ("close", 4, -1.0),
    "infinite": ("high", 2, np.inf),
    "empty": ("open", 3, np.nan),
    "high": ("high", 3, 1.0),
    "volume": ("volume", 5, -2.0),
    "duplicate": ("date", 5, pd.Timestamp(START, unit="s", tz="UTC")),
    "year": ("date", 5, pd.Timestamp("2500-01-01", tz="UTC")),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(MISTAKES)), min_size=1, max_size=4, unique=True))
def test_the_same_mistakes_are_the_same_errors(tmp_path_factory: pytest.TempPathFactory, mistakes: list[str]):
    folder = tmp_path_factory.mktemp("bars")
    table = bars_table(20)
    for mistake in mistakes:
        column, row, value = MISTAKES[mistake]
        table.loc[row, column] = value
    (folder / "1h").mkdir()
    table.to_parquet(folder / "1h" / "abc_1h.parquet", index=False)
    messages = []
    for read in (
        lambda: load_bars(folder, ["abc"], ["1h"]),
        lambda: frame_bars(table, "1h"),
        lambda: frame_bars(pl.from_pandas(table), "1h"),
    ):
        with pytest.raises(DataError) as caught:
            read()
        messages.append(str(caught.value).split(": ", 1)[1])
    assert messages[0] == messages[1] == messages[2]


def long_table() -> pd.DataFrame:
    parts = [bars_table(30, seed=k).assign(ticker=name) for k, name in enumerate(["b", "a", "c"])]
    return pd.concat(parts).sort_values("date", kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas])
def test_long_format(kind):
    frame = kind(long_table())
    bars = frame_bars(frame, "1h")
    assert [one.ticker for one in bars] == ["b", "a", "c"]
    for k, one in enumerate(bars):
        assert same(one, frame_bars(bars_table(30, seed=k), "1h", tickers=[one.ticker])[0])
        assert "ticker" not in one.columns
    assert [one.ticker for one in frame_bars(frame, "1h", tickers=["c", "a"])] == ["c", "a"]
    with pytest.raises(DataError, match="no ticker 'd'; there are a, b, c"):
        frame_bars(frame, "1h", tickers=["d"])


def test_names_as_in_the_ecosystem():
    table = long_table().rename(columns={"ticker": "unique_id", "date": "ds", "close": "y"})
    table["unique_id"] = table["unique_id"].map({"b": 2, "a": 1, "c": 3})
    bars = frame_bars(table, "1h", TableNeeds("close", time_col="ds", target_col="y"), id_col="unique_id")
    assert [one.ticker for one in bars] == ["2", "1", "3"] and list(bars[0].columns) == ["close"]
    with pytest.raises(DataError, match="no column 'ds'; the columns are date, open"):
        frame_bars(bars_table(), "1h", TableNeeds(time_col="ds"))
    (indexed,) = frame_bars(long_table().query("ticker == 'a'").set_index(["ticker", "date"]), "1h")
    assert indexed.ticker == "a" and len(indexed) == 30


def test_a_problem_in_a_long_frame_names_ticker_and_record():
    table = long_table()
    row = int(table.index[table["ticker"] == "c"][4])
    table.loc[row, "close"] = -1.0
    with pytest.raises(DataError, match=rf"frame, c at 1h: .*\n  record {row + 1}: close -1\.0 is not above 0"):
        frame_bars(table, "1h")


def test_several_resolutions_need_a_column_that_tells_them():
    hours, fours = bars_table(30).assign(resolution="1h"), bars_table(30, step=14_400).assign(resolution="4h")
    table = pd.concat([hours, fours])
    bars = frame_bars(table, ["4h", "1h"], tickers=["x"])
    assert [(one.name, len(one)) for one in bars] == [("x_4h", 30), ("x_1h", 30)]
    assert frame_bars(table, "1h")[0].step == 3600
    with pytest.raises(DataError, match="no resolution '1d'; there are 1h, 4h"):
        frame_bars(table, "1d")
    with pytest.raises(DataError, match="no column 'resolution'"):
        frame_bars(bars_table(), ["1h", "4h"])


def refusal(frame: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        frame_tables(frame, *arguments, **options)
    return str(caught.value)


def test_rows_keep_their_numbers_and_the_source_names_the_series() -> None:
    """Keys may be columns or levels of the index, in any case; they are no columns of the bars."""
    frame = pd.DataFrame({
        "Resolution": ["1h", "4h", "1h", "4h", "1h"], " UID": [7, 7, 8, 7, 7], "ticker": list("abcde"), "close": 1.0
    })  # fmt: skip
    for form in (frame, frame.set_index([" UID", "Resolution"])):
        tables = frame_tables(form, ["4h", "1h"], id_col="uid")
        assert [(resolution, ticker, table.source) for resolution, ticker, table in tables] == [
            ("4h", "7", "frame, 7 at 4h"),
            ("1h", "7", "frame, 7 at 1h"),
            ("1h", "8", "frame, 8 at 1h"),
        ]
        assert [table.rows_N.tolist() for _, _, table in tables] == [[2, 4], [1, 5], [3]]
        assert [list(table.frame["ticker"]) for _, _, table in tables] == [["b", "d"], ["a", "e"], ["c"]]
        assert {name for _, _, table in tables for name in table.frame} == {"ticker", "close"}
        assert tables[0][2].row(0) == "record 2"
    one = frame_tables(frame[["close"]], ["1h"])
    assert [(r, t, table.source, len(table)) for r, t, table in one] == [("1h", "series", "frame", 5)]
    (named,) = frame_tables(frame[["close", "Resolution"]], ["4h"], ["x"])
    assert named[:2] == ("4h", "x") and named[2].source == "frame, x at 4h" and named[2].rows_N.tolist() == [2, 4]
    twice = pd.DataFrame([["a", "b", 1.0]], columns=["ticker", "Ticker", "close"])
    assert [ticker for _, ticker, _ in frame_tables(twice, ["1h"])] == ["a"]


def test_a_nameless_index_of_dates_has_the_name_of_the_dates() -> None:
    frame = bars_table().set_index("date").rename_axis(None)
    ((_, _, table),) = frame_tables(frame, ["1h"], time_col="when")
    assert list(table.frame.columns) == ["open", "high", "low", "close", "volume", "when"]
    ((_, _, table),) = frame_tables(frame, ["1h"])
    assert list(table.frame.columns)[-1] == "date"
    (bars,) = frame_bars(frame, "1h", TableNeeds(time_col="when"))
    assert same(bars, frame_bars(frame, "1h")[0])


@pytest.mark.parametrize("form", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).lazy()])
def test_columns_are_known_in_whatever_case(form: Any) -> None:
    frame = form(pd.DataFrame({"Ticker ": ["a"], "close": [1.0]}))
    assert has_column(frame, "ticker") and has_column(frame, " CLOSE") and not has_column(frame, "open")


def test_levels_of_an_index_are_columns() -> None:
    frame = pd.DataFrame({"close": [1.0]}, index=pd.Index(["a"], name="Ticker"))
    assert has_column(frame, "ticker") and has_column(frame, "close") and not has_column(frame, "date")
    assert not has_column({"close": 1.0}, "close") and not has_column(None, "none")


def test_a_frame_that_lacks_something_is_refused_in_a_sentence() -> None:
    table = bars_table()
    assert refusal([1], ["1h"]) == "found list, should be a pandas or polars frame of bars"
    assert refusal(table.iloc[:0], ["1h"]) == "frame: no rows; at least one bar is needed"
    assert refusal(table, ["1h", "4h"]) == (
        "frame: resolutions 1h, 4h are asked for, but there is no column 'resolution' that says which row is of which"
    )
    assert refusal(table[["date", "close"]].assign(**{"5": 1}).rename(columns={"5": 5}), ["1h"], ["a", "b"], "uid") == (
        "frame: no column 'uid', which id_col names; the columns are date, close, 5"
    )
    assert refusal(table[["date"]], ["1h"], ["a", "b"]) == (
        "frame: tickers a, b are asked for, but there is no column 'ticker'; the columns are date"
    )
    levels = pd.concat({"a": table[["date"]], "b": table[["date"]]}, axis=1)
    assert refusal(levels, ["1h"]) == (
        "frame: the columns have 2 levels (first: ('a', 'date')); give it one level, with the tickers in a column of "
        "their own, or two: quantities (Open, High, Low, Close) and tickers"
    )
    gaps = table.assign(ticker=["a", None, "a", None, *"aaaa"])
    assert refusal(gaps, ["1h"]) == "frame: ticker is empty in 2 rows, first in record 2"
    gaps = table.assign(resolution=[None, *["1h"] * 7])
    assert refusal(gaps, ["1h"]) == "frame: resolution is empty in 1 rows, first in record 1"
    keyed = table.assign(ticker=list("bababaca"), resolution=["1h"] * 6 + ["4h"] * 2)
    assert refusal(keyed, ["1d"]) == "frame: no resolution '1d'; there are 1h, 4h"
    assert refusal(keyed, ["1h"], ["c"]) == "frame: no ticker 'c'; there are a, b"
    lazy = pl.from_pandas(table).lazy().select(pl.col("nothing"))
    assert refusal(lazy, ["1h"]).startswith("the frame cannot be read: ")


def test_columns_become_a_frame_with_dates_in_utc() -> None:
    columns = {"date": np.array([0, 3600]), "count": np.array([1, 2])}
    for like, dtype in ((None, "datetime64[ms, UTC]"), (pl.DataFrame(), pl.Datetime("ms", "UTC"))):
        made = frame_like(columns, like, ["date"])
        assert made["date"].dtype == dtype and [date.timestamp() for date in made["date"]] == [0, 3600]
        assert list(made["count"]) == [1, 2] and list(frame_like(columns, like)["date"]) == [0, 3600]


def test_what_is_no_frame_of_bars():
    assert not is_frame({"close": [1.0]})
    with pytest.raises(DataError, match="found dict, should be a pandas or polars frame"):
        frame_bars({"close": [1.0]}, "1h")
    with pytest.raises(DataError, match="no rows"):
        frame_bars(bars_table().iloc[:0], "1h")
    with pytest.raises(DataError, match="the columns have 2 levels"):
        frame_bars(pd.concat({"a": bars_table()[["open"]]}, axis=1), "1h")
    twice = pd.concat([bars_table(), bars_table()[["close"]]], axis=1)
    with pytest.raises(DataError, match="close"):
        frame_bars(twice, "1h")
    with pytest.raises(DataError, match="ticker is empty in 1 rows, first in record 3"):
        frame_bars(bars_table().assign(ticker=["a", "a", None] + ["a"] * 5), "1h")
    with pytest.raises(DataError, match="there is no column 'ticker'"):
        frame_bars(bars_table(), "1h", tickers=["a", "b"])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas])
def test_columns_go_back_to_the_library_they_came_from(kind):
    frame = kind(bars_table())
    columns = {
        "date": START + 3600 * np.arange(8),
        "forecast": np.linspace(1, 2, 8),
        "ticker": np.array(["a"] * 8),
    }
    made = frame_like(columns, frame, dates=["date"])
    assert type(made) is type(frame)
    assert list(made["date"]) == list(frame["date"])
    np.testing.assert_array_equal(np.asarray(made["forecast"]), columns["forecast"])
    assert list(made["ticker"]) == ["a"] * 8
    assert isinstance(frame_like({"x": np.arange(3)}), pd.DataFrame)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_are_seconds_again(unit: str) -> None:
    seconds_N = np.array([-5, 0, START])
    made = frame_like({"date": seconds_N}, dates=["date"])["date"].astype(f"datetime64[{unit}, UTC]")
    assert epoch_seconds(made).dtype == np.int64
    np.testing.assert_array_equal(epoch_seconds(made.dt.tz_convert("Asia/Tokyo")), seconds_N)
