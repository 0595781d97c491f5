"""How large files of bars may be: whatever they unpack into, less is read than a machine has."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pandas as pd
import pytest
from bar_files import bars_table

from nextbar.bars.bounds import ANYWAY, LARGEST, RATIO, VARIABLE, largest, largest_unpacked
from nextbar.bars.reading import read_table
from nextbar.errors import DataError


def test_every_file_may_become_so_much_and_a_large_one_so_many_times_its_size() -> None:
    assert largest() == LARGEST
    assert largest_unpacked(1) == largest_unpacked(ANYWAY // RATIO) == ANYWAY
    assert largest_unpacked(ANYWAY) == RATIO * ANYWAY
    assert largest_unpacked(LARGEST) == LARGEST


def test_the_environment_may_allow_more_or_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "5e9")
    assert largest() == largest_unpacked(1) == 5 * 10**9
    for text in ("much", "", "inf", "nan"):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(DataError, match=f"{VARIABLE}: found {text!r}, should be a number of bytes, such as 5e9"):
            largest()


@pytest.mark.parametrize("extension", ["csv", "csv.gz", "json", "parquet"])
def test_a_file_is_read_up_to_the_bound_and_not_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    path, frame = tmp_path / f"abc_1h.{extension}", bars_table(200)
    if extension == "parquet":
        frame.to_parquet(path)
        size = 200 * 6 * 8
        size = max(size, _packed(path))
    elif extension == "json":
        frame.to_json(path, orient="records")
        size = path.stat().st_size
    else:
        frame.to_csv(path, index=False)
        size = len(frame.to_csv(index=False).encode())
    monkeypatch.setenv(VARIABLE, str(max(size, path.stat().st_size)))
    assert len(read_table(path)) == 200
    monkeypatch.setenv(VARIABLE, str(size - 1))
    with pytest.raises(DataError, match=rf"more than {size - 1:,} bytes, the most that is read; .* set {VARIABLE}"):
        read_table(path)


def _packed(path: Path) -> int:
    import pyarrow.parquet as pq

    facts = pq.read_metadata(path)
    return sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "abc_1h.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(b"0" * 2**20)
    with pytest.raises(DataError, match=r"its \d+,\d+ bytes unpack into more than [\d,]+ bytes"):
        read_table(path)
    buffer = io.BytesIO()
    pd.DataFrame({"date": [0] * 3_000_000}).to_parquet(buffer)
    (tmp_path / "abc_1h.parquet").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="unpack into more than 10,000,000 bytes"):
        read_table(tmp_path / "abc_1h.parquet")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "abc_1h.csv")
    with pytest.raises(DataError, match=r"abc_1h\.csv: cannot be read: it is a pipe, should be a regular file"):
        read_table(tmp_path / "abc_1h.csv")
    (tmp_path / "abd_1h.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"abd_1h\.csv: cannot be read: it is a device"):
        read_table(tmp_path / "abd_1h.csv")
    (tmp_path / "abe_1h.csv").mkdir()
    with pytest.raises(DataError, match=r"abe_1h\.csv: cannot be read: Is a directory"):
        read_table(tmp_path / "abe_1h.csv")
