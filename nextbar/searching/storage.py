"""Where a study is kept: a journal file or a database, opened by Optuna; what goes wrong is said in words."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from nextbar.errors import ConfigError, RunError
from nextbar.files import write_whole

SPACE = "nextbar space"
"""attribute of a study that says what is searched"""

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
        RunError: no such file, and it is not to be made.
    """
    if not is_url(storage):
        return _journal(Path(storage).expanduser(), create)
    try:
        import sqlalchemy

        shown = sqlalchemy.engine.make_url(storage).render_as_string(hide_password=True)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ConfigError(
            f"storage: found {storage!r}, should be a path, or a database URL such as "
            "postgresql+psycopg2://user@host/name"
        ) from None
    try:
        return _database(storage)
    except ImportError as error:
        raise ConfigError(
            f"storage {shown}: its driver is not installed ({_first_line(error)}); pip install it. For PostgreSQL: "
            "pip install 'nextbar[postgresql]', and a URL that begins with postgresql+psycopg2://"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, OSError) as error:
        raise ConfigError(f"storage {shown} cannot be reached: {_first_line(error)}") from None


def open_study(storage: BaseStorage, name: str, identity: Mapping[str, Any]) -> optuna.Study:
    """The study of this name, made where there is none; every value is to be as small as possible.

    Raises:
        ConfigError: there is one with another space; what differs is told.
    """
    with warnings.catch_warnings(), told():
        warnings.simplefilter("ignore")
        try:
            study = optuna.load_study(storage=storage, study_name=name)
        except KeyError:  # made by another worker in this moment, perhaps
            study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
        # in this order: whoever made a trial meanwhile had said before what is searched
        trials = study.get_trials(deepcopy=False)
        known = study.user_attrs.get(SPACE)
        if known is None:
            if trials:
                raise ConfigError(f"the study {name!r} is there, but not one of nextbar's; choose another study_name")
            study.set_user_attr(SPACE, _plain(identity))
    if known is not None and known != _plain(identity):
        different = "\n".join(_differences(known, _plain(identity)))
        raise ConfigError(
            f"the study {name!r} has another space:\n{different}\n"
            "  choose another study_name or experiment_name, or search the space that it has"
        )
    return study


def load_study(storage: BaseStorage, name: str) -> optuna.Study:
    """A study that is there.

    Raises:
        RunError: there is none of this name.
    """
    try:
        with told():
            return optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        with told():
            names = [study.study_name for study in storage.get_all_studies()]
        raise RunError(f"the storage has no study {name!r}; it has {', '.join(map(repr, names)) or 'none'}") from None


@contextmanager
def told() -> Iterator[None]:
    """Failures of a storage in use become one message."""
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise RunError(
            f"the storage of the study has failed: {_first_line(error)}; trials that ended are kept, and the same "
            "command goes on once it is there again"
        ) from None
    except ValueError as error:
        if "Invalid log format" not in str(error):
            raise
        raise RunError(f"the journal of the study is damaged: {error}") from None


def as_written_down(storage: str) -> str:
    """A URL without its password; a path from the root, since the next command may come from another folder."""
    if not is_url(storage):
        return str(Path(storage).expanduser().absolute())
    import sqlalchemy

    url = sqlalchemy.engine.make_url(storage)
    return url._replace(password=None).render_as_string()  # set(password=None) would leave it


def _database(url: str) -> BaseStorage:
    """Optuna makes its tables where there are none; of several workers that begin at once, all but one fail in that."""
    import sqlalchemy
    from optuna.storages import RDBStorage

    for attempt in range(BEGINNINGS):
        try:
            # connections that a server has closed meanwhile are opened again
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            taken = isinstance(error, sqlalchemy.exc.IntegrityError) or "already exists" in str(error)
            if not taken or attempt == BEGINNINGS - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError


def _journal(path: Path, create: bool) -> BaseStorage:
    if not path.is_file():
        if not create:
            raise RunError(f"{path}: no such journal; was the study's folder copied whole?")
        if path.is_dir():
            raise ConfigError(f"storage: {path} is a folder, should be a file or a database URL")
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
            return JournalStorage(JournalFileBackend(str(path)))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"storage {path} is no journal of a study: {_first_line(error)}") from None


def _is_journal(path: Path) -> bool:
    """Whether a file is empty or begins as Optuna's journals do; nothing else is ever written to."""
    with path.open("rb") as file:
        first = file.readline(10_000)
    return not first or first.startswith(b'{"op_code":')


def _mend(path: Path) -> None:
    """Cut off a last line that a crash left unfinished, which Optuna would refuse for good."""
    if _is_whole(path):
        return
    lock = JournalFileSymlinkLock(str(path))
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


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            yield f"  {name}: {there.get(name)!r} in the study, {here.get(name)!r} here"


def _plain(value: Any) -> Any:
    """As JSON gives it back: lists for tuples, names for infinities."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error.__cause__ or error).strip().splitlines() if line]
    return lines[0] if lines else type(error).__name__
