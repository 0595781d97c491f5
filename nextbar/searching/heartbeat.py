"""Who works on a trial, and whether they still do."""

from __future__ import annotations

import platform
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nextbar.folders import is_held

LEASE = 120.0
"""seconds after its last sign of life that a worker on another machine counts as gone"""

RENEWAL = 20.0
"""seconds between two signs of life"""

WORKERS = ".workers"
"""folder in a study's where each worker of this machine holds a lock as long as it lives"""


class WorkerLock:
    """This process as a worker of a study.

    The lock that it holds is given up by the system when the process ends, however it ends, so that on one machine
    the next command need not wait for a lease to run out.
    """

    def __init__(self, study: Path) -> None:
        self.token = uuid.uuid4().hex
        self._folder = study / WORKERS
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder / f"{self.token}.lock")
        self._lock.acquire()

    @property
    def name(self) -> dict[str, str]:
        """What it signs with."""
        return {"token": self.token, "host": platform.node()}

    def gone(self, other: Mapping[str, Any]) -> bool:
        """True where another worker of this machine has certainly ended; False where nothing is known."""
        path = self._folder / f"{other.get('token')}.lock"
        if other.get("token") == self.token or other.get("host") != platform.node() or not path.is_file():
            return False
        return not is_held(path)

    def close(self) -> None:
        """Stop being one. The file stays: without its holder it says that this worker has gone."""
        self._lock.release()

    def clear(self) -> None:
        """Clear the locks of those that are gone away; for a study that has no unfinished trial."""
        for path in self._folder.glob("*.lock"):
            try:
                with FileLock(path, timeout=0):
                    path.unlink(missing_ok=True)
            except (Timeout, OSError):
                continue


class Heartbeat:
    """Calls ``beat`` every now and then from a thread of its own; a context manager."""

    def __init__(self, beat: Callable[[], None], every: float = RENEWAL) -> None:
        self._beat, self._every = beat, every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nextbar-pulse", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._every):
            self._beat()
