"""Frames in memory: the same table as a file is the same bars, and the same mistakes are the same errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.bars.bars import Bars, fingerprint, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.frames import frame_like, is_frame
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


def test_what_is_no_frame_of_bars():
    assert not is_frame({"close": [1.0]})
    with pytest.raises(DataError, match="found dict, should be a pandas or polars frame"):
        frame_bars({"close": [1.0]}, "1h")
    with pytest.raises(DataError, match="no rows"):
        frame_bars(bars_table().iloc[:0], "1h")
    with pytest.raises(DataError, match="the columns have 2 levels"):
        frame_bars(pd.concat({"a": bars_table()}, axis=1), "1h")
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
