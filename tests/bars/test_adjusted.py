"""An adjusted close: which of the two is read, and the other prices with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, make_frame

from nextbar.bars.bars import Bars, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.bars.inventory import take_inventory
from nextbar.data.dataset import build_dataset
from nextbar.errors import ConfigError, DataError

N = 120
PRICES = ("open", "high", "low", "close")


def frame() -> pd.DataFrame:
    """A split 4:1 after bar 80, unadjusted but for the last column, which also knows a dividend after bar 40."""
    made = make_frame(make_bars(n=N, move=1e-3)).drop(columns=["ticker", "resolution"])
    row = np.arange(N)
    made[[*PRICES]] = made[[*PRICES]].mul(np.where(row < 80, 4.0, 1.0), axis=0)
    made["Adj Close"] = made["close"] * np.where(row < 80, 0.25, 1.0) * np.where(row < 40, 0.97, 1.0)
    return made


def read(table: pd.DataFrame, **needs: Any) -> Bars:
    return frame_bars(table, "1h", TableNeeds(**needs))[0]


def test_all_prices_are_scaled_with_the_adjusted_close() -> None:
    table, bars = frame(), read(frame(), price="adjusted")
    np.testing.assert_array_equal(bars.columns["close"], table["Adj Close"])
    factor = table["Adj Close"] / table["close"]
    for name in ("open", "high", "low"):
        np.testing.assert_allclose(bars.columns[name], table[name] * factor, rtol=1e-14)
    np.testing.assert_array_equal(bars.columns["volume"], table["volume"])
    prices = np.stack([bars.columns[name] for name in PRICES])
    np.testing.assert_array_equal(bars.columns["high"], prices.max(axis=0))
    np.testing.assert_array_equal(bars.columns["low"], prices.min(axis=0))
    assert not [line for line in bars.notices if "split" in line], "nothing leaps any more"
    assert [line for line in read(frame()).notices if "is it a split" in line]
    again = read(make_frame(bars).drop(columns=["ticker", "resolution"]), price="adjusted")
    for name in PRICES:
        np.testing.assert_array_equal(again.columns[name], bars.columns[name], "read again they are the same")
    only = read(frame(), price="adjusted", features="close")
    np.testing.assert_array_equal(only.columns["close"], table["Adj Close"])


def test_which_of_the_two_is_read_is_said_where_they_differ() -> None:
    said = (
        "close is read, and adj close is not, which differs from it in 80 of 120 rows, by up to 75.8 %: price adjusted "
        "reads it instead"
    )
    notices = read(frame()).notices
    assert notices[0] == said and not any("adj close" in line for line in notices[1:])
    same = frame()
    same["Adj Close"] = same["close"].round(8)
    assert not any("adj close" in line for line in read(same).notices)
    np.testing.assert_array_equal(read(frame()).columns["close"], frame()["close"])


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "record 4: adj close is empty"), (0.0, "record 4: adj close 0.0 is not above 0"), ("x", "adj close 'x'")],
)
def test_an_adjusted_close_is_held_to_what_a_price_is(value: Any, message: str) -> None:
    table = frame().astype({"Adj Close": object})
    table.loc[3, "Adj Close"] = value
    with pytest.raises(DataError, match=message):
        read(table, price="adjusted")
    assert len(read(table)) == N


def test_without_an_adjusted_close_there_is_nothing_to_read() -> None:
    for table in (frame().drop(columns="Adj Close"), frame().assign(adjclose=1.0)):
        with pytest.raises(DataError, match="no column 'adj close', or two, which price adjusted needs"):
            read(table, price="adjusted")


def test_files_are_imported_with_either(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "abc_1h.csv", index=False)
    for price, column in (("close", "close"), ("adjusted", "Adj Close")):
        import_bars([tmp_path / "abc_1h.csv"], tmp_path / price, ImportOptions(price=price))
        (bars,) = load_bars(tmp_path / price, ["abc"], ["1h"])
        np.testing.assert_array_equal(bars.columns["close"], frame()[column])
    with pytest.raises(ConfigError, match="price: found 'open', should be close or adjusted"):
        import_bars([tmp_path / "abc_1h.csv"], tmp_path / "x", ImportOptions(price="open"))
    (holding,) = take_inventory(tmp_path / "abc_1h.csv")
    assert holding.notices[0].startswith("close is read, and adj close is not")


def test_a_run_is_named_by_the_prices_that_it_reads() -> None:
    configs = [make_config(price=price, tickers="series") for price in ("close", "adjusted")]
    prints = [
        build_dataset(config, frame_bars(frame(), "1h", TableNeeds.of(config.dataset_config))).fingerprint
        for config in configs
    ]
    assert prints[0] != prints[1] and configs[0].digest() != configs[1].digest()
