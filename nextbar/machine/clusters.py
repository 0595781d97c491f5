"""Where units of work run: in this process, or on the workers of a cluster, Dask's or Ray's."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from nextbar.errors import ConfigError, short
from nextbar.folders import make_log_folder, writing
from nextbar.logger import get_logger
from nextbar.machine.units import SILENCE, WARNED, Answer, Unit, UnitTerms

LOCAL = "local"

SIGNS = 15.0
"""seconds between two signs of life for the workers"""

JOB = ".job-"
"""beginning of the name of a job's folder"""

ALIVE = "alive"
"""name of the file in it whose time is the last sign of life"""

OLD = 86_400.0
"""seconds without a sign of life after which what a killed command left of a job is removed"""


class Cluster(Protocol):
    """A cluster that was joined."""

    address: str

    @property
    def workers(self) -> int:
        """Processes that do units, counted once: when none has come or gone for a while, at least one.

        Raises:
            RunError: none comes.
        """

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        """The number of a unit and its answer, as they are done; None about every second meanwhile.

        The unit of a worker that dies is given to another. When the iterator is closed, units not yet begun are
        withdrawn.

        Raises:
            RunError: no worker is left, the scheduler has gone, or a unit's workers die again and again.
            Exception: that of a unit.
        """

    def close(self) -> None:
        """Leave the cluster, which stays."""


def _dask(address: str) -> Cluster:
    from nextbar.machine.dask_cluster import DaskCluster

    return DaskCluster(address)


def _ray(address: str) -> Cluster:
    from nextbar.machine.ray_cluster import RayCluster

    return RayCluster(address)


CLUSTERS: dict[str, tuple[Callable[[str], Cluster], int]] = {"dask": (_dask, 8786), "ray": (_ray, 10001)}
"""scheme of an address → what joins the cluster there, and the port that it usually has"""


def require_place(on: Any) -> None:
    """Check where work is to be done, before anything is read.

    Raises:
        ConfigError: neither ``local`` nor the address of a cluster.
    """
    _parted(on)


@contextmanager
def joined(on: str) -> Iterator[Cluster | None]:
    """The cluster at an address, for the block; None for ``local``.

    Raises:
        ConfigError: no address of a cluster, or its package is not installed.
        RunError: it cannot be reached.
    """
    parts = _parted(on)
    if parts is None:
        yield None
        return
    scheme, address = parts
    cluster = CLUSTERS[scheme][0](address)
    try:
        yield cluster
    finally:
        cluster.close()


def _parted(on: Any) -> tuple[str, str] | None:
    """Scheme and ``HOST:PORT``; None for ``local``."""
    if on == LOCAL:
        return None
    scheme, separator, address = on.partition("://") if isinstance(on, str) else ("", "", "")
    host, _, port = address.rpartition(":")
    if scheme not in CLUSTERS or not separator or not host or not port.isdecimal():
        examples = " or ".join(f"{name}://HOST:{usual}" for name, (_, usual) in CLUSTERS.items())
        raise ConfigError(f"on: found {short(on)}, should be {LOCAL}, or the address of a cluster: {examples}")
    return scheme, address


@contextmanager
def job_folder(folder: Path) -> Iterator[Path]:
    """A folder of a job's own inside ``folder``, gone with the block: for what its units are to read.

    Args:
        folder: on the file system that the workers share; it is made where there is none.
    """
    make_log_folder(folder)
    for left in folder.glob(f"{JOB}*"):
        if _silent_for(left) > OLD:
            shutil.rmtree(left, ignore_errors=True)
    job = folder / f"{JOB}{uuid.uuid4().hex[:12]}"
    with writing(folder):
        job.mkdir()
    try:
        yield job
    finally:
        shutil.rmtree(job, ignore_errors=True)


def _silent_for(job: Path) -> float:
    """Seconds since the last sign of life of a job, or since its folder was made; 0 where it has just gone."""
    sign = job / ALIVE
    with suppress(FileNotFoundError):
        return time.time() - (sign if sign.exists() else job).stat().st_mtime
    return 0.0


def answers_of(
    cluster: Cluster, units: Sequence[Unit], job: Path, look: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, Any]]:
    """Do units on a cluster: the number of each, and what it returns, as they are done.

    What units warn of is logged here. Those that are still worked on when the iterator is closed, or raises, are told
    to stop, and do so as after Ctrl-C.

    Args:
        cluster: it does them.
        units: in the order in which they are begun.
        job: of ``job_folder``.
        look: called about every second.

    Raises:
        RunError: see ``Cluster.answers`` and ``perform``.
        KeyboardInterrupt: Ctrl-C.
    """
    alive = job / ALIVE
    with writing(job):
        alive.touch()
    workers, parts = _counted(cluster.workers, "worker"), _counted(len(units), "part")
    get_logger().info("%s: %s, %s of the work", cluster.address, workers, parts)
    warned, signed = set(), time.monotonic()
    answers = cluster.answers(UnitTerms.here(alive), units)
    try:
        for done in answers:
            if time.monotonic() - signed > min(SIGNS, SILENCE / 4):
                os.utime(alive)
                signed = time.monotonic()
            look()
            if done is None:
                continue
            number, answer = done
            for warning in answer.warnings:
                if warning not in warned:
                    get_logger().warning("%s (%s)", warning, units[number].name)
                warned.add(warning)
            get_logger().info("%s: done by %s", units[number].name, answer.where)
            yield number, answer.value
    except Exception as error:
        for note in getattr(error, "__notes__", ()):
            if note.startswith(WARNED):
                get_logger().warning("%s", note.removeprefix(WARNED))
        raise
    finally:
        alive.unlink(missing_ok=True)
        answers.close()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
