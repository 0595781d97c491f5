"""Folders that a process writes: the lock beside each says whether one does, and a later format is refused."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextbar.errors import NextbarError, RunError, cut, first_line
from nextbar.files import sweep

PATIENCE = 0.2
"""seconds to wait for a lock: a process that asks whether somebody holds it has it for a moment"""


ADVICE = {
    errno.ENOSPC: "Make room on that disk",
    errno.EDQUOT: "Make room, or have the quota raised",
    errno.EFBIG: "Allow longer files (ulimit -f)",
    errno.EACCES: "See to the permissions",
    errno.EPERM: "See to the permissions",
    errno.EROFS: "See to it that the disk may be written",
    errno.EIO: "See to the disk",
}
"""what to do, by the system's number of an error, whose words libraries pass on"""


def cache_folder() -> Path:
    """The user's folder for what can be made or fetched again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def make_log_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        RunError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


@contextmanager
def claim(folder: Path, busy: RunError) -> Iterator[None]:
    """Hold the lock of a folder until the block ends. The folder above it is made; the folder itself need not exist.
    What killed processes left half written in it is removed.

    Raises:
        RunError: ``busy``, where another process holds the lock; or the folder above cannot be written.
    """
    from filelock import FileLock, Timeout

    make_log_folder(folder.parent)
    lock = FileLock(lock_of(folder))
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 20)
    except Timeout:
        raise busy from None
    except OSError as error:
        raise _unwritable(folder.parent, error) from None
    try:
        sweep(folder, everywhere=True)
        yield
    finally:
        lock.release()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Write in the folder of a run, a backtest or a study; errors of the system are raised in words.

    Raises:
        RunError: the disk is full, the folder has gone, or it may not be written.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(folder, error) from error


def unwritten(folder: Path, error: BaseException) -> RunError:
    """The error for the user after one of the system, or of a library, while a folder was written."""
    if not folder.is_dir():
        return RunError(f"{folder} has gone, deleted or moved while it was written; the same command begins anew")
    causes = ((os.strerror(code), advice) for code, advice in ADVICE.items())
    otherwise = first_line(error), "Look at the free space and the permissions there"
    reason, advice = next(((words, advice) for words, advice in causes if words in str(error)), otherwise)
    return RunError(f"cannot write to {folder}: {reason}. {advice}; the same command goes on from what is saved")


def throw_away(folder: Path, what: str) -> None:
    """Delete a folder, if it exists; ``what`` it holds is named in the error.

    Raises:
        RunError: it cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RunError(
            f"the earlier {what} {folder} cannot be thrown away: {error.strerror or error}; "
            "delete it yourself, or choose another log_dir"
        ) from None


def lock_of(folder: Path) -> Path:
    """The file beside a folder on which the process that writes there holds a lock.

    The system frees it when the process ends, however it ends. It is the same by all links that lead to the folder.
    """
    folder = folder.resolve()
    return folder.parent / f".{folder.name}.lock"


def held_mark(copy: Path) -> Path:
    """The file beside the copy of a folder that says that a process was writing the folder when it was copied."""
    copy = copy.resolve()
    return copy.parent / f".{copy.name}.held"


def is_claimed(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; also where that cannot be told, as in a folder that may only be
    read. Of a copy: whether one held what it is a copy of."""
    lock = lock_of(folder)
    return (lock.is_file() and is_held(lock)) or held_mark(folder).exists()


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock on a file; also where that cannot be told."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True


@contextmanager
def told_as_damage(folder: object) -> Iterator[None]:
    """Turn Python's errors about files that do not fit together into one that names their folder.

    Each file of a folder is checked as it is read, but not every figure in it, and whoever wrote it may have written
    anything. The error's cause is Python's own.

    Args:
        folder: what the files were read from, for the message.

    Raises:
        RunError: an error of Python's in the block; nextbar's own pass.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        if isinstance(error, NextbarError):
            raise
        raise RunError(
            f"the files of {folder} do not fit together ({type(error).__name__}: {cut(first_line(error))}); "
            "was it copied whole?"
        ) from error


def refuse_later_format(folder: Path, written: int, newest: int, version: str | None = None) -> None:
    """Refuse a folder in a format that this nextbar does not know.

    Args:
        folder: the folder.
        written: its format.
        newest: the latest format that can be read.
        version: the nextbar that wrote it, where the folder says so.

    Raises:
        RunError: the format is later than the newest one.
    """
    if written > newest:
        writer = f", written by nextbar {version}" if version else ""
        raise RunError(f"{folder} has format {written}{writer}; this nextbar reads up to {newest}: update it")


def _unwritable(folder: Path, error: OSError) -> RunError:
    return RunError(f"cannot write to the log folder {folder}: {error.strerror or error}; choose another log_dir")
