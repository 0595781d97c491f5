"""The progress bar of a training, or of several side by side."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nextbar.logger import console, get_logger


class LiveBar:
    """Shows ``_bar`` within a block."""

    _bar: Progress

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class ProgressBar(LiveBar):
    """Steps of the whole training, and of the epoch; a context manager.

    Args:
        done: epochs done before.
        num_epochs: last epoch.
        steps_per_epoch: optimiser steps of an epoch.
        show: None: on a terminal, while ``nextbar`` logs at INFO.
        title: what is going on.
    """

    def __init__(
        self, done: int, num_epochs: int, steps_per_epoch: int, show: bool | None = None, title: str = ""
    ) -> None:
        self._done, self._num_epochs, self._steps = done, num_epochs, steps_per_epoch
        visible = console().is_terminal and get_logger().isEnabledFor(logging.INFO) if show is None else show
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console(),
            transient=True,
            disable=not visible,
            speed_estimate_period=600,  # a long epoch reports rarely, and evaluation takes its share
        )
        self._whole: TaskID = self._bar.add_task(
            title or "training", total=num_epochs * steps_per_epoch, completed=done * steps_per_epoch
        )
        self._part: TaskID = self._bar.add_task(self._title(), total=steps_per_epoch)

    def progress(self, step: int) -> None:
        """Show that this many steps of the epoch are done; safe from any thread."""
        self._bar.update(self._whole, completed=self._done * self._steps + step)
        self._bar.update(self._part, completed=step)

    def epoch(self, done: int, num_epochs: int) -> None:
        """Show that so many epochs are done; ``num_epochs`` falls where those with more to do have ended."""
        self._done, self._num_epochs = done, num_epochs
        self._bar.update(self._whole, completed=done * self._steps, total=num_epochs * self._steps)
        if done < num_epochs:
            self._bar.reset(self._part, description=self._title())
        else:
            self._bar.update(self._part, completed=self._steps)

    def _title(self) -> str:
        return f"epoch {self._done + 1}/{self._num_epochs}"
