"""The journal file of a study: opened by Optuna after a check, and mended after a crash."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from nextbar.errors import ConfigError, RunError, cut, first_line
from nextbar.files import write_whole


def open_journal(path: Path, create: bool) -> JournalStorage:
    """The journal at a path.

    Raises:
        ConfigError: a folder, a file that is no journal, or one that cannot be written.
        RunError: no such file, and ``create`` is False.
    """
    if not path.is_file():
        if not create:
            raise RunError(f"{path}: no such journal; was the study's folder copied whole?")
        if path.is_dir():
            raise ConfigError(f"storage: {path} is a folder, should be a file or a database URL")
        if path.exists():
            raise ConfigError(f"storage: {path} is a pipe or a device, should be a file or a database URL")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
        if not _is_journal(path):
            raise ConfigError(f"storage {path} is no journal of a study; choose another file, or a database URL")
        _mend(path)
    except OSError as error:
        raise ConfigError(f"storage {path} cannot be written: {error.strerror or error}; choose another") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return JournalStorage(JournalFileBackend(str(path), lock_of(path)))
        except OSError as error:
            raise ConfigError(f"storage {path} cannot be read: {error.strerror or error}") from None
        except Exception as error:  # Optuna replays the lines unchecked, and fails anywhere
            raise ConfigError(
                f"storage {path} is no journal of a study ({type(error).__name__}: {cut(first_line(error))})"
            ) from None


def lock_of(path: Path) -> JournalFileOpenLock:
    """What processes that write a journal take turns by; one that a kill left is taken over after half a minute.

    It is a file that only one can make. Optuna's other lock, a symbolic link to the journal, is never taken over where
    the journal's path is a relative one, since such a link leads nowhere; on Windows links are a privilege, too.
    """
    return JournalFileOpenLock(str(path))


def _is_journal(path: Path) -> bool:
    """Whether a file is empty or begins as Optuna's journals do; no other file may be written to."""
    with path.open("rb") as file:
        beginning = file.readline(10_000)
    return not beginning or beginning.startswith(b'{"op_code":')


def _mend(path: Path) -> None:
    """Cut off an unfinished last line, which a crash leaves and Optuna refuses to read."""
    if _is_whole(path):
        return
    lock = lock_of(path)
    lock.acquire()
    try:
        if not _is_whole(path):
            content = path.read_bytes()
            write_whole(path, content[: content.rfind(b"\n") + 1])
    finally:
        lock.release()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
