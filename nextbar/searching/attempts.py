"""Populations that are being tried, noted in the study's folder: what a process died of is not tried again there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from nextbar.checksums import digest
from nextbar.files import write_whole
from nextbar.folders import writing
from nextbar.searching.worker_lock import WorkerLock


class Deadly(NamedTuple):
    """What a worker died of."""

    members: int
    """trainings side by side"""
    note: Path
    """where that is said"""


class Attempts:
    """Notes on how many trainings side by side a worker is trying; a dead worker's stays as long as its lock file.

    A population that is too large for the memory need not raise an error: on a CPU the system kills the process.

    Args:
        lock: of this worker, beside which its note lies.
    """

    def __init__(self, lock: WorkerLock) -> None:
        self._lock = lock

    @contextmanager
    def noted(self, program: str) -> Iterator[Callable[[int], None]]:
        """Gives a function that notes the number of members that is tried next; the block's end deletes the note.

        Args:
            program: ``population_key`` of the members.

        Raises:
            RunError: the note cannot be written.
        """
        note = self._lock.beside("trying")

        def trying(members: int) -> None:
            said = {"owner": self._lock.name, "program": _short(program), "members": members}
            with writing(note.parent.parent):
                write_whole(note, json.dumps(said))

        try:
            yield trying
        finally:
            with suppress(OSError):
                note.unlink(missing_ok=True)

    def deadly(self, program: str) -> Deadly | None:
        """The fewest members at which a worker of this machine has died while it tried them; None: there are none."""
        died: list[Deadly] = []
        for note in self._lock.beside("trying").parent.glob("*.trying"):
            with suppress(OSError, ValueError, KeyError):  # gone meanwhile
                said = json.loads(note.read_text())
                if said["program"] == _short(program) and self._lock.gone(said["owner"]):
                    died.append(Deadly(int(said["members"]), note))
        return min(died, default=None)


def _short(program: str) -> str:
    return digest(program.encode())
