"""Records of each epoch: a line in the log, a row in ``metrics.csv``, TensorBoard."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from nextbar.logger import get_logger
from nextbar.runs.metrics_csv import MetricsCsv
from nextbar.tables import leading_of, rounded


class Tracker:
    """Writes down the epochs of a training, from the first to come; a context manager.

    Args:
        run_dir: folder of the run; ``metrics.csv`` and the TensorBoard events lie directly in it.
        first_epoch: first epoch to come, counted from 1. Records of it and of later ones, left by a
            process that was killed before their commit, are dropped.
        num_epochs: last epoch.
        steps_per_epoch: optimiser steps of an epoch.
        name: what its log lines begin with, where there are several trainings.

    Raises:
        RunError: ``metrics.csv`` of an earlier part of the run is damaged.
    """

    def __init__(self, run_dir: Path, first_epoch: int, num_epochs: int, steps_per_epoch: int, name: str = "") -> None:
        self._num_epochs = num_epochs
        self._name = f"{name}  " if name else ""
        self._log = get_logger()
        self._csv = MetricsCsv(run_dir, first_epoch)
        # tensorboardX's SummaryWriter keeps a queue that its flush does not empty, so a kill would lose the
        # events of a committed epoch. The suffix keeps processes begun within one second apart, in order.
        self._events = EventsWriter(str(Path(run_dir) / "events"), f".{first_epoch:06d}")
        # TensorBoard forgets events from the step of a START on, so an epoch done again is shown once
        self._write((first_epoch - 1) * steps_per_epoch + 1, session_log=SessionLog(status=SessionLog.START))

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        with suppress(OSError):  # of a write that failed before, and was told then
            self._events.close()

    def epoch(self, epoch: int, step: int, row: Mapping[str, float], extra: Mapping[str, float]) -> None:
        """Record a finished epoch; all of it is on the disk when this returns.

        Args:
            epoch: its number.
            step: optimiser steps since the start of the run.
            row: values that follow from configuration and bars, by TensorBoard tag (``validation/mae``).
            extra: values of the clock (``windows_per_second``), for TensorBoard and the log line only.
        """
        self._csv.append(epoch, step, row)
        finite = {tag: value for tag, value in {**row, **extra}.items() if math.isfinite(value)}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in finite.items()]
        self._write(step, summary=Summary(value=values))
        self._log.info("%s", self._name + _line(f"epoch {epoch}/{self._num_epochs}", row, extra))

    def _write(self, step: int, **content: Any) -> None:
        self._events.write_event(Event(wall_time=time.time(), step=step, **content))
        self._events.flush()


def _line(title: str, row: Mapping[str, float], extra: Mapping[str, float]) -> str:
    """Return one line: losses and the leading metric, by span, and the pace."""
    leading = leading_of(row)
    shown = [tag for tag in row if tag.rpartition("/")[2] in ("loss", leading)]
    pace = [f"{value:,.0f} {name.replace('_', ' ')}" for name, value in extra.items()]
    return "  ".join([title, *(f"{tag} {rounded(row[tag])}" for tag in shown), *pace])
