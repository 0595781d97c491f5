"""A Dask scheduler and workers in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]


class DaskProcesses:
    """A scheduler on the loopback, and its workers with one thread each.

    Args:
        folder: of its files and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.address = f"127.0.0.1:{free_port()}"
        options = ("--host", "127.0.0.1", "--port", self.address.partition(":")[2], "--no-dashboard", "--no-jupyter")
        self.scheduler = self._start("distributed.cli.dask_scheduler", options, "scheduler")

    @property
    def on(self) -> str:
        """What ``--on`` takes."""
        return f"dask://{self.address}"

    @property
    def living(self) -> list[subprocess.Popen[bytes]]:
        """Workers that nobody has killed."""
        return [worker for worker in self.workers if worker.poll() is None]

    def add(self, number: int = 1) -> None:
        """Start workers; they come when they come."""
        for _ in range(number):
            name = f"worker{len(self.workers)}"
            options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--name", name)
            options += ("--local-directory", str(self.folder / name))
            self.workers.append(self._start("distributed.cli.dask_worker", (self.address, *options), name))

    def said(self, name: str) -> str:
        """The end of what a process wrote."""
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def end(self) -> None:
        """End all processes."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, module: str, options: tuple[str, ...], name: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join([str(ROOT), str(SUPPORT), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": paths, "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *options], env=environment, stdout=log, stderr=log, cwd="/"
            )


@contextmanager
def dask_processes(folder: Path, workers: int = 2) -> Iterator[DaskProcesses]:
    """A scheduler and workers; skips where the package is not installed."""
    pytest.importorskip("distributed")
    processes = DaskProcesses(folder)
    try:
        processes.add(workers)
        yield processes
    finally:
        processes.end()
