"""The log of a run that is being brought up to date: its file and its state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.errors import RunBusy
from nextbar.files import sweep_parts
from nextbar.folders import claim, writing
from nextbar.metrics.betting import ALPHA
from nextbar.runs.forecast_log import LogWriter, log_of, read_log
from nextbar.updating.contents import FORMAT, LogContents


class KeptLog:
    """A log that lines are added to; the state follows them.

    Args:
        path: its file.
        run: name of the run.
        config: the run's.
    """

    def __init__(self, path: Path, run: str, config: ExperimentConfig) -> None:
        self.path = path
        self.state = LogContents()
        self._writer = LogWriter(path)
        self.state.take(self._writer.records, path)
        dataset = config.dataset_config
        facts = {"horizon": dataset.horizon, "resolutions": list(dataset.resolutions), "alpha": ALPHA}
        self._first = {"kind": "log", "format": FORMAT, "run": run, **facts}

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines, each of which may follow from the state after those before it; the log begins with them.

        Raises:
            RunError: they cannot be written.
        """
        added: list[Mapping[str, Any]] = []
        for line in lines if self._writer.records else chain([self._first], lines):
            self.state.take([line], self.path)
            added.append(line)
        with writing(self.path.parent):
            self._writer.append(added)


@contextmanager
def kept_log(run_dir: Path, config: ExperimentConfig) -> Iterator[KeptLog]:
    """The log of a run, which no other process may add to until the block ends.

    Raises:
        RunError: another process adds to it, it is damaged, or it cannot be written.
    """
    path = log_of(run_dir)
    busy = RunBusy(f"{path} is being written by another process, which brings the run up to date; wait for it")
    with claim(path, busy):
        sweep_parts(path)
        yield KeptLog(path, run_dir.name, config)


def read_contents(run_dir: Path) -> LogContents:
    """State of a run's log; of one that is being written its whole lines. Empty where there is none.

    Raises:
        RunError: it is damaged.
    """
    contents = LogContents()
    contents.take(read_log(log_of(run_dir)).records, log_of(run_dir))
    return contents
