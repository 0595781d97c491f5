"""Folders of bars and the series in them."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bar_files import START, bars_table, load, write
from builders import make_bars
from markets import MARKETS, opening_times

from nextbar.bars.bars import Bars, fingerprint, is_bars, list_series, load_bars, table_bars
from nextbar.bars.columns import DEFAULT_NEEDS
from nextbar.bars.inventory import take_inventory
from nextbar.bars.table import Table
from nextbar.errors import ConfigError, DataError


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path):
    for name in ("eth_usd", "btc_usd"):
        write(tmp_path, bars_table(), name=name)
    write(tmp_path, "junk", "txt")
    assert [(r, t) for r, t, _ in list_series(tmp_path)] == [("1h", "btc_usd"), ("1h", "eth_usd")]
    with pytest.raises(DataError, match=r"'btc_ust' at 1h.*there are btc_usd, eth_usd\. Did you mean 'btc_usd'"):
        load_bars(tmp_path, ["btc_ust"], ["1h"])
    with pytest.raises(DataError, match=r"resolution '4h'.*there are 1h"):
        load_bars(tmp_path, ["btc_usd"], ["1h", "4h"])
    with pytest.raises(DataError, match=r"no folder .*there are 1h"):
        load_bars(tmp_path / "nowhere", ["btc_usd"], ["1h"])
    with pytest.raises(ConfigError, match="'hourly'"):
        load_bars(tmp_path, ["btc_usd"], ["hourly"])


def test_two_files_for_one_series_are_both_named(tmp_path: Path):
    write(tmp_path, bars_table())
    write(tmp_path, bars_table(), "json")
    with pytest.raises(DataError, match=r"abc_1h\.csv and .*abc_1h\.json"):
        load(tmp_path)


def test_series_come_by_resolution_then_ticker(tmp_path: Path):
    for resolution, step in (("1h", 3600), ("4h", 14_400)):
        (tmp_path / resolution).mkdir()
        for name in ("b", "a"):
            bars_table(step=step).to_csv(tmp_path / resolution / f"{name}_{resolution}.csv", index=False)
    names = [bars.name for bars in load_bars(tmp_path, ["b", "a"], ["4h", "1h"])]
    assert names == ["b_4h", "a_4h", "b_1h", "a_1h"]


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path):
    write(tmp_path, bars_table(60).drop(index=[20, 21]), name="good")
    write(tmp_path, bars_table(60).drop(columns="open"), name="partial")
    write(tmp_path, b"\x00\xff", name="bad")
    write(tmp_path, bars_table(), name="twice")
    write(tmp_path, bars_table(), "parquet", name="twice")
    found = {(holding.ticker, holding.path.suffix): holding for holding in take_inventory(tmp_path)}
    good = found["good", ".csv"]
    assert (good.rows, good.holes, good.missing, good.calendar, good.problems) == (58, 1, 2, "24/7", ())
    assert (good.first, good.last) == (START, START + 59 * 3600)
    assert good.timezone == "UTC"
    partial = found["partial", ".csv"]
    assert partial.rows == 60 and "no column 'open'" in partial.problems[0]
    assert found["bad", ".csv"].rows is None and "UTF-8" in found["bad", ".csv"].problems[0]
    assert all("one of 2 files" in found["twice", suffix].problems[0] for suffix in (".csv", ".parquet"))
    inside = take_inventory(tmp_path / "1h")
    assert {(holding.ticker, holding.path.suffix) for holding in inside} == set(found), "or that folder itself"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no bars in"):
        take_inventory(tmp_path / "empty")


def test_the_inventory_tells_the_time_zone(tmp_path: Path):
    time_N = opening_times(MARKETS["Sydney"], 3_600, dt.date(2020, 1, 6), 364)
    dates = pd.to_datetime(time_N, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")
    write(tmp_path, bars_table(len(time_N)).assign(date=dates))
    (holding,) = take_inventory(tmp_path)
    assert (holding.calendar, holding.timezone, holding.holes) == ("sessions", "Australia/Sydney", 0)


def test_a_part_of_bars_is_no_copy() -> None:
    bars = make_bars("abc", n=10)
    for part in (bars.first(4), bars.last(4), bars.between(), bars.between(int(bars.time_N[3]), None)):
        assert len(part) > 3 and np.shares_memory(part.columns["close"], bars.columns["close"])


def test_between_judges_by_the_closing_time(tmp_path: Path):
    write(tmp_path, bars_table(72))
    bars = load(tmp_path)
    day = bars.between("2020-09-14", "2020-09-14")
    assert [str(np.datetime64(int(t), "s")) for t in day.time_N[[0, -1]]] == [
        "2020-09-14T00:00:00",
        "2020-09-14T23:00:00",
    ]
    assert len(day) == 24 and len(day.columns["close"]) == 24
    assert len(bars.between(None, "2020-09-13T12:00:00Z")) == 12
    assert len(bars.between("2020-09-13T12:00:00Z", None)) == 60
    assert len(bars.between()) == 72
    with pytest.raises(ConfigError, match="'someday'"):
        bars.between("someday")


def test_the_fingerprint_knows_every_value_and_no_order(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path, bars_table(), name=name)
        write(tmp_path, bars_table(), "json", name=name + "2")
    a, b = load_bars(tmp_path, ["a", "b"], ["1h"])
    assert fingerprint([a, b]) == fingerprint([b, a]) != fingerprint([a])
    again = load_bars(tmp_path, ["a2"], ["1h"])[0]
    assert fingerprint([Bars("a", "1h", again.time_N, again.columns)]) == fingerprint([a])
    for name in a.columns:
        changed = {**a.columns, name: a.columns[name] + np.eye(1, len(a), 5)[0] * 1e-9}
        assert fingerprint([Bars("a", "1h", a.time_N, changed)]) != fingerprint([a])
    assert fingerprint([Bars("a", "1h", a.time_N + 1, a.columns)]) != fingerprint([a])


def test_the_fingerprint_is_a_digest_of_names_times_and_values() -> None:
    """The same on every machine and in every version, since runs keep it; the sign of a zero or a NaN is no value."""
    time_N = np.array([0, 3600])
    columns = {"volume": np.array([-0.0, -np.nan]), "close": np.array([1.5, 2.0], np.float32)}
    written = b"b_1h 2\n" + struct.pack("<2q", 0, 3600)
    written += b"close\n" + struct.pack("<2d", 1.5, 2.0) + b"volume\n" + struct.pack("<2d", 0.0, np.nan)
    short = Bars("a", "1d", time_N[:1].astype(np.int32), {})
    digest = hashlib.sha256(b"a_1d 1\n" + struct.pack("<q", 0) + written).hexdigest()
    assert fingerprint([Bars("b", "1h", time_N, columns), short]) == digest


def test_a_cut_keeps_names_and_notices() -> None:
    bars = Bars("a", "1h", np.array([0, 3600]), {"close": np.array([1.0, 2.0])}, ("a notice",))
    cut = bars.between(7200 - 1)
    assert (cut.ticker, cut.resolution, cut.notices) == ("a", "1h", ("a notice",))
    assert cut.time_N.tolist() == [3600] and cut.columns["close"].tolist() == [2.0]
    assert bars.between(3600, 7200).time_N.tolist() == [3600]  # one closes at the very beginning, one at the end
    assert not len(bars.between(3600, 7199))


def test_what_is_a_list_of_bars() -> None:
    bars = Bars("a", "1h", np.array([0]), {})
    assert is_bars([bars]) and is_bars((bars, bars))
    for other in ([], (), [bars, None], bars, None, {bars: bars}, iter([bars])):
        assert is_bars(other) is False


def test_notices_are_logged_with_the_source(caplog: pytest.LogCaptureFixture) -> None:
    table = Table("a.csv", bars_table().assign(volume=np.nan), np.arange(8))
    bars = table_bars(table, "a", "1h", DEFAULT_NEEDS)
    assert bars.notices == ("volume is empty and left out",)
    assert caplog.record_tuples == [("nextbar", 30, "a.csv: volume is empty and left out")]


@pytest.mark.parametrize("extension", ["csv.gz", "json"])
def test_the_real_layout_reads_whole(shared_data: Path, tmp_path: Path, extension: str):
    (bars,) = load_bars(shared_data, ["eur_usd"], ["1h"])
    assert len(bars) == 55_745 and list(bars.columns) == ["open", "high", "low", "close"]
    frame = pd.DataFrame({"Date": bars.time_N * 1000, **bars.columns})
    write(tmp_path, frame, extension)
    again = load(tmp_path)
    assert fingerprint([Bars("eur_usd", "1h", again.time_N, again.columns)]) == fingerprint([bars])
