"""A team of worker processes on one machine, and the process that watches over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nextbar.errors import RunError
from nextbar.files import write_whole
from nextbar.logger import get_logger
from nextbar.searching.parts import SearchParts
from nextbar.searching.shares import shares

LOOKS = 0.5
"""seconds between two looks at the workers"""

PATIENCE = 20.0
"""seconds that workers have to end after Ctrl-C"""

MOST_RESTARTS = 20
"""replacements of killed processes"""


class Team:
    """Starts workers, replaces those that are killed, and shows the trials until all workers have ended.

    Args:
        parts: of the search.
    """

    def __init__(self, parts: SearchParts) -> None:
        self._parts, self._ledger, self._progress = parts, parts.ledger, parts.progress
        self._workers, self._n_trials = parts.options.workers or 1, parts.options.n_trials
        self._restarts = 0

    def work(self) -> bool:
        """Have workers train until there are as many trials as asked.

        Returns:
            Whether the space was used up before.

        Raises:
            RunError: a worker fails; with its message.
            KeyboardInterrupt: Ctrl-C; the workers have ended.
        """
        with tempfile.TemporaryDirectory(prefix="nextbar-search-") as temporary:
            task = Path(temporary) / "task.json"
            write_whole(task, json.dumps({"parent": os.getpid(), "task": self._parts.task(Path(temporary))}))
            self._progress.skip(self._ledger.trials())
            team: list[subprocess.Popen[bytes]] = []
            try:
                for i in range(self._workers):
                    team.append(self._start(task, Path(temporary), i))
                self._watch(team, task, Path(temporary))
            finally:
                _end(team)
        return len(self._ledger.trials()) < self._n_trials

    def _watch(self, team: list[subprocess.Popen[bytes]], task: Path, temporary: Path) -> None:
        while True:
            self._progress.follow(self._ledger.trials())
            codes = [worker.poll() for worker in team]
            for i, code in enumerate(codes):
                if code is None or code == 0:
                    continue
                if code > 0 or self._restarts >= MOST_RESTARTS:
                    raise RunError(_last_words(temporary, i) or f"a worker has ended with code {code}")
                get_logger().warning("worker %d was killed (signal %d): another takes its place", i, -code)
                self._restarts += 1
                team[i] = self._start(task, temporary, i)
            if all(code == 0 for code in codes):
                return
            time.sleep(LOOKS)

    def _start(self, task: Path, temporary: Path, index: int) -> subprocess.Popen[bytes]:
        environment = os.environ | shares(index, self._workers, os.environ)
        command = [
            sys.executable,
            "-m",
            "nextbar.searching.worker_process",
            str(task),
            str(index),
            str(self._workers),
        ]
        with (temporary / f"{index}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _end(team: Sequence[subprocess.Popen[bytes]]) -> None:
    """End all workers: by a signal, and those that do not end in time by force."""
    for worker in team:
        if worker.poll() is None:
            _interrupt(worker)
    deadline = time.monotonic() + PATIENCE
    for worker in team:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _interrupt(worker: subprocess.Popen[bytes]) -> None:
    """Ask a worker to end; Windows has no such signal for one process, and what is killed is gone on with."""
    if os.name == "nt":
        worker.terminate()
    else:
        worker.send_signal(signal.SIGINT)


def _last_words(temporary: Path, index: int) -> str:
    log = temporary / f"{index}.log"
    return log.read_text(errors="replace").strip()[-2000:] if log.is_file() else ""
