"""Has a worker ended?"""

from __future__ import annotations

from pathlib import Path

from nextbar.searching.worker_lock import WorkerLock


def test_a_lock_tells_of_workers_of_this_machine(tmp_path: Path) -> None:
    mine, other = WorkerLock(tmp_path), WorkerLock(tmp_path)
    assert not mine.gone(other.name) and not mine.gone(mine.name)
    other.close()
    assert mine.gone(other.name)
    assert not mine.gone(other.name | {"host": "another"}), "which may live on"


def test_whoever_is_given_a_post_knows_that_the_one_before_has_ended(tmp_path: Path) -> None:
    """On whatever machine it was: the cluster has found it dead."""
    before, other, next_one = (WorkerLock(tmp_path, post) for post in ("job 0", "job 1", "job 0"))
    assert next_one.gone(before.name | {"host": "another"})
    assert not next_one.gone(other.name | {"host": "another"}) and not next_one.gone(next_one.name)
    assert "post" not in WorkerLock(tmp_path).name
