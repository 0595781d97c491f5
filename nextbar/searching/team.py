"""Several workers on one machine: processes that share out its cores, and the one that watches over them."""

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
from typing import Any

from nextbar.errors import RunError
from nextbar.files import write_whole
from nextbar.logger import get_logger
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.folder import StudyFolder
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import SearchOptions
from nextbar.searching.progress import Progress
from nextbar.searching.space.space import Space

LOOKS = 0.5
"""seconds between two looks at the workers"""

PATIENCE = 20.0
"""seconds that workers have to end after Ctrl-C"""

MOST_RESTARTS = 20
"""processes started anew in place of ones that were killed"""


class Team:
    """Starts workers, starts killed ones again, shows what they come to, and ends with them.

    Args:
        folder: of the study.
        ledger: its trials.
        space: what is varied.
        options: what is asked.
        bars: the series of an experiment; those that came as a frame are handed over as files.
        progress: what a user watches.
    """

    def __init__(
        self,
        folder: StudyFolder,
        ledger: Ledger,
        space: Space,
        options: SearchOptions,
        bars: BarsCache,
        progress: Progress,
    ) -> None:
        self._folder, self._ledger, self._space, self._options = folder, ledger, space, options
        self._bars, self._progress = bars, progress
        self._restarts = 0

    def work(self) -> bool:
        """Have the study worked on to its end; True where no further combination was found before.

        Raises:
            RunError: a worker cannot go on; its message.
            KeyboardInterrupt: Ctrl-C; the workers have ended.
        """
        with tempfile.TemporaryDirectory(prefix="nextbar-search-") as temporary:
            task = Path(temporary) / "task.json"
            write_whole(task, json.dumps(self._task(Path(temporary))))
            self._progress.known(self._ledger.trials())
            team = [self._start(task, Path(temporary), i) for i in range(self._options.workers)]
            try:
                self._watch(team, task, Path(temporary))
            finally:
                _end(team)
        return len(self._ledger.trials()) < self._options.n_trials

    def _watch(self, team: list[subprocess.Popen[bytes]], task: Path, temporary: Path) -> None:
        while True:
            trials = self._ledger.trials()
            self._progress.show(trials)
            for trial in trials:
                if trial.state.is_finished():
                    self._progress.ended(trial, trials)
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

    def _task(self, temporary: Path) -> dict[str, Any]:
        """What a worker must know."""
        return {
            "parent": os.getpid(),
            "study": str(self._folder.path),
            "space": self._space.to_dict(),
            "options": self._options.to_dict(),
            "bars": self._bars.hand_over(temporary),
        }

    def _start(self, task: Path, temporary: Path, index: int) -> subprocess.Popen[bytes]:
        environment = os.environ | shares(index, self._options.workers, os.environ)
        command = [
            sys.executable,
            "-m",
            "nextbar.searching.worker_process",
            str(task),
            str(index),
            str(self._options.workers),
        ]
        with (temporary / f"{index}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def cores(index: int, workers: int) -> list[int] | None:
    """The cores of one of several workers; None where they cannot be shared out, or are fewer than the workers."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    there = sorted(os.sched_getaffinity(0))
    if len(there) < workers:
        return [there[index % len(there)]]
    return there[index * len(there) // workers : (index + 1) * len(there) // workers]


def shares(index: int, workers: int, environment: Any) -> dict[str, str]:
    """The part of a machine that one of several workers may use, as environment variables for XLA."""
    count = os.cpu_count() or 1
    shared = {"NPROC": str(max(1, len(cores(index, workers) or []) or count // workers))}
    devices = [device for device in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    on_one = workers
    if len(devices) > 1:
        shared["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
        on_one = -(-workers // len(devices))
    if on_one > 1 and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in environment:
        shared["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / on_one:.3f}"
    return shared


def _end(team: Sequence[subprocess.Popen[bytes]]) -> None:
    """See that no worker is left; those at work are asked first."""
    for worker in team:
        if worker.poll() is None:
            worker.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    for worker in team:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _last_words(temporary: Path, index: int) -> str:
    log = temporary / f"{index}.log"
    return log.read_text(errors="replace").strip()[-2000:] if log.is_file() else ""
