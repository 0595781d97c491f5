"""Feather files: sound ones as pandas wrote them, others refused before they are unpacked."""

from __future__ import annotations

import io
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pytest
from layout_files import FREQTRADE, N, feather

from nextbar.bars.bounds import VARIABLE
from nextbar.bars.feather import read_feather
from nextbar.errors import DataError


def of_arrow(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pf.write_feather(table, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_what_pandas_wrote_is_read(compression: str) -> None:
    table = read_feather(feather(FREQTRADE, compression=compression), "a.feather")
    pd.testing.assert_frame_equal(table.frame, FREQTRADE)
    assert (table.source, table.row_word, table.rows_N.tolist()) == ("a.feather", "record", [*range(1, N + 1)])


def test_an_index_of_dates_is_a_column() -> None:
    data = of_arrow(pa.Table.from_pandas(FREQTRADE.set_index("date")))
    assert read_feather(data, "a").frame["date"].tolist() == FREQTRADE["date"].tolist()


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_is_refused_before_it_is_unpacked(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = of_arrow(pa.table({"date": np.zeros(3_000_000)}), compression=compression)
    assert len(data) < 1_000_000
    with monkeypatch.context() as patch:
        patch.setattr(pa.ipc, "open_stream", None)  # what would unpack it
        with pytest.raises(DataError, match=r"bytes unpack into more than 10,[0-9,]+ bytes, the most that is read"):
            read_feather(data, "a")
    monkeypatch.setenv(VARIABLE, "1e9")
    assert len(read_feather(data, "a")) == 3_000_000


def test_the_bound_is_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    data = feather(FREQTRADE, compression="lz4")
    monkeypatch.setenv(VARIABLE, str(1_000_000))
    read_feather(data, "a")
    monkeypatch.setenv(VARIABLE, str(8 * N * 6 - 1))
    with pytest.raises(DataError, match="unpack into more than"):
        read_feather(data, "a")


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array([[1], [2]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.nulls(2),
        pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1.0])),
    ],
    ids=str,
)
def test_columns_that_could_become_anything_are_refused(column: pa.Array) -> None:
    with pytest.raises(DataError, match=r"column 'x' is of type .*, should be numbers, text or dates"):
        read_feather(of_arrow(pa.table({"date": [1, 2], "x": column})), "a")


def test_what_is_no_feather_file_is_told() -> None:
    for data, message in ((b"FEA1....", "a Feather file of version 1"), (b"PAR1", "not a Feather file")):
        with pytest.raises(DataError, match=message):
            read_feather(data, "a")


@pytest.mark.parametrize("compression", ["lz4", "uncompressed"])
def test_damage_is_told_or_harmless(compression: str) -> None:
    """Whatever bytes are changed or cut off: a table, or one error of ours."""
    whole, draw = feather(FREQTRADE, compression=compression), random.Random(1)
    refused = 0
    for trial in range(300):
        data = bytearray(whole)
        if trial % 3:
            for _ in range(1 + trial % 5):
                data[draw.randrange(len(data))] = draw.randrange(256)
        else:
            del data[draw.randrange(8, len(data)) :]
        try:
            read_feather(bytes(data), "a")
        except DataError:
            refused += 1
    assert refused > 30
