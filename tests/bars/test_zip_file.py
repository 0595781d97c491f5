"""Zip files: one file in them, sound, and not larger than it may be."""

from __future__ import annotations

import io
import zipfile

import pytest

from nextbar.bars.bounds import VARIABLE
from nextbar.bars.reading import FURTHER
from nextbar.bars.zip_file import only_member
from nextbar.errors import DataError


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_only_file_is_read(method: int) -> None:
    members = {"folder/": b"", "folder/a.csv": b"date,close\n1,2\n", "__MACOSX/._a.csv": b"x"}
    assert only_member(packed(members, method), "a.zip") == ("folder/a.csv", b"date,close\n1,2\n")


def encrypted() -> bytes:
    data = bytearray(packed({"a.csv": b"x"}, zipfile.ZIP_STORED))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    return bytes(data)


def other_method() -> bytes:
    data = bytearray(packed({"a.csv": b"x"}, zipfile.ZIP_STORED))
    for signature, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + at] = 99
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packed({}), "a zip file of bars has one file in it, found none"),
        (packed({"a.csv": b"x", "b.csv": b"y"}), "found 'a.csv', 'b.csv'; unpack it"),
        (packed({"a.csv": b" \n"}), "the file in the zip file is empty"),
        (b"PK\x03\x04 not one", "not a sound zip file (File is not a zip file)"),
        (packed({"a.csv": b"date,close\n" * 99})[:-30], "not a sound zip file"),
        (packed({"a.csv": b"date"}, zipfile.ZIP_STORED).replace(b"date", b"dote", 1), "not a sound zip file (Bad CRC"),
        (encrypted(), "the zip file has a password; unpack it"),
        (other_method(), "packed by a method that is not read here; unpack it"),
        (packed({"a.csv": b"0" * 20_000_000}), "bytes unpack into more than 10,000,000 bytes"),
    ],
)
def test_what_is_no_zip_file_of_bars_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        only_member(data, "a.zip")
    assert str(caught.value).startswith("a.zip: ") and message in str(caught.value)


def test_the_bound_is_that_of_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1000")
    assert len(only_member(packed({"a.csv": b"x" * 1000}), "a.zip")[1]) == 1000
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        only_member(packed({"a.csv": b"x" * 1001}), "a.zip")


@pytest.mark.parametrize("name", ["a.zip", "a.csv.gz", "a.xls"])
def test_only_bars_are_read_inside(name: str) -> None:
    with pytest.raises(DataError, match=f"'{name}' in the zip file cannot be read as bars"):
        FURTHER[".zip"](packed({name: b"date,close\n1,2\n"}), "x.zip")
