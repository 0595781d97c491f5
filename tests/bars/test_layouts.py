"""Layouts of other programs: each is the same bars, said once how it was read, or refused with what was found."""

from __future__ import annotations

import json
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
    csv,
    in_milliseconds,
    js,
    numbered,
    prices,
    records,
    text,
    truth,
    yfinance,
)  # fmt: skip

from nextbar.bars.bars import Bars, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.folder import list_series
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.bars.layouts import LAYOUTS, UNNAMED
from nextbar.bars.reading import read_table
from nextbar.errors import ConfigError, DataError

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


def refused(folder: Path, content: bytes, name: str = "aaa_1h.csv", **options: str) -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        import_bars([folder / name], folder / "out", ImportOptions(**options))
    assert not (folder / "out").exists()
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(folder / name))
    return str(caught.value)


def test_flat_bars_without_names_are_not_guessed(tmp_path: Path) -> None:
    flat = csv(numbered(TRUTH.time, *[TRUTH.close] * 4, TRUTH.volume), header=False)
    message = refused(tmp_path, flat)
    assert "no header, and 6 columns" in message and "ccxt and coinbase and bitfinex alike" in message
    (done,) = import_bars([tmp_path / "aaa_1h.csv"], tmp_path / "out", ImportOptions(layout="ccxt"))
    assert done.rows == N


def test_one_broken_row_does_not_hide_a_layout(tmp_path: Path) -> None:
    """It is named, as in any other file."""
    lines = FILES["Kraken"]().content.decode().splitlines()
    fields = lines[30].split(",")
    lines[30] = ",".join([*fields[:2], "1", *fields[3:]])
    (tmp_path / "AAA_60.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"line 31: high 1\.0 is below"):
        load_bars(tmp_path, ["AAA"], ["1h"])


def test_what_is_nothing_is_refused_with_what_was_found(tmp_path: Path) -> None:
    few = refused(tmp_path, csv(numbered(TRUTH.time, TRUTH.close, TRUTH.close, TRUTH.close), header=False))
    assert "no header, and 4 columns (first row: 1704067200, " in few and "kraken (7)" in few
    with pytest.raises(DataError, match=r"no column 'date'.*the columns are gmt, Open.*") as caught:
        (tmp_path / "aaa_1h.csv").write_bytes(csv({"gmt": TRUTH.time, **prices({n: n.capitalize() for n in OHLCV})}))
        load_bars(tmp_path, ["aaa"], ["1h"])
    assert "nearest" not in str(caught.value)
    with pytest.raises(DataError, match=r"nearest is the layout alpaca, which also has t$"):
        (tmp_path / "aaa_1h.csv").write_bytes(csv({"x": TRUTH.time, "o": 1, "h": 1, "l": 1, "c": 1}))
        load_bars(tmp_path, ["aaa"], ["1h"])
    assert "not laid out as dukascopy, which has gmt time" in refused(
        tmp_path, csv({"date": TRUTH.time, **prices()}), layout="dukascopy"
    )
    with pytest.raises(ConfigError, match=r"format: found 'ducascopy', no such layout; did you mean dukascopy\?"):
        import_bars([tmp_path / "aaa_1h.csv"], tmp_path, ImportOptions(layout="ducascopy"))


def test_dates_that_disagree_are_refused(tmp_path: Path) -> None:
    late = [*TRUTH.time[:40], *(TRUTH.time[40:] + 60)]
    message = refused(tmp_path, csv({"datetime": text("%Y-%m-%d %H:%M:%S"), "timestamp": late, **prices()}))
    assert "two columns of dates disagree in 20 of 60 rows, first in line 42: datetime 2024-01-02 16:00:00" in message
    (tmp_path / "1h").mkdir()
    (tmp_path / "aaa_1h.csv").rename(tmp_path / "1h" / "aaa_1h.csv")
    (bars,) = load_bars(tmp_path, ["aaa"], ["1h"])
    assert bars.notices == (
        "two columns of dates disagree in 20 of 60 rows, first in line 42: datetime 2024-01-02 16:00:00 and timestamp "
        "1704211260: the first of them is read",
    ), "what was read before is read, and this is said"
    is_truth(bars)
    broken = FILES["CryptoDataDownload"]().content.replace(b"2024-01-02 00:00:00", b"2024-01-02 00:30:00")
    assert "disagree in 1 of 60 rows" in refused(tmp_path, broken)


def test_a_page_of_several_is_told(tmp_path: Path) -> None:
    (tmp_path / "AAA_1h.json").write_bytes(js({"bars": records(), "next_page_token": "x"}))
    assert any("one page of several" in notice for notice in read_table(tmp_path / "AAA_1h.json").notices)


def test_an_answer_without_bars_is_no_table(tmp_path: Path) -> None:
    for content in ({"bars": []}, {"bars": {}}, {"bars": {"AAA": 1}}, {"bars": 1}):
        (tmp_path / "AAA_1h.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match="found one object, should be an array"):
            read_table(tmp_path / "AAA_1h.json")
