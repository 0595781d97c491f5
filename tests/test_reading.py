"""Files of bars: every format, every spelling of a date, and files broken as a whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bar_files import SPELLINGS, START, WRITERS, bars_table, load, refusal, write
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.data.bars import load_bars
from nextbar.data.dates import instant


@pytest.mark.parametrize("extension", WRITERS)
def test_every_format_gives_the_same_bars(tmp_path: Path, extension: str):
    table = bars_table(200)
    write(tmp_path, table, extension)
    bars = load(tmp_path)
    assert (bars.name, bars.step, len(bars), bars.notices) == ("abc_1h", 3600, 200, ())
    np.testing.assert_array_equal(bars.time_N, START + 3600 * np.arange(200))
    np.testing.assert_array_equal(bars.close_time_N, bars.time_N + 3600)
    assert bars.time_N.dtype == np.int64
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(bars.columns[name], table[name], strict=True)


@pytest.mark.parametrize("extension", WRITERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_date(tmp_path: Path, spelling: str, extension: str):
    write(tmp_path, bars_table().assign(date=SPELLINGS[spelling]), extension)
    np.testing.assert_array_equal(load(tmp_path).time_N, START + 3600 * np.arange(8))


@settings(max_examples=200, deadline=None)
@given(st.integers(-2_208_981_600, 7_258_118_399))
def test_an_instant_is_read_as_python_reads_it(seconds: int):
    text = str(np.datetime64(seconds, "s"))
    assert instant(text) == instant(text + "Z") == instant(seconds) == seconds
    assert instant(text + "+02:00") == seconds - 7200


@pytest.mark.parametrize("step", [60, 3600, 86_400])
def test_epoch_seconds_from_zero_are_no_calendar_days(tmp_path: Path, step: int):
    folder = tmp_path / f"{step // 60}m"
    folder.mkdir()
    frame = bars_table(300).assign(date=step * np.arange(300))
    frame.to_csv(folder / f"abc_{folder.name}.csv", index=False)
    (bars,) = load_bars(tmp_path, ["abc"], [folder.name], "ohlcv")
    np.testing.assert_array_equal(bars.time_N, step * np.arange(300))


def test_days_written_as_numbers(tmp_path: Path):
    (tmp_path / "1d").mkdir()
    days = pd.date_range("2021-02-20", periods=30)
    bars_table(30).assign(date=days.strftime("%Y%m%d")).to_csv(tmp_path / "1d" / "abc_1d.csv", index=False)
    (bars,) = load_bars(tmp_path, ["abc"], ["1d"], "ohlcv")
    np.testing.assert_array_equal(bars.time_N, days.as_unit("s").astype("int64"))


@pytest.mark.parametrize("name", ["Date", "DATETIME", "timestamp", " Time "])
def test_names_of_columns_in_any_case(tmp_path: Path, name: str):
    table = bars_table().assign(tradesDone=range(8), volumeNotional=1.0, rsi=0.5, symbol="ABC")
    table["Adj Close"] = 2.0
    table = table.rename(columns={"date": name, "open": "OPEN", "volume": "Volume", "rsi": "RSI"})
    write(tmp_path, table)
    assert list(load(tmp_path).columns) == ["open", "high", "low", "close", "volume", "trades", "rsi"]
    asked = load(tmp_path, indicators=["Adj Close", "volumeNotional"]).columns
    assert {"adj close", "volumenotional"} <= set(asked)


def test_a_byte_order_mark_and_blank_lines_do_not_matter(tmp_path: Path):
    lines = bars_table().to_csv(index=False).splitlines()
    text = "\ufeff" + "\n\n" + "\r\n".join([*lines[:4], "", *lines[4:], "", ""])
    write(tmp_path, text)
    assert len(load(tmp_path)) == 8
    close = lines[4].split(",")[4]
    assert "line 8: close 'x'" in refusal(tmp_path, text.replace(close, "x", 1))


@pytest.mark.parametrize(
    ("separator", "word"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a bar"), (" ", "a space")]
)
def test_another_separator_is_named(tmp_path: Path, separator: str, word: str):
    message = refusal(tmp_path, bars_table().to_csv(index=False, sep=separator))
    assert f"the separator seems to be {word}" in message


CSV = bars_table(2000).to_csv(index=False)
BROKEN = {
    "empty": (b"", "csv", "the file is empty"),
    "blank": (b" \n\n", "json", "the file is empty"),
    "only names": (CSV.splitlines()[0].encode(), "csv", "no rows"),
    "empty array": (b"[]", "json", "an array without a record"),
    "truncated gzip": (gzip.compress(CSV.encode())[:-500], "csv.gz", "the gzip file is cut off"),
    "no gzip": (CSV.encode(), "csv.gz", "not a sound gzip file"),
    "damaged gzip": (gzip.compress(CSV.encode())[:40] + b"\xff" * 99, "csv.gz", "gzip"),
    "empty inside gzip": (gzip.compress(b""), "csv.gz", "the file is empty"),
    "gzip named csv": (gzip.compress(CSV.encode()), "csv", "call it .csv.gz"),
    "no text": (CSV.encode("utf-16"), "csv", "not UTF-8 text"),
    "cut json": (json.dumps(bars_table().to_dict("records"))[:-40].encode(), "json", "broken JSON at line 1"),
    "json lines": (b'{"date": 1}\n{"date": 2}', "json", "write all objects as one array"),
    "object": (b'{"date": [1, 2]}', "json", "found one object, should be an array"),
    "array of arrays": (b"[[1, 2]]", "json", "record 1 is array"),
    "too many fields": (
        CSV.replace("\n", ",9,9\n", 20).replace(",9,9", "", 5).encode(),
        "csv",
        "Expected 6 fields in line 6, saw 8",
    ),
    "no parquet": (b"PAR1 and something else", "parquet", "not a sound Parquet file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, kind: str):
    content, extension, text = BROKEN[kind]
    message = refusal(tmp_path, content, extension)
    assert text in message and f"abc_1h.{extension}" in message and len(message.splitlines()) == 1


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_parquet_file(tmp_path: Path, keep: float):
    data = write(tmp_path, bars_table(500), "parquet").read_bytes()
    assert "not a sound Parquet file" in refusal(tmp_path, data[: int(keep * len(data))], "parquet")
