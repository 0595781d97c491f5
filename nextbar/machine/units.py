"""Units of work on a worker of a cluster: one at a time, under the command's terms, until the command ends."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from nextbar.errors import RunError, TrainingInterrupted
from nextbar.logger import get_logger
from nextbar.machine.heartbeat import Heartbeat
from nextbar.machine.interruptible import hear, patiently, pause, stopped_by
from nextbar.machine.versions import versions

LOOKS = 1.0
"""seconds between two looks at whether the command still wants the work"""

SILENCE = 120.0
"""seconds without a sign of life after which a command counts as killed"""

SIGHT = 30.0
"""seconds that a file may take to be seen on all machines of a shared file system"""

WARNED = "warned before: "
"""beginning of the notes of a unit's error that hold what it warned of"""

OPTIONAL = (
    "optuna", "arch", "exchange_calendars", "statsforecast", "neuralforecast", "darts", "chronos-forecasting",
    "timesfm", "scikit-learn", "torch",
)  # fmt: skip
"""libraries that decide results where they are installed: a worker without one says so when it is needed"""

_AT_WORK = threading.Lock()
"""held by the unit that this process works on: JAX, the logger and the working folder are the process's"""


class Unit(NamedTuple):
    """A part of a command's work that needs nothing of the others."""

    name: str
    """in messages, such as ``fold 3``"""
    function: Callable[..., Any]
    """of a module; what it is given and what it returns are plain values, arrays and configurations"""
    arguments: tuple[Any, ...]


class UnitTerms(NamedTuple):
    """Terms of a command that its units are done under."""

    alive: str
    """absolute path of the command's sign of life, on the shared file system: its time changes while the command lives,
    and it is gone when nobody wants the work any more"""
    folder: str
    """where the command was given, so that relative paths mean the same"""
    versions: dict[str, str]
    """of the command"""
    debug: bool
    """see ``debugging``"""

    @classmethod
    def here(cls, alive: Path) -> UnitTerms:
        """Terms of this process."""
        return cls(str(alive.absolute()), os.getcwd(), versions(OPTIONAL), debugging())


class Answer(NamedTuple):
    """Result of a unit."""

    value: Any
    where: str
    """the worker's host and process"""
    warnings: tuple[str, ...]
    """that were logged meanwhile"""


def debugging() -> bool:
    """Whether JAX stops at the first NaN, as ``--debug`` has it."""
    return bool(jax.config.values["jax_debug_nans"])


def perform(terms: UnitTerms, unit: Unit) -> Answer:
    """Do a unit in this process, after the one before it.

    Raises:
        RunError: the worker has other versions, or does not see the command's folders; or the command has ended.
        Exception: that of the unit, with notes of what it had warned of.
    """
    where = f"{platform.node()}, process {os.getpid()}"
    _require_same(terms.versions, versions(OPTIONAL), where)
    _require_sight(terms, where)
    with _AT_WORK, _as_commanded(terms), _warnings_kept() as warnings:
        stopped = threading.Event()
        look = _watch(Path(terms.alive), stopped)
        try:
            with stopped_by(stopped), Heartbeat(look, LOOKS):
                look()
                hear()
                value = patiently(lambda: unit.function(*unit.arguments))
        except (KeyboardInterrupt, TrainingInterrupted):  # to Dask it would mean: end the worker
            raise RunError(f"{unit.name} on {where}: stopped, since the command that wanted it has ended") from None
        except Exception as error:
            for warning in warnings:
                error.add_note(f"{WARNED}{warning} ({unit.name})")
            raise
    return Answer(value, where, tuple(warnings))


def _require_sight(terms: UnitTerms, where: str) -> None:
    """Wait for the command's folders.

    Raises:
        RunError: this worker does not see them.
    """
    folders = terms.folder, os.path.dirname(terms.alive)
    deadline = time.monotonic() + SIGHT
    while lacking := [folder for folder in folders if not os.path.isdir(folder)]:
        if time.monotonic() > deadline:
            raise RunError(
                f"the worker on {where} does not see {lacking[0]}; all workers of a cluster need the folder where the "
                "command is given, the log folder and the bars under the same paths, on a file system that they share"
            )
        pause(min(1.0, SIGHT))


@contextmanager
def _as_commanded(terms: UnitTerms) -> Iterator[None]:
    """Within the block the working folder is the command's, and JAX looks for NaNs where it does there."""
    before, looked = os.getcwd(), debugging()
    os.chdir(terms.folder)
    jax.config.update("jax_debug_nans", terms.debug)
    try:
        yield
    finally:
        jax.config.update("jax_debug_nans", looked)
        os.chdir(before)


def _require_same(expected: dict[str, str], installed: dict[str, str], where: str) -> None:
    """Refuse a worker whose results would be others, or which could not read what it is given."""

    def short(name: str, version: str) -> str:
        return ".".join(version.split(".")[:2]) if name == "python" else version

    differing = [
        f"{name} {installed.get(name)} there, {version} here"
        for name, version in expected.items()
        if short(name, installed.get(name, "")) != short(name, version)
    ]
    if differing:
        raise RunError(
            f"the worker on {where} has other versions: {'; '.join(differing)}. Install the same on all workers, "
            "start them anew, and give the same command again"
        )


def _watch(alive: Path, stopped: threading.Event) -> Callable[[], None]:
    """Sets the event when the sign of life is gone, or has not changed for long by this machine's clock."""
    seen, since = 0, time.monotonic()

    def look() -> None:
        nonlocal seen, since
        try:
            beat = alive.stat().st_mtime_ns
        except FileNotFoundError:
            stopped.set()
            return
        except OSError:  # a file system that does not answer may do so again
            beat = seen
        if beat != seen:
            seen, since = beat, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            stopped.set()

    return look


@contextmanager
def _warnings_kept() -> Iterator[dict[str, None]]:
    """Warnings and errors that are logged within the block, each once."""
    kept: dict[str, None] = {}

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept[record.getMessage()] = None

    keeper, logger = Keeper(logging.WARNING), get_logger()
    logger.addHandler(keeper)
    try:
        yield kept
    finally:
        logger.removeHandler(keeper)
