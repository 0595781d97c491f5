"""Kept series: the very bars that reading gives, without reading, and never those of other bytes or of other code."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_config
from filelock import FileLock

from nextbar.auditing import auditor
from nextbar.bars import bars as bars_module
from nextbar.bars import kept as kept_module
from nextbar.bars.bars import fingerprint, load_bars
from nextbar.bars.checks import CheckedColumns, check
from nextbar.bars.columns import TableNeeds
from nextbar.bars.kept import FOLDER, SMALLEST, VARIABLE, kept_folder, sought
from nextbar.bars.layouts import LAYOUTS, NamedLayout
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.bars.reading import READERS, read_table
from nextbar.bars.series import series_of
from nextbar.errors import DataError
from nextbar.folders import lock_of
from nextbar.machine import hosts, own_code

HOUR = 3_600
NAME, NEEDS = "abc_1h", TableNeeds(indicators=("event",))


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


def kept(
    folder: Path, path: Path, name: str, needs: TableNeeds, read: Callable[[], CheckedColumns], writes: bool = True
) -> CheckedColumns:
    return sought(folder, path, name, needs, writes).or_read(read)


def refuse(*_: Any) -> Any:
    raise AssertionError("read or written anew")


class Reader:
    """Reads a file as bars of an hour, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> CheckedColumns:
        self.times += 1
        return check(read_table(self.path), "1h", HOUR, NEEDS)


def places(folder: Path) -> list[Path]:
    """The series that are kept, without locks and what is not yet whole."""
    return [place for place in folder.iterdir() if not place.name.startswith(".")]


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
    first, second = (kept(tmp_path / "k", read.path, NAME, NEEDS, read) for _ in range(2))
    assert read.times == 2
    same(first, truth)
    same(second, truth)
    assert not second.columns["close"].flags.writeable


def test_other_bytes_of_the_same_size_and_date_are_read_anew_and_take_their_place(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    stat = read.path.stat()
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    write(read.path, event=2.0)
    os.utime(read.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert read.path.stat().st_size == stat.st_size and read.path.stat().st_mtime_ns == stat.st_mtime_ns
    assert np.nanmax(kept(tmp_path / "k", read.path, NAME, NEEDS, read).columns["event"]) == 2
    assert read.times == 2 and len(places(tmp_path / "k")) == 1


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
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    change(monkeypatch)
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    assert read.times == 2


@pytest.mark.parametrize("name", ["bars/checks.py", "resolution.py", "config/values.py", "files.py"])
def test_code_is_all_that_decides_what_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, package, content = kept_module._code(), Path(kept_module.__file__).parents[1], Path.read_bytes

    def changed(path: Path) -> bytes:
        return content(path) + (b"#" if path == package / name else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    monkeypatch.setattr(own_code, "_hash", own_code._hash.__wrapped__)
    assert kept_module._code() not in (before, None)


def test_nothing_is_kept_or_used_while_other_code_may_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    monkeypatch.setattr(own_code, "IMPORTED_AT", 0.0)  # every source is newer
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    kept(tmp_path / "other", read.path, NAME, NEEDS, read)
    assert read.times == 3 and not (tmp_path / "other").exists()


def test_other_needs_take_its_place(tmp_path: Path) -> None:
    """A search over what is read does not fill the disk."""
    read = Reader(write(tmp_path / "abc_1h.csv"))
    for needs in (NEEDS, TableNeeds(), TableNeeds(), NEEDS):
        kept(tmp_path / "k", read.path, NAME, needs, read)
    assert read.times == 3 and len(places(tmp_path / "k")) == 1
    kept(tmp_path / "k", read.path, "other_1h", NEEDS, read)
    assert read.times == 4 and len(places(tmp_path / "k")) == 2


def test_what_a_killed_write_left_is_swept_by_the_next(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    (place,) = places(tmp_path / "k")
    left, others = (tmp_path / "k" / f".{name}.x.part" for name in (place.name, "another"))
    for part in (left, others):
        part.write_bytes(b"half")
    kept(tmp_path / "k", read.path, NAME, TableNeeds(), read)
    assert not left.exists() and others.exists()


def test_of_several_at_once_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another takes what it has read; one that gets there after it finds what was written."""
    read = Reader(write(tmp_path / "abc_1h.csv"))
    truth = kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    (place,) = places(tmp_path / "k")
    content = place.read_bytes()
    place.unlink()
    with FileLock(lock_of(place)):
        same(kept(tmp_path / "k", read.path, NAME, NEEDS, read), truth)
    assert not place.exists()

    def read_slowly() -> CheckedColumns:
        place.write_bytes(content)
        return read()

    monkeypatch.setattr(kept_module, "write_parts", refuse)
    same(kept(tmp_path / "k", read.path, NAME, NEEDS, read_slowly), truth)


def test_who_may_not_write_reads_what_is_kept(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    for times, writes in ((1, False), (2, True), (2, False)):
        kept(tmp_path / "k", read.path, NAME, NEEDS, read, writes)
        assert read.times == times and (tmp_path / "k").exists() == (times > 1)


def test_who_may_not_write_looks_through_no_file_for_what_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "_content", refuse)
    assert sought(tmp_path / "k", write(tmp_path / "abc_1h.csv"), NAME, NEEDS, keeps=False).columns is None


@pytest.mark.parametrize(("name", "times"), [("abc_1h.txt", 1), ("abc_1h.tsv", 1), ("abc_1h.zip", 2)])
def test_further_formats_are_kept_too_but_not_packed_ones(tmp_path: Path, name: str, times: int) -> None:
    """A file in a zip file may be one that a reader from elsewhere reads."""
    read = Reader(write(tmp_path / "plain" / "abc_1h.csv"))
    path = tmp_path / name
    path.write_bytes(read.path.read_bytes())
    for _ in range(2):
        kept(tmp_path / "k", path, NAME, NEEDS, read)
    assert read.times == times


def test_a_damaged_or_shortened_copy_is_read_anew(tmp_path: Path) -> None:
    read = Reader(write(tmp_path / "abc_1h.csv"))
    truth = kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    (place,) = places(tmp_path / "k")
    whole = place.read_bytes()
    for at in [*range(0, len(whole), 97), len(whole) - 1]:
        place.unlink()  # the arrays in use are mapped
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        same(kept(tmp_path / "k", read.path, NAME, NEEDS, read), truth)
    for content in (b"", whole[:-8], whole + whole[-8:], whole[:100]):
        place.unlink()
        place.write_bytes(content)
        times = read.times
        same(kept(tmp_path / "k", read.path, NAME, NEEDS, read), truth)
        assert read.times == times + 1


def test_dates_to_come_readers_from_elsewhere_and_folders_that_cannot_be_written_are_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Reader(write(tmp_path / "late_1h.csv", start=int(time.time()) - 10 * HOUR))
    read = Reader(write(tmp_path / "abc_1h.csv"))
    (tmp_path / "file").write_text("")
    for _ in range(2):
        kept(tmp_path / "k", late.path, NAME, NEEDS, late)
        kept(tmp_path / "file", read.path, NAME, NEEDS, read)
        with monkeypatch.context() as patch:
            patch.setitem(READERS, ".csv", lambda data, source: READERS[".json"](data, source))
            with pytest.raises(DataError, match="JSON"):
                kept(tmp_path / "k", read.path, NAME, NEEDS, read)
    assert (late.times, read.times) == (2, 4) and not (tmp_path / "k").exists()
    with pytest.raises(DataError, match="cannot be read"):
        kept(tmp_path / "k", tmp_path / "none_1h.csv", NAME, NEEDS, Reader(tmp_path / "none_1h.csv"))
    os.mkfifo(tmp_path / "pipe_1h.csv")
    with pytest.raises(DataError, match="it is a pipe"):  # and is not waited for
        kept(tmp_path / "k", tmp_path / "pipe_1h.csv", NAME, NEEDS, Reader(tmp_path / "pipe_1h.csv"))


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

    first = start()
    monkeypatch.setattr(bars_module, "read_table", refuse)
    assert start() == first and any("sorted" in told for told in first[1])
    for bars in (own_bars(config, later=True), read_new_bars(config, data=tmp_path / "data")):
        assert fingerprint(bars) == first[0], "a trained model's bars too"
    for place in places(tmp_path / "log" / FOLDER):
        place.unlink()
    with pytest.raises(AssertionError, match="anew"):
        start()
    monkeypatch.undo()
    monkeypatch.setattr(kept_module, "SMALLEST", 0)
    assert fingerprint(own_bars(config)) == first[0] and not places(tmp_path / "log" / FOLDER), "which keep nothing"


def test_files_are_read_one_after_the_other_and_a_broken_one_waits_for_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b", "c"]
    for name in names:
        write(tmp_path / "data" / "1h" / f"{name}_1h.csv")
    monkeypatch.setattr(kept_module, "SMALLEST", 0)
    began = []

    def read(path: Path) -> Any:
        assert threading.current_thread() is threading.main_thread()
        began.append(path.name[0])
        if path.name == "b_1h.csv":
            raise KeyboardInterrupt
        return read_table(path)

    monkeypatch.setattr(bars_module, "read_table", read)
    with pytest.raises(KeyboardInterrupt):
        load_bars(tmp_path / "data", names, ["1h"], log_dir=tmp_path / "log")
    assert began == ["a", "b"] and len(places(tmp_path / "log" / FOLDER)) == 1


@pytest.mark.parametrize("who", ["a host that does not lead", "an audit"])
def test_an_audit_and_all_hosts_but_the_first_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    write(tmp_path / "data" / "1h" / "abc_1h.csv")
    monkeypatch.setattr(kept_module, "SMALLEST", 0)
    config = make_config(tickers="abc", datapath=str(tmp_path / "data"), log_dir=str(tmp_path / "log"))
    if who == "an audit":
        monkeypatch.setattr(auditor, "within_dates", refuse)  # what comes after reading
        with pytest.raises(AssertionError, match="anew"):
            auditor.audit(config)
    else:
        monkeypatch.setattr(hosts, "leads", lambda: False)
        series_of(config)
    assert not (tmp_path / "log").exists()
    monkeypatch.undo()
    monkeypatch.setattr(kept_module, "SMALLEST", 0)
    series_of(config)
    assert places(tmp_path / "log" / FOLDER)
