"""A forecast table as a file: the same values in every format, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from nextbar.errors import DataError
from nextbar.forecasts.writing import WRITERS, write_table

TABLE = pd.DataFrame(
    {
        "ticker": ["a", "b"],
        "origin": pd.to_datetime(["2024-01-01T23:00Z", "2024-01-02T00:00Z"]),
        "step": [1, 1],
        "close": [60_000 / 7, 1e-9 / 3],
    }
)


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".feather":
        return pd.read_feather(path)
    if path.suffix == ".jsonl":
        frame = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
        return frame.assign(origin=pd.to_datetime(frame["origin"]))
    frame = pd.DataFrame(json.loads(path.read_text())) if path.suffix == ".json" else pd.read_csv(path)
    return frame.assign(origin=pd.to_datetime(frame["origin"]))


@pytest.mark.parametrize("ending", [*WRITERS, ".CSV"])
def test_every_format_keeps_every_digit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"f{ending}"
    path.write_text("something older, and longer than what comes" * 100)
    write_table(path, TABLE)
    found = read(path)
    pd.testing.assert_frame_equal(found, TABLE, check_dtype=False, check_exact=True)
    first = path.read_bytes()
    write_table(path, TABLE)
    assert path.read_bytes() == first
    assert not ending.endswith("gz") or first[4:8] == bytes(4)  # gzip's time of writing
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_dates_are_iso_8601(tmp_path: Path) -> None:
    for ending in (".csv", ".json"):
        write_table(tmp_path / f"f{ending}", TABLE)
        assert "2024-01-01T23:00:00Z" in (tmp_path / f"f{ending}").read_text()


def test_dates_without_a_zone_stay_so_and_empty_cells_are_null(tmp_path: Path) -> None:
    naive = TABLE.assign(origin=TABLE["origin"].dt.tz_localize(None), close=[1.5, float("nan")])
    for ending in (".csv", ".json", ".jsonl"):
        write_table(tmp_path / f"f{ending}", naive)
        text = (tmp_path / f"f{ending}").read_text()
        assert "2024-01-01T23:00:00" in text and "00Z" not in text and "NaN" not in text
    lines = (tmp_path / "f.jsonl").read_text().splitlines()
    assert [json.loads(line)["close"] for line in lines] == [1.5, None]


def test_a_kill_in_between_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.csv"
    path.write_text("former")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_table(path, TABLE)
    assert path.read_text() == "former" and len(list(tmp_path.iterdir())) == 1


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be one of \.csv, \.csv\.gz, \.parquet, \.json"):
        write_table(tmp_path / "f.txt", TABLE)
    with pytest.raises(DataError, match="no folder"):
        write_table(tmp_path / "none" / "f.csv", TABLE)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        write_table(tmp_path / "d.csv", TABLE)
