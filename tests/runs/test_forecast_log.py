"""The forecast log: lines appended whole, half a line passed over and cut off, every change noticed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nextbar.errors import Damaged, RunError
from nextbar.runs.forecast_log import LogWriter, log_faults, log_of, read_log

RECORDS: list[dict[str, Any]] = [{"kind": "log", "n": 1}, {"x": [0.1, None], "name": "é"}, {"x": []}]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "forecasts-run.jsonl"
    writer = LogWriter(path)
    writer.append(RECORDS[:1])
    writer.append(RECORDS[1:])
    return path


def test_what_was_appended_is_read(log: Path) -> None:
    lines = read_log(log)
    assert lines.records == RECORDS and lines.half == 0 and lines.end == log.stat().st_size
    assert LogWriter(log).records == RECORDS and list(log_faults(log)) == []
    assert read_log(log.with_name("none")).records == [] and not log.with_name("none").exists()


def test_it_lies_beside_the_run() -> None:
    assert log_of(Path("/a/test/run")) == Path("/a/test/forecasts-run.jsonl")
    assert log_of(Path("run")).is_absolute()


def test_cut_anywhere_it_is_what_was_whole_and_goes_on_from_there(log: Path) -> None:
    whole = log.read_bytes()
    for end in range(len(whole)):
        log.write_bytes(whole[:end])
        lines = read_log(log)
        assert lines.records == RECORDS[: whole[:end].count(b"\n")]
        assert [harmful for _, harmful in log_faults(log)] == [False] * (lines.half > 0)
        LogWriter(log).append(RECORDS[len(lines.records) :])
        assert log.read_bytes() == whole


def test_every_changed_byte_is_noticed(log: Path) -> None:
    whole = log.read_bytes()
    for place in range(len(whole) - 1):
        for bit in (1, 32):
            changed = bytearray(whole)
            changed[place] ^= bit
            log.write_bytes(changed)
            with pytest.raises(Damaged, match=r"line \d"):
                read_log(log)
            (fault,) = log_faults(log)
            assert fault[1]


def test_a_line_that_was_taken_out_or_moved_is_noticed(log: Path) -> None:
    a, b, c = log.read_bytes().splitlines(keepends=True)
    for other in (a + c, b + a + c, a + c + b, a + b + b + c):
        log.write_bytes(other)
        with pytest.raises(Damaged, match="one before it was taken out"):
            read_log(log)


def test_what_json_cannot_hold_is_not_written(log: Path) -> None:
    before = log.read_bytes()
    with pytest.raises(ValueError):
        LogWriter(log).append([{"x": 1.0}, {"x": float("nan")}])
    assert log.read_bytes() == before


def test_where_the_disk_is_full_the_log_is_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, writer = log.read_bytes(), LogWriter(log)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        writer.append(RECORDS)
    assert log.read_bytes() == before and writer.records == RECORDS


def test_a_log_that_was_deleted_meanwhile_is_not_begun_in_the_middle(log: Path) -> None:
    writer = LogWriter(log)
    log.unlink()
    with pytest.raises(OSError):
        writer.append(RECORDS)
    assert not log.exists()


def test_what_is_no_file_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        read_log(tmp_path)
