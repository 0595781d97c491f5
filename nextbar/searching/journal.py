"""The journal of a study: opened by Optuna after a check."""

from __future__ import annotations

import warnings
from pathlib import Path

from optuna.storages import JournalStorage

from nextbar.errors import ConfigError, RunError, cut, first_line
from nextbar.searching.journal_file import JournalFile

_BEGINNING = b'{"op_code":'


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
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab"):
                pass
        if not _is_journal(path):
            raise ConfigError(f"storage {path} is no journal of a study; choose another file, or a database URL")
    except OSError as error:
        way = "written" if create else "read"
        raise ConfigError(f"storage {path} cannot be {way}: {error.strerror or error}; choose another") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return JournalStorage(JournalFile(path.resolve()))
        except OSError as error:
            raise ConfigError(f"storage {path} cannot be read: {error.strerror or error}") from None
        except Exception as error:  # Optuna replays the lines unchecked, and fails anywhere
            raise ConfigError(
                f"storage {path} is no journal of a study ({type(error).__name__}: {cut(first_line(error))})"
            ) from None


def _is_journal(path: Path) -> bool:
    """Whether a file begins as Optuna's journals do, if it has begun; no other file may be written to."""
    with path.open("rb") as file:
        beginning = file.readline(10_000)
    return beginning.startswith(_BEGINNING) or _BEGINNING.startswith(beginning)
