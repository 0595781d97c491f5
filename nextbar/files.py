"""Files that appear whole or not at all, and the lock that says whether a process works in a folder."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

PATIENCE = 0.2
"""seconds to wait for a lock: who asks whether somebody holds it has it for a moment"""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part of it.

    Raises:
        OSError: it cannot be written; of ``path``, not of the temporary file that is to become it.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _write_and_rename(path, data)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def _write_and_rename(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o666 & ~_umask())  # a temporary file is its owner's alone
            os.replace(part.name, path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write plain values as readable JSON; NaN and infinity are refused."""
    write_whole(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def lock_of(folder: Path) -> Path:
    """The file beside a folder on which the process that writes there holds a lock.

    The system frees it when the process ends, however it ends.
    """
    return folder.parent / f".{folder.name}.lock"


def is_claimed(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; also where that cannot be told, as in a folder that may only be
    read."""
    lock = lock_of(folder.absolute())
    return lock.is_file() and is_held(lock)


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock on a file; also where that cannot be told."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
