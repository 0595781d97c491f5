"""CSV files: names, lines and whole sentences about what is no table separated by commas."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.csv_file import read_csv, read_gzip
from nextbar.errors import DataError

SOURCE = "abc.csv"
NO_TABLE = "not a table separated by commas"
BEGINS = f"{NO_TABLE}: it begins with "
AS_JSON = "as JSON does: save it as a .json file"
PAGE = "a web page? Fetch the file again"


def refusal(data: bytes | str) -> str:
    with pytest.raises(DataError) as caught:
        read_csv(data.encode() if isinstance(data, str) else data, SOURCE)
    text = str(caught.value)
    assert text.startswith(f"{SOURCE}: ")
    return text.removeprefix(f"{SOURCE}: ")


def test_a_table_keeps_names_values_and_lines() -> None:
    """Blank lines are counted, and only where they are rows of a file without a first value left out."""
    table = read_csv(b'\xef\xbb\xbf\r\n \r\nDate,"a,b",close\r\n1,x,NaN\r\n\r\n2,,n/a\r\n,y,3\r\n', SOURCE)
    assert (table.source, table.row_word, table.rows_N.tolist()) == (SOURCE, "line", [4, 6, 7])
    assert list(table.frame.columns) == ["Date", "a,b", "close"] and table.frame.columns.dtype == object
    assert table.frame["close"].tolist() == ["NaN", "n/a", "3"], "words are told as they are"
    assert table.frame["a,b"].isna().tolist() == [False, True, False]
    assert table.frame["Date"].isna().tolist() == [False, False, True]


def test_names_may_repeat_and_be_empty() -> None:
    table = read_csv(b"date,close,close,\n1,2,3,4\n", SOURCE)
    assert list(table.frame.columns) == ["date", "close", "close", ""] and table.rows_N.tolist() == [2]
    with_comma = read_csv(b"date,close\n1,2,\n3,4,\n", SOURCE)
    assert with_comma.frame.to_numpy().tolist() == [[1, 2], [3, 4]]


def test_a_column_of_two_kinds_far_apart_is_read_in_one_go() -> None:
    """In pieces pandas would make numbers of some rows and text of others, and warn."""
    rows = "1,2\n" * 300_000
    table = read_csv(f"date,close\n{rows}1,x\n".encode(), SOURCE)
    assert set(map(type, table.frame["close"].tolist())) == {str}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (gzip.compress(b"date,close\n1,2\n", mtime=0), "this is a gzip file; call it .csv.gz"),
        (b"date,cl\xe9se\n", r"not UTF-8 text (byte 7: b'\xe9'); save the file as UTF-8"),
        (b"\0date\0,close\n", r"not UTF-8 text (byte 0: b'\x00'); save the file as UTF-8"),
        (b"date,\xff\0\n", r"not UTF-8 text (byte 5: b'\xff'); save the file as UTF-8"),
        (
            "\N{NO-BREAK SPACE}\n",
            "the first line, '', has 0 of the 1 names; put all of them in one line, without line breaks inside quotes",
        ),
        ('{"date": 1}', BEGINS + "'{\"date\": 1}', " + AS_JSON),
        (" [1]", BEGINS + "'[1]', " + AS_JSON),
        ("<HTML><p>", BEGINS + "'<HTML><p>', " + PAGE),
        ("<p>\n</p>", BEGINS + "'<p>', " + PAGE),
        ("<?xml>", BEGINS + "'<?xml>', " + PAGE),
        (
            "x" * 140_000,
            f"{NO_TABLE}: the first line, 'xxxxxxxxxxxx...xxxxxxxxxxxxx', should be names (field larger than field "
            "limit (131072))",
        ),
        (
            "Date;Close\n1,2\n",
            "the separator seems to be a semicolon (';'), found in the first line 'Date;Close'; save the file with "
            "commas",
        ),
        (
            '"time"\t"close"\n1,2\n',
            "the separator seems to be a tab ('\\t'), found in the first line '\"time\"\\t\"close\"'; save the file "
            "with commas",
        ),
        (
            "date,close\n1,2,3\n",
            f"{NO_TABLE}: there are more fields in the lines than names in the first, 'date,close'",
        ),
        ("date,close\n1,2\n1,2,3\n", f"{NO_TABLE}: Expected 2 fields in line 3, saw 3"),
        (
            '"da\nte",close\n1,2\n',
            "the first line, '\"da', has 1 of the 2 names; put all of them in one line, without line breaks inside "
            "quotes",
        ),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_in_a_sentence(data: bytes | str, text: str) -> None:
    assert refusal(data) == text


def test_a_separator_is_named_only_with_the_name_of_a_date_beside_it() -> None:
    for header in (
        "open;close",
        "date",
        "date,a;b",
        "<date>,close",
        "[date],close",
        "Xdate;close",
        "date,closeX",
        "date,close ",
    ):
        fields = ",".join("1" for _ in header.split(","))
        assert list(read_csv(f"{header}\n{fields}\n".encode(), SOURCE).frame.columns) == header.split(",")


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\t\n", b" \n\t\n\t\n"])
def test_a_file_of_blank_lines_is_empty(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^abc\.csv: the file is empty$"):
        read_csv(data, SOURCE)


def test_a_zipped_file_is_the_file() -> None:
    data = b"date,close\n1,2\n"
    table = read_gzip(gzip.compress(data), SOURCE)
    pd.testing.assert_frame_equal(table.frame, read_csv(data, SOURCE).frame)
    assert (table.source, table.row_word) == (SOURCE, "line")
    np.testing.assert_array_equal(table.rows_N, [2])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (gzip.compress(b"date,close\n", mtime=0)[:-4], "the gzip file is cut off; fetch it again"),
        (b"date", "not a sound gzip file (Not a gzipped file (b'da')); fetch it again"),
        (gzip.compress(b" \n", mtime=0), "the file is empty"),
        (gzip.compress(b'{"date": 1}', mtime=0), BEGINS + "'{\"date\": 1}', " + AS_JSON),
    ],
)  # fmt: skip
def test_what_is_no_zipped_table_is_told_in_a_sentence(data: bytes, text: str) -> None:
    with pytest.raises(DataError) as caught:
        read_gzip(data, SOURCE)
    assert str(caught.value) == f"{SOURCE}: {text}"


def test_a_damaged_gzip_file_is_told() -> None:
    with pytest.raises(DataError, match=r"^abc\.csv: not a sound gzip file \(Error .*\); fetch it again$"):
        read_gzip(gzip.compress(b"date,close\n", mtime=0)[:10] + b"\xff" * 99, SOURCE)
