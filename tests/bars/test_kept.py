"""Kept series: the very bars that reading gives, without reading, and never those of other bytes or of other code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_config

from nextbar.bars import bars as bars_module
from nextbar.bars import kept as kept_module
from nextbar.bars.bars import fingerprint
from nextbar.bars.checks import CheckedColumns, check
from nextbar.bars.columns import TableNeeds
from nextbar.bars.kept import FOLDER, SMALLEST, VARIABLE, kept, kept_folder
from nextbar.bars.layouts import LAYOUTS, NamedLayout
from nextbar.bars.reading import READERS, read_table
from nextbar.bars.series import series_of
from nextbar.errors import DataError

HOUR = 3_600
NEEDS = TableNeeds(indicators=("event",))


def write(path: Path, rows: int = 40, event: float = 1.0, start: int = 1_577_836_800) -> Path:
    """A file whose rows are not in order and that ends in two rows ahead, hence with notices."""
    bars = make_bars("abc", n=rows)
    lines = ["date,open,high,low,close,event"]
    for i, at in enumerate([1, 0, *range(2, rows)]):
        prices = ",".join(f"{bars.columns[name][at]:.3f}" for name in ("open", "high", "low", "close"))
        lines.append(f"{start + HOUR * at},{prices},{event if i % 2 else ''}")
    lines += [f"{start + HOUR * (rows + k)},,,,,{k + 1}" for k in range(2)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


class Reader:
    """Reads a file as bars of an hour, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> CheckedColumns:
        self.times += 1
        return check(read_table(self.path), "1h", HOUR, NEEDS)


def same(one: CheckedColumns, other: CheckedColumns) -> None:
    np.testing.assert_array_equal(one.time_N, other.time_N)
    assert [*one.columns] == [*other.columns] and one.notices == other.notices
    for name, value_N in one.columns.items():
        np.testing.assert_array_equal(value_N, other.columns[name])
    assert one.ahead is not None and other.ahead is not None
    np.testing.assert_array_equal(one.ahead.time_N, other.ahead.time_N)
    np.testing.assert_array_equal(one.ahead.columns["event"], other.ahead.columns["event"])


def test_what_was_kept_is_what_reading_gives(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    truth = read()
    assert len(truth.notices) > 1 and truth.ahead is not None
    first, second = (kept(tmp_path / "k", read.path, ["abc", NEEDS], read) for _ in range(2))
    assert read.times == 2
    same(first, truth)
    same(second, truth)
    assert not second.columns["close"].flags.writeable


def test_other_bytes_of_the_same_size_and_date_are_read_anew_and_take_their_place(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    stat = read.path.stat()
    kept(tmp_path / "k", read.path, [NEEDS], read)
    write(read.path, event=2.0)
    os.utime(read.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert read.path.stat().st_size == stat.st_size and read.path.stat().st_mtime_ns == stat.st_mtime_ns
    assert np.nanmax(kept(tmp_path / "k", read.path, [NEEDS], read).columns["event"]) == 2
    assert read.times == 2 and len([*(tmp_path / "k").iterdir()]) == 1


def change_code(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kept_module, "_code", lambda: "other")


def change_layouts(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(LAYOUTS, "toy", NamedLayout({"when": "date", "last": "close"}, frozenset({"when"})))


def change_bounds(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("NEXTBAR_LARGEST_FILE", "1e6")


@pytest.mark.parametrize("change", [change_code, change_layouts, change_bounds])
def test_other_code_reads_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    kept(tmp_path / "k", read.path, [NEEDS], read)
    change(monkeypatch)
    kept(tmp_path / "k", read.path, [NEEDS], read)
    assert read.times == 2


def test_code_is_other_with_another_version_of_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept_module._code.__wrapped__()
    assert kept_module._code.__wrapped__() == before
    monkeypatch.setattr(kept_module, "version", lambda name: "0")
    assert kept_module._code.__wrapped__() != before


def test_other_needs_are_kept_beside(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    for needs in (NEEDS, TableNeeds(), NEEDS, TableNeeds()):
        kept(tmp_path / "k", read.path, ["abc", needs], read)
    assert read.times == 2


def test_a_damaged_or_shortened_copy_is_read_anew(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    truth = kept(tmp_path / "k", read.path, [NEEDS], read)
    (place,) = (tmp_path / "k").iterdir()
    whole = place.read_bytes()
    for at in [*range(0, len(whole), 97), len(whole) - 1]:
        place.unlink()  # the arrays in use are mapped
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        same(kept(tmp_path / "k", read.path, [NEEDS], read), truth)
    for content in (b"", whole[:-8], whole + whole[-8:], whole[:100]):
        place.unlink()
        place.write_bytes(content)
        times = read.times
        same(kept(tmp_path / "k", read.path, [NEEDS], read), truth)
        assert read.times == times + 1


def test_dates_to_come_readers_from_elsewhere_and_folders_that_cannot_be_written_are_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Reader(write(tmp_path / "late_1h.csv", start=int(time.time()) - 10 * HOUR))
    read = Reader(write(tmp_path / "abc_1h.csv"))
    (tmp_path / "file").write_text("")
    for _ in range(2):
        kept(tmp_path / "k", late.path, [NEEDS], late)
        kept(tmp_path / "file", read.path, [NEEDS], read)
        with monkeypatch.context() as patch:
            patch.setitem(READERS, ".csv", lambda data, source: READERS[".json"](data, source))
            with pytest.raises(DataError, match="JSON"):
                kept(tmp_path / "k", read.path, [NEEDS], read)
    assert (late.times, read.times) == (2, 4) and not (tmp_path / "k").exists()
    with pytest.raises(DataError, match="cannot be read"):
        kept(tmp_path / "k", tmp_path / "none_1h.csv", [NEEDS], Reader(tmp_path / "none_1h.csv"))
    os.mkfifo(tmp_path / "pipe_1h.csv")
    with pytest.raises(DataError, match="it is a pipe"):  # and is not waited for
        kept(tmp_path / "k", tmp_path / "pipe_1h.csv", [NEEDS], Reader(tmp_path / "pipe_1h.csv"))


def test_only_large_files_are_kept_beside_the_runs_or_where_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    for path, size in ((large, SMALLEST - 5), (small, 4)):
        with path.open("wb") as file:
            file.truncate(size)
    assert kept_folder(tmp_path, [large]) is kept_folder(tmp_path, [small, small]) is None
    assert kept_folder(tmp_path, [large, small, small]) == tmp_path / FOLDER
    monkeypatch.setenv(VARIABLE, str(tmp_path / "there"))
    assert kept_folder(tmp_path, [large, large]) == tmp_path / "there"
    monkeypatch.setenv(VARIABLE, "")
    assert kept_folder(tmp_path, [large, large]) is None


def test_a_second_start_reads_nothing_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "data" / "1h" / "abc_1h.csv")
    monkeypatch.setattr(kept_module, "SMALLEST", 0)
    config = make_config(tickers="abc", datapath=str(tmp_path / "data"), log_dir=str(tmp_path / "log"))

    def start() -> tuple[str, list[str]]:
        caplog.clear()
        return fingerprint(series_of(config)), [record.getMessage() for record in caplog.records]

    def refuse(*_: Any) -> Any:
        raise AssertionError("read anew")

    first = start()
    monkeypatch.setattr(bars_module, "read_table", refuse)
    assert start() == first and any("sorted" in told for told in first[1])
    for place in (tmp_path / "log" / FOLDER).iterdir():
        place.unlink()
    with pytest.raises(AssertionError, match="read anew"):
        start()
