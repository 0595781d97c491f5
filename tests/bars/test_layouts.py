"""Layouts of other programs: each is the same bars, said once how it was read, or refused with what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from layout_files import (
    FILES,
    FREQTRADE,
    OHLCV,
    STAMPS,
    TICKERS,
    TRUTH,
    N,
    in_milliseconds,
    prices,
    records,
    truth,
    yfinance,
)  # fmt: skip

from nextbar.bars.bars import Bars, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.folder import list_series
from nextbar.bars.importing import import_bars
from nextbar.bars.layouts import LAYOUTS, UNNAMED
from nextbar.bars.reading import read_table

CLOSES = TableNeeds(features="close")


def written(folder: Path, name: str) -> Path:
    file = FILES[name]()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file.name).write_bytes(file.content)
    return folder / file.name


def is_truth(bars: Bars, expected: pd.DataFrame = TRUTH, lacks: tuple[str, ...] = ()) -> None:
    np.testing.assert_array_equal(bars.time_N, expected.time)
    for name in OHLCV:
        if name not in lacks:
            np.testing.assert_array_equal(bars.columns[name], expected[name].to_numpy(float), err_msg=name)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_of_any_layout_holds_the_same_bars(tmp_path: Path, name: str) -> None:
    file = FILES[name]()
    written(tmp_path, name)
    ((resolution, ticker, path),) = list_series(tmp_path)
    assert resolution == "1h" and path.name == file.name
    needs = CLOSES if file.lacks else TableNeeds()
    (bars,) = load_bars(tmp_path, [ticker], ["1h"], needs)
    is_truth(bars, lacks=file.lacks)
    table = read_table(path)
    assert table.layout == file.layout
    assert bool(bars.notices) >= bool(file.layout), "how it was read is said"


@pytest.mark.parametrize("name", [name for name in FILES if not FILES[name]().lacks])
def test_what_is_imported_is_what_is_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "theirs", name)
    series = import_bars([path], tmp_path / "ours")
    chosen = next(one for one in series if "BBB" not in one.path.name)
    (_, ticker, _), *_ = list_series(tmp_path / "ours")
    assert chosen.rows == N
    is_truth(load_bars(tmp_path / "ours", [ticker], ["1h"])[0])
    assert not read_table(chosen.path).notices, "ours is read as it stands"


def test_every_layout_has_a_file() -> None:
    covered = {FILES[name]().layout for name in FILES}
    assert covered >= {*LAYOUTS, *UNNAMED} - {"stooq_pl", "ohlc"}


FRAMES = {
    "yfinance, flat": lambda: yfinance().droplevel("Ticker", axis=1),
    "a nameless index of dates": lambda: TRUTH.drop(columns="time").set_index(pd.DatetimeIndex(STAMPS, name=None)),
    "polars": lambda: pl.from_pandas(FREQTRADE),
    "polars, lazy": lambda: pl.from_pandas(FREQTRADE).lazy(),
    "Arrow": lambda: pa.Table.from_pandas(FREQTRADE),
    "ccxt": in_milliseconds,
    "Alpaca, records": records,
    "Alpaca, an answer": lambda: {"bars": records()},
    "Alpaca, a frame": lambda: pd.DataFrame(records()),
    "Polygon, polars": lambda: pl.DataFrame(records()),
    "Arrow of klines": lambda: pa.table({"open_time": TRUTH.time * 1000, **prices(), "close_time": TRUTH.time}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_layout_is_the_same_bars(name: str) -> None:
    (bars,) = frame_bars(FRAMES[name](), "1h", tickers=["aaa"])
    assert bars.ticker == "aaa"
    is_truth(bars)


def _alpaca(tickers: tuple[str, ...]) -> pd.DataFrame:
    parts = {ticker: truth(i).set_index(pd.DatetimeIndex(STAMPS, name="timestamp")) for i, ticker in enumerate(tickers)}
    return pd.concat(parts, names=["symbol"]).drop(columns="time")


@pytest.mark.parametrize(
    "frame", [yfinance(TICKERS), yfinance(TICKERS, by_ticker=True), yfinance(TICKERS).reset_index(), _alpaca(TICKERS)]
)
def test_tickers_of_a_frame_are_told_apart(frame: pd.DataFrame) -> None:
    series = frame_bars(frame, "1h")
    assert [bars.ticker for bars in series] == [*TICKERS]
    for i, bars in enumerate(series):
        is_truth(bars, truth(i))


def test_a_long_frame_of_nixtla() -> None:
    frame = pd.concat(
        [pd.DataFrame({"unique_id": ticker, "ds": STAMPS, "y": truth(i).close}) for i, ticker in enumerate(TICKERS)]
    )
    series = frame_bars(frame, "1h", CLOSES)
    assert [bars.ticker for bars in series] == [*TICKERS]
    for i, bars in enumerate(series):
        is_truth(bars, truth(i), ("open", "high", "low", "volume"))
    names = frame_bars(frame, "1h", TableNeeds("close", time_col="ds", target_col="y"), id_col="unique_id")
    assert [bars.ticker for bars in names] == [*TICKERS], "names that are given are kept to"
