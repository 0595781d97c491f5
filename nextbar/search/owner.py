"""Who works on a trial, and whether they still do."""

from __future__ import annotations

import os
import platform
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LEASE = 120.0
"""seconds after its last sign of life that a worker on another machine counts as gone"""

RENEWAL = 20.0
"""seconds between two signs of life"""

WORKERS = ".workers"
"""folder in a study's where each worker of this machine holds a lock as long as it lives"""


class Owner:
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
        try:
            with FileLock(path, timeout=0):
                return True
        except (Timeout, OSError):
            return False

    def close(self) -> None:
        """Stop being one; locks of those that are gone are cleared away."""
        self._lock.release()
        for path in self._folder.glob("*.lock"):
            try:
                with FileLock(path, timeout=0):
                    path.unlink(missing_ok=True)
            except (Timeout, OSError):
                continue


class Pulse:
    """Calls ``beat`` every now and then from a thread of its own; a context manager.

    Where the process that started this one has gone, this one ends too: nobody would hear of what it does.
    """

    def __init__(self, beat: Callable[[], None], every: float = RENEWAL, parent: int | None = None) -> None:
        self._beat, self._every, self._parent = beat, every, parent
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nextbar-pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        waited = 0.0
        while not self._end.wait(min(1.0, self._every)):
            if self._parent is not None and os.getppid() != self._parent:
                os._exit(1)
            waited += min(1.0, self._every)
            if waited >= self._every:
                self._beat()
                waited = 0.0
