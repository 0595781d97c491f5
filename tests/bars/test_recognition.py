"""Which layout a table has: not guessed where several fit, refused with what was found where none does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layout_files import FILES, OHLCV, TRUTH, N, csv, js, numbered, ohlcv, prices, records, text

from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.bars.reading import read_table
from nextbar.bars.recognition import single
from nextbar.bars.table import Table
from nextbar.errors import ConfigError, DataError


def is_truth(bars: Bars) -> None:
    np.testing.assert_array_equal(bars.time_N, TRUTH.time)
    for name in OHLCV:
        np.testing.assert_array_equal(bars.columns[name], TRUTH[name].to_numpy(float), err_msg=name)


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


def test_a_seventh_column_with_fractions_is_no_number_of_trades(tmp_path: Path) -> None:
    """Others write the turnover there."""
    turnover = csv(numbered(TRUTH.time, *ohlcv(), TRUTH.close * TRUTH.volume + 0.5), header=False)
    assert "no header, and 7 columns" in refused(tmp_path, turnover)


def test_dates_of_another_form_without_names(tmp_path: Path) -> None:
    content = csv(numbered(text("%d.%m.%Y %H:%M"), *ohlcv()), ";", header=False)
    assert "no header, and 6 columns" in refused(tmp_path, content)
    import_bars([tmp_path / "aaa_1h.csv"], tmp_path / "out", ImportOptions(date_format="%d.%m.%Y %H:%M"))
    is_truth(load_bars(tmp_path / "out", ["aaa"], ["1h"])[0])


def test_a_few_bars_that_move_tell_unless_another_is_broken(tmp_path: Path) -> None:
    values = np.stack([TRUTH.time, *[TRUTH.close] * 4, TRUTH.volume], axis=1)
    values[5:8, 1:5] = TRUTH.loc[5:7, OHLCV[:4]]
    path = tmp_path / "aaa_1h.json"
    path.write_text(json.dumps(values.tolist()))
    assert read_table(path).layout == "ccxt"
    values[20, 1:5] = 1, 2, 3, 4  # high below low in every layout
    path.write_text(json.dumps(values.tolist()))
    with pytest.raises(DataError, match="ccxt and coinbase and bitfinex alike"):
        read_table(path)


def test_two_columns_of_tickers_are_refused() -> None:
    names = ["ticker", "date", "ticker", "close"]
    table = Table("a.csv", pd.DataFrame([["x", 1, "y", 2.0]], columns=names), np.array([2]), layout="polygon")
    with pytest.raises(DataError, match=r"a\.csv: two columns are called 'ticker'"):
        single(table, "x")
