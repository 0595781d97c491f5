"""What a worker of this machine died of is not tried again by the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nextbar.searching.attempts import Attempts
from nextbar.searching.worker_lock import WORKERS, WorkerLock

KILLED = """
import os, signal, sys
from pathlib import Path
from nextbar.searching.attempts import Attempts
from nextbar.searching.worker_lock import WorkerLock
with Attempts(WorkerLock(Path(sys.argv[1]))).noted("program") as trying:
    trying(1)
    trying(8)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
"""


def test_a_kill_leaves_what_was_tried(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ, check=False)
    assert killed.returncode in (-getattr(signal, "SIGKILL", 0), signal.SIGTERM)
    mine = WorkerLock(tmp_path)
    attempts = Attempts(mine)
    deadly = attempts.deadly("program")
    assert deadly is not None and deadly.members == 8 and attempts.deadly("another program") is None
    assert [deadly.note] == list((tmp_path / WORKERS).glob("*.trying"))
    mine.clear()
    assert attempts.deadly("program") is None and [f.suffix for f in (tmp_path / WORKERS).iterdir()] == [".lock"]


def test_who_lives_has_died_of_nothing(tmp_path: Path) -> None:
    mine, other = WorkerLock(tmp_path), WorkerLock(tmp_path)
    with Attempts(other).noted("program") as trying:
        trying(4)
        assert Attempts(mine).deadly("program") is None
        other.close()
        assert Attempts(mine).deadly("program") is not None
    assert Attempts(mine).deadly("program") is None
    with pytest.raises(ZeroDivisionError), Attempts(mine).noted("program") as trying:
        trying(2)
        raise ZeroDivisionError
    assert not list((tmp_path / WORKERS).glob("*.trying")), "an error is no death"


def test_the_fewest_that_a_worker_died_of_count(tmp_path: Path) -> None:
    mine = WorkerLock(tmp_path)
    blocks = []
    for members in (16, 4, 8):
        other = WorkerLock(tmp_path)
        blocks.append(Attempts(other).noted("program"))
        blocks[-1].__enter__()(members)
        other.close()
    deadly = Attempts(mine).deadly("program")
    assert deadly is not None and deadly.members == 4
    deadly.note.write_text("{")
    again = Attempts(mine).deadly("program")
    assert again is not None and again.members == 8, "a note that cannot be read is none"
