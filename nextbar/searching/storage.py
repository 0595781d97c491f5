"""The storage of a study: a journal file or a database, opened by Optuna; its failures as nextbar's errors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from nextbar.errors import ConfigError, RunError, first_line
from nextbar.searching.journal import open_journal

BEGINNINGS = 6
"""attempts to make the tables of a database"""

optuna.logging.set_verbosity(optuna.logging.WARNING)


def is_url(storage: str) -> bool:
    """True for a database, False for a path."""
    return "://" in storage


def open_storage(storage: str, create: bool = True) -> BaseStorage:
    """The storage at a URL or a path.

    Raises:
        ConfigError: a database that cannot be reached, or whose driver is not installed; a file that cannot be written.
        RunError: no such file, and ``create`` is False.
    """
    if not is_url(storage):
        return open_journal(Path(storage).expanduser(), create)
    try:
        import sqlalchemy

        url = sqlalchemy.engine.make_url(storage)
        shown = url.render_as_string(hide_password=True)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ConfigError(
            f"storage: found {storage!r}, should be a path, or a database URL such as "
            "postgresql+psycopg2://user@host/name"
        ) from None
    if not create and url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise RunError(f"storage {shown}: no such file; was the study copied whole?")
    try:
        return _database(storage, create)
    except ImportError as error:
        raise ConfigError(
            f"storage {shown}: its driver is not installed ({_reason(error)}); pip install it. For PostgreSQL: "
            "pip install 'nextbar[postgresql]', and a URL that begins with postgresql+psycopg2://"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, OSError) as error:
        raise ConfigError(f"storage {shown} cannot be reached: {_reason(error)}") from None


@contextmanager
def storage_failures() -> Iterator[None]:
    """Turn failures of a storage in use into one error.

    Raises:
        RunError: a database that fails, a journal that cannot be read or written, such as on a full disk.
    """
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, OSError) as error:
        raise RunError(
            f"the storage of the study has failed: {_reason(error)}; trials that ended are kept, and the same "
            "command goes on once it works again"
        ) from None
    except ValueError as error:
        if not isinstance(error, json.JSONDecodeError) and "Invalid log format" not in str(error):
            raise
        raise RunError(f"the journal of the study is damaged: {error}") from None


def as_written_down(storage: str) -> str:
    """A URL without its password; a path, also that of SQLite, as an absolute one, since the next command may run in
    another folder."""
    if not is_url(storage):
        return str(Path(storage).expanduser().absolute())
    import sqlalchemy

    url = sqlalchemy.engine.make_url(storage)._replace(password=None)  # set(password=None) would leave it
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string()


def _database(url: str, create: bool) -> BaseStorage:
    """The database at a URL, tried again where another worker made Optuna's tables at the same moment.

    Tables are only made with ``create``: a study that is merely opened may name any database.
    """
    import sqlalchemy
    from optuna.storages import RDBStorage

    for attempt in range(BEGINNINGS):
        try:
            # connections that a server has closed meanwhile are opened again
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True}, skip_table_creation=not create)
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            taken = isinstance(error, sqlalchemy.exc.IntegrityError) or "already exists" in str(error)
            if not taken or attempt == BEGINNINGS - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError


def _reason(error: BaseException) -> str:
    """First line of an error of Optuna's, or of the error behind it."""
    return first_line(error.__cause__ or error)
