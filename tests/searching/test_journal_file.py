"""Lines of a journal are whole or not there: after a kill, on a full disk, after a turn that nobody gives back."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nextbar.errors import RunError
from nextbar.searching.journal_file import JournalFile


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("folder", ["runs", ""], ids=["relative", "absolute"])
def test_a_turn_that_nobody_takes_any_more_is_taken_over(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(folder) / "journal.log" if folder else tmp_path / "journal.log"
    path.parent.mkdir(exist_ok=True)
    JournalFile(path).turn.acquire()  # by a process that was killed
    turn = JournalFile(path).turn
    turn.grace_period = 1
    waiting = threading.Thread(target=turn.acquire, daemon=True)  # it might wait for ever
    waiting.start()
    waiting.join(20)
    assert not waiting.is_alive()


@pytest.mark.parametrize("left", [1, 10, 200_000])
def test_half_a_line_that_a_kill_left_is_dropped(left: int, tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal.log")
    file.append_logs([{"a": 1}])
    with file.path.open("ab") as tail:
        tail.write(b"x" * left)
    file.append_logs([{"a": 2}, {"a": 3}])
    assert lines(file.path) == list(file.read_logs(0)) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_on_a_full_disk_nothing_is_left_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = JournalFile(tmp_path / "journal.log")
    file.append_logs([{"a": 1}])

    def fail(number: int) -> None:  # what has been written has no room on the disk
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RunError, match="No space left on device"):
            file.append_logs([{"a": 2}])
    assert lines(file.path) == [{"a": 1}]
    file.append_logs([{"a": 3}])
    assert lines(file.path) == [{"a": 1}, {"a": 3}]


def test_what_others_wrote_while_a_write_stood_still_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = JournalFile(tmp_path / "journal.log")

    def fail_late(number: int) -> None:
        with file.path.open("ab") as other:  # which has taken the turn over
            other.write(b'{"b":1}\n')
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail_late)
    with pytest.raises(RunError, match="Input/output error"):
        file.append_logs([{"a": 1}])
    assert lines(file.path)[-1] == {"b": 1}


def test_a_turn_that_another_took_over_is_not_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = JournalFile(tmp_path / "journal.log")
    lock = tmp_path / "journal.log.lock"

    def take_over(number: int) -> None:  # this one stands still for half a minute
        assert lock.exists()
        lock.rename(tmp_path / "gone")
        JournalFile(file.path).turn.acquire()

    monkeypatch.setattr(os, "fsync", take_over)
    file.append_logs([{"a": 1}])
    assert lock.exists()


def test_a_journal_that_was_deleted_is_not_begun_in_the_middle(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal.log")
    file.path.unlink()
    with pytest.raises(RunError, match=r"journal\.log has gone"):
        file.append_logs([{"a": 1}])
    assert not file.path.exists()
