"""``Plan``, ``Watch`` and ``Result`` of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextbar.data.splits import Cuts
from nextbar.data.window_spec import LAYOUT
from nextbar.runs.shown_run import ShownRun
from nextbar.storage.address import named


@dataclass(frozen=True, repr=False)
class Result(ShownRun):
    """Where a training lies, how it ended, and its scores."""

    run_dir: Path
    """of a run in object storage: its working folder"""
    best_epoch: int | None
    """epoch with the lowest validation loss; the metrics are its"""
    status: str
    """``finished``, ``stopped_early``, ``diverged`` or ``pruned``"""
    metrics: dict[str, Any]
    """by span (``validation``, ``test``): ``model``, ``baseline``, ``strongest``, ``skill``, ``by_ticker``, ..."""
    message: str = ""
    """why it ended, where the status does not say it"""

    @property
    def place(self) -> str:
        """What commands call the run: its folder, or its address where it lies in object storage."""
        return named(self.run_dir)

    def _title(self) -> str:
        best = "" if self.best_epoch is None else f", best epoch {self.best_epoch}"
        return f"{self.place}, {self.status.replace('_', ' ')}{best}"

    def _headline(self) -> str:
        return super()._headline() or self.message

    def _run_dirs(self) -> tuple[Path, ...]:
        return (self.run_dir,)

    def _reports(self) -> dict[str, Any]:
        return self.metrics


@dataclass(frozen=True)
class Plan:
    """What differs from the configuration: cuts, number of epochs, layout, the weights to begin with."""

    cuts: Cuts | None = None
    """where validation and test begin; after the last bar: nothing is scored"""
    epochs: int | None = None
    """end after so many, on the configuration's schedule"""
    refit_of: str | None = None
    """name of the run whose configuration this is"""
    layout: int = LAYOUT
    """of the windows"""
    start: Path | None = None
    """folder of the run whose weights it begins with; None: untrained"""

    @property
    def name(self) -> str:
        """Part of the run folder's name, unlike that of the configuration alone; empty where nothing differs."""
        if self == Plan():
            return ""
        earlier = () if self.layout == LAYOUT else (self.layout,)
        begun = () if self.start is None else (self.start.name,)
        return repr((self.cuts, self.epochs, *earlier, *begun))


Watch = Callable[[int, float | None], str]
"""called after each epoch with its number and its ranking score (lower is better; None where nothing is validated). A
text other than ``""`` ends the training with status ``pruned`` and is the reason. A training that is resumed calls it
for its last epoch once more, since the process may have been killed before it answered"""
