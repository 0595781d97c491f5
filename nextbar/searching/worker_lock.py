"""Whether a worker of a search has ended: told by a lock on the same machine, and on all others by its leases."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nextbar.files import sweep
from nextbar.folders import writing

LEASE = 120.0
"""seconds without a renewal from which a worker on another machine counts as gone"""

RENEWAL = 20.0
"""seconds between two renewals"""

WORKERS = ".workers"
"""folder in a study's folder; each worker of this machine holds the lock on a file there as long as it lives"""


class WorkerLock:
    """Identity of this process as a worker of a study, and a lock that it holds.

    The system frees the lock when the process ends, however it ends, so that on one machine the next command need not
    wait for a lease to run out.

    Args:
        study: folder of the study.
        post: of a worker on a cluster, which has one worker at it at a time; empty: none.

    Raises:
        RunError: the folder cannot be written.
    """

    def __init__(self, study: Path, post: str = "") -> None:
        self.token, self._post = uuid.uuid4().hex, post
        self._folder = study / WORKERS
        self._lock = FileLock(self.beside("lock"))
        with writing(study):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()

    @property
    def name(self) -> dict[str, str]:
        """Token, host and process, as in the ``owner`` attribute of a trial, and the post, where there is one."""
        own = {"token": self.token, "host": platform.node(), "pid": str(os.getpid())}
        return own | ({"post": self._post} if self._post else {})

    def beside(self, extension: str) -> Path:
        """A file of this worker's; ``clear`` deletes it with the lock file."""
        return self._folder / f"{self.token}.{extension}"

    def gone(self, other: Mapping[str, Any]) -> bool | None:
        """Whether another worker has ended; None where only its leases can tell, as of another machine.

        Args:
            other: ``name`` of that worker.
        """
        if self._post and other.get("post") == self._post and other.get("token") != self.token:
            return True  # the cluster has found it dead, and given its post to this one
        if other.get("token") == self.token:
            return False
        path = self._folder / f"{other.get('token')}.lock"
        if other.get("host") != platform.node() or not path.is_file():
            return None
        try:
            with FileLock(path, timeout=0):
                return True
        except Timeout:
            return False
        except OSError:  # such as the file of another user
            return None

    def close(self) -> None:
        """Free the lock. The file stays, and being free shows that this worker has ended."""
        self._lock.release()

    def clear(self) -> None:
        """Delete the files of ended workers, and if there are no others what was left half written; for a study without
        unfinished trials."""
        for path in self._folder.glob("*.lock"):
            try:
                with FileLock(path, timeout=0):
                    for own in self._folder.glob(f"{path.stem}.*"):
                        own.unlink(missing_ok=True)
            except (Timeout, OSError):
                continue
        if not any(self._folder.glob("*.lock")):
            sweep(self._folder.parent)
