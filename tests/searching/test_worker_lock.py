"""Has a worker ended?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nextbar.errors import RunError
from nextbar.searching.worker_lock import WORKERS, WorkerLock


def test_a_lock_tells_of_workers_of_this_machine(tmp_path: Path) -> None:
    mine, other = WorkerLock(tmp_path), WorkerLock(tmp_path)
    assert not mine.gone(other.name) and not mine.gone(mine.name)
    other.close()
    assert mine.gone(other.name)
    assert mine.gone(other.name | {"host": "another"}) is None, "which may live on"


def test_a_lock_that_cannot_be_asked_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = WorkerLock(tmp_path), WorkerLock(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")  # as the file of another user

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert mine.gone(other.name) is None


def test_whoever_is_given_a_post_knows_that_the_one_before_has_ended(tmp_path: Path) -> None:
    """On whatever machine it was: the cluster has found it dead."""
    before, other, next_one = (WorkerLock(tmp_path, post) for post in ("job 0", "job 1", "job 0"))
    assert next_one.gone(before.name | {"host": "another"})
    assert not next_one.gone(other.name | {"host": "another"}) and not next_one.gone(next_one.name)
    assert "post" not in WorkerLock(tmp_path).name


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / WORKERS).touch()
    with pytest.raises(RunError, match=f"cannot write to {re.escape(str(tmp_path))}: .*File exists"):
        WorkerLock(tmp_path)
