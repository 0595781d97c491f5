"""Files of bars: every format, every spelling of a date, and files broken as a whole."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from bar_files import SPELLINGS, START, WRITERS, bars_table, load, refusal, write
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.bars.bars import load_bars
from nextbar.bars.dates import instant
from nextbar.bars.inventory import take_inventory
from nextbar.bars.levels import index_as_columns
from nextbar.bars.reading import READERS, any_extension, extension_of, read_table
from nextbar.bars.table import Table
from nextbar.errors import ConfigError, DataError


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


@settings(max_examples=100, deadline=None)
@given(st.integers(100_000_000, 7_258_118_399), st.integers(0, 999))
def test_an_instant_is_the_second_it_lies_in_whatever_counts_it(seconds: int, thousandth: int):
    for number in (seconds * 1000 + thousandth, seconds * 10**6 + thousandth, seconds * 10**9 + thousandth):
        assert instant(number) == instant(np.int64(number)) == instant(str(number)) == seconds
        assert instant(number, end=True) == seconds
    assert instant(f"{seconds}.{thousandth:03d}") == instant(f"{seconds}.{thousandth:03d}", end=True) == seconds
    assert instant(f"{np.datetime64(seconds, 's')}.{thousandth:03d}Z") == seconds


def test_only_a_day_has_an_end_and_a_small_number_is_no_day():
    for day in ("2024-01-31", "20240131", " 2024-01-31 ", dt.date(2024, 1, 31)):
        assert instant(day, end=True) - instant(day) == 86_400
    for moment in ("1527811200", "2024-01-31T00", dt.datetime(2024, 1, 31)):
        assert instant(moment, end=True) == instant(moment)
    assert instant(20240131) == 20240131
    for wrong in (10**30, True, "nan"):
        with pytest.raises(ConfigError, match=f"found {wrong!r}, which is not a date"):
            instant(wrong)


@pytest.mark.parametrize("step", [60, 3600, 86_400])
def test_epoch_seconds_from_zero_are_no_calendar_days(tmp_path: Path, step: int):
    folder = tmp_path / f"{step // 60}m"
    folder.mkdir()
    frame = bars_table(300).assign(date=step * np.arange(300))
    frame.to_csv(folder / f"abc_{folder.name}.csv", index=False)
    (bars,) = load_bars(tmp_path, ["abc"], [folder.name])
    np.testing.assert_array_equal(bars.time_N, step * np.arange(300))


def test_days_written_as_numbers(tmp_path: Path):
    (tmp_path / "1d").mkdir()
    days = pd.date_range("2021-02-20", periods=30)
    bars_table(30).assign(date=days.strftime("%Y%m%d")).to_csv(tmp_path / "1d" / "abc_1d.csv", index=False)
    (bars,) = load_bars(tmp_path, ["abc"], ["1d"])
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


def test_blanks_between_fields_are_named(tmp_path: Path):
    message = refusal(tmp_path, bars_table().to_csv(index=False, sep=" "))
    assert "the separator seems to be a space" in message


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_is_told(tmp_path: Path, separator: str, word: str):
    write(tmp_path, bars_table().to_csv(index=False, sep=separator))
    bars = load(tmp_path)
    assert bars.notices == (f"assumed: separated by {word}",)
    np.testing.assert_array_equal(bars.columns["close"], bars_table()["close"])


CSV = bars_table(2000).to_csv(index=False)
RECORDS = json.dumps(bars_table().to_dict("records"))
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
    "no text": (CSV.encode("cp500"), "csv", "not UTF-8 text"),
    "cut json": (json.dumps(bars_table().to_dict("records"))[:-40].encode(), "json", "broken JSON at line 1"),
    "json lines": (b'{"date": 1}\n{"date": 2}', "json", "write all objects as one array"),
    "object": (b'{"date": [1, 2]}', "json", "found one object, should be an array"),
    "array of arrays": (b"[[1, 2]]", "json", "no header, and 2 columns (first row: 1, 2)"),
    "too many fields": (
        CSV.replace("\n", ",9,9\n", 20).replace(",9,9", "", 5).encode(),
        "csv",
        "Expected 6 fields in line 6, saw 8",
    ),
    "endless name": (
        b"x" * 140_000 + b"\n1\n",
        "csv",
        "the first line, 'xxxxxxxxxxxx...xxxxxxxxxxxxx', should be names",
    ),
    "line break in a name": (
        CSV.replace("date", '"da\nte"', 1).encode(),
        "csv",
        "has 1 of the 6 names; put all of them in one line, ",
    ),
    "array of objects as csv": (RECORDS.encode(), "csv", "as JSON does: save it as a .json file"),
    "array over lines as csv": (
        json.dumps([{"date": 1}], indent=1).encode(),
        "csv",
        "it begins with '[', as JSON does",
    ),
    "object as csv": (b'\n {"date": 1}', "csv", "it begins with '{\"date\": 1}', as JSON does"),
    "array as zipped csv": (gzip.compress(RECORDS.encode()), "csv.gz", "as JSON does"),
    "page as csv": (b"<p>404, not found</p>", "csv", "'<p>404, not found</p>', a web page? Fetch the file again"),
    "minified page as csv": (b"<!doctype html>" + b"x" * 140_000, "csv", "a web page?"),
    "names in angle brackets": (CSV.replace("date", "<DATE>", 1).splitlines()[0].encode(), "csv", "no rows"),
    "names in square brackets": (CSV.replace("date", "[date]", 1).splitlines()[0].encode(), "csv", "no rows"),
    "endless number": (
        RECORDS.replace("100.0", "9" * 5000, 1).encode(),
        "json",
        "a number of more than 4,300 digits; write it shorter",
    ),
    "half a character in a date": (
        RECORDS.replace("2020", "\\ud800", 1).encode(),
        "json",
        r"""half a character, '\ud800', in '[{"date": "\ud800-09-13T""",
    ),
    "half a character in a name": (
        RECORDS.replace("open", "\\uDC00", 1).encode(),
        "json",
        r"half a character, '\udc00'",
    ),
    "half a character as bytes": (RECORDS.encode().replace(b"2020", b"\xed\xa0\x80", 1), "json", "not UTF-8 text"),
    "no parquet": (b"PAR1 and something else", "parquet", "not a sound Parquet file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, kind: str):
    content, extension, text = BROKEN[kind]
    message = refusal(tmp_path, content, extension)
    assert text in message and f"abc_1h.{extension}" in message and len(message.splitlines()) == 1
    (holding,) = take_inventory(tmp_path)
    assert text in holding.problems[0], "the table of all files does not stumble over it"


def test_whole_characters_may_be_escaped_in_json(tmp_path: Path):
    write(tmp_path, RECORDS.replace('"volume"', '"\\ud83d\\ude00": 1, "volume"'), "json")
    assert "\N{GRINNING FACE}" in load(tmp_path).columns


def pandas_metadata(**changed: object) -> bytes:
    """A Parquet file whose note of what pandas knew is damaged."""
    table = pa.Table.from_pandas(bars_table())
    note = {**json.loads(table.schema.metadata[b"pandas"]), **changed}
    file = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(note)}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "changed",
    [
        {"index_columns": ["nope"]},
        {"index_columns": 5},
        {"columns": [5]},
        {"columns": [{"name": 1}]},
        {"columns": None},
    ],
    ids=str,
)
def test_damaged_metadata_in_parquet(tmp_path: Path, changed: dict[str, object]):
    message = refusal(tmp_path, pandas_metadata(**changed), "parquet")
    assert "abc_1h.parquet: the pandas metadata of the Parquet file is damaged (" in message
    assert "write the file again" in message and len(message.splitlines()) == 1
    (holding,) = take_inventory(tmp_path)
    assert "is damaged" in holding.problems[0]
    write(tmp_path, pandas_metadata(), "parquet")
    assert len(load(tmp_path)) == 8


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_parquet_file(tmp_path: Path, keep: float):
    data = write(tmp_path, bars_table(500), "parquet").read_bytes()
    assert "not a sound Parquet file" in refusal(tmp_path, data[: int(keep * len(data))], "parquet")


def test_a_further_format_is_a_function_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_upside_down(data: bytes, source: str) -> Table:
        frame = pd.read_csv(io.BytesIO(data)).iloc[::-1]
        return Table(source, frame, np.arange(len(frame), 0, -1))

    monkeypatch.setitem(READERS, ".bars", read_upside_down)
    (tmp_path / "1h").mkdir()
    bars_table().to_csv(tmp_path / "1h" / "abc_1h.bars", index=False)
    bars = load(tmp_path)
    assert len(bars) == len(bars_table()) and "sorted" in bars.notices[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"ext one of json, csv, csv\.gz, parquet, bars"):
        take_inventory(tmp_path / "empty")


def unreadable(path: Path, data: bytes | str | None = None) -> str:
    if data is not None:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(DataError) as caught:
        read_table(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_the_ending_of_a_name_tells_the_format(tmp_path: Path) -> None:
    names = ("a.json", "a.csv", "A.CSV.GZ", "a.b.Parquet", "a.gz", "a.csv.zip", "csv", "")
    assert [extension_of(name) for name in names] == [".json", ".csv", ".csv.gz", ".parquet", None, None, None, None]
    names = ("a.json", "A.CSV.GZ", "a.Feather", "a.csv.zip", "a.txt", "a.tsv", "a.gz", "")
    known = [".json", ".csv.gz", ".feather", ".zip", ".txt", ".tsv", None, None]
    assert [any_extension(name) for name in names] == known
    formats = "cannot be read as bars; the formats are .json, .csv, .csv.gz, .parquet, .feather, .zip, .txt, .tsv"
    assert unreadable(tmp_path / "a.xls", "date,close") == formats
    assert unreadable(tmp_path / "a.json") == "cannot be read: No such file or directory"
    assert unreadable(tmp_path / "a.csv", " \n") == "the file is empty"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'[{"a": "\xff"}]', "not UTF-8 text; save the file as UTF-8"),
        (
            '[{"a": "' + "x" * 99 + '\\ud800' + "y" * 99 + '"}]',
            "broken JSON: half a character, '\\ud800', in '" + "x" * 20 + "\\ud800" + "y" * 10 + "'; write whole ones",
        ),
        (
            '["\\ud800"]',
            "broken JSON: half a character, '\\ud800', in '[\"\\ud800\"]'; write whole ones",
        ),
        ("[{},\n  }", "broken JSON at line 2, column 3: Expecting value; is it cut off?"),
        ("{}\n{}", "broken JSON at line 2, column 1: Extra data; write all objects as one array, [{...}, {...}]"),
        ("[" * 100_000, "broken JSON: nested too deep for an array of objects"),
        ("[" + "9" * 5000 + "]", "a number of more than 4,300 digits; write it shorter, such as 1e9"),
        ("[]", "the file is empty: an array without a record"),
        *((text, f"found one {word}, should be an array of objects, one a bar") for text, word in (
            ("{}", "object"), ('"x"', "text"), ("true", "true/false"), ("null", "null"), ("1", "number"),
            ("1.5", "number"),
        )),
        ("[{}, [1]]", "record 2 is array, should be an object such as "
            '{"date": "2024-01-31T13:00:00Z", "open": 1.0, ...}'),
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_array_of_objects_is_told_in_a_sentence(tmp_path: Path, data: bytes | str, text: str) -> None:
    assert unreadable(tmp_path / "a.json", data) == text


def test_json_in_other_encodings_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / "a.json"
        path.write_bytes('[{"date": 1, "näme": "ä"}, {"close": 2}]'.encode(encoding))
        table = read_table(path)
        assert list(table.frame.columns) == ["date", "näme", "close"] and table.frame["näme"][0] == "ä"
        assert (table.source, table.row_word, table.rows_N.tolist()) == (str(path), "record", [1, 2])


def test_a_parquet_file_keeps_its_index(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    bars_table(3).assign(date=pd.date_range("2024", periods=3)).set_index("date").rename_axis(None).to_parquet(path)
    table = read_table(path)
    assert list(table.frame.columns) == ["open", "high", "low", "close", "volume", "date"]
    assert (table.source, table.row_word, table.rows_N.tolist()) == (str(path), "record", [1, 2, 3])


@pytest.mark.parametrize("extension", ["parquet", "feather"])
def test_text_that_is_not_utf8_is_told(tmp_path: Path, extension: str) -> None:
    table = bars_table(3).assign(date="2024-01-01T00:00:00Z")
    buffer = io.BytesIO()
    if extension == "parquet":
        table.to_parquet(buffer, compression=None, use_dictionary=False)
    else:
        table.to_feather(buffer, compression="uncompressed")
    data = buffer.getvalue().replace(b"2024-01-01", b"\xb2024-01-01"[:10])
    assert data != buffer.getvalue()
    assert "Invalid UTF8 sequence" in unreadable(tmp_path / f"a_1h.{extension}", data)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (pa.ArrowInvalid("why\nand where"), "not a sound Parquet file, or cut off (why)"),
        (OSError("why"), "not a sound Parquet file, or cut off (why)"),
        (ValueError("why"), "not a sound Parquet file, or cut off (why)"),
        (
            KeyError("why"),
            "the pandas metadata of the Parquet file is damaged (KeyError: 'why'); write the file again",
        ),
    ],
    ids=repr,
)
def test_what_is_no_parquet_file_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    buffer = io.BytesIO()
    bars_table(3).to_parquet(buffer)

    def fail(file: io.BytesIO) -> None:
        assert file.read() == buffer.getvalue()
        raise error

    monkeypatch.setattr(parquet, "read_table", fail)
    assert unreadable(tmp_path / "a.parquet", buffer.getvalue()) == text


def test_levels_of_an_index_become_columns() -> None:
    """Those with a name that is not taken, after the others; dates have one in any case."""
    frame = pd.DataFrame({"close": [1.0, 2.0], "b": [3, 4]})
    levels = [["x", "y"], [5, 6], [7, 8]]
    made = index_as_columns(frame.set_axis(pd.MultiIndex.from_arrays(levels, names=["a", "b", None])), "date")
    assert made.to_dict("list") == {"close": [1.0, 2.0], "b": [3, 4], "a": ["x", "y"]}
    assert made.index.tolist() == [0, 1]
    days = pd.period_range("2024-01-01", periods=2, freq="D")
    for index, name in ((days, "when"), (days.to_timestamp(), "when"), (days.rename("day"), "day")):
        made = index_as_columns(frame.set_axis(index), "when")
        assert list(made.columns) == ["close", "b", name] and made[name].tolist() == days.to_timestamp().tolist()
    pd.testing.assert_frame_equal(index_as_columns(frame.set_axis([5, 6]), "when"), frame)
    named = pd.DatetimeIndex(days.to_timestamp(), name="close")
    assert list(index_as_columns(frame.set_axis(named), "when").columns) == ["close", "b"]
