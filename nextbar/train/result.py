"""What is asked of a training beside its configuration, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextbar.data.splits import Cuts
from nextbar.data.windows import LAYOUT


@dataclass(frozen=True)
class Result:
    """What a training came to."""

    run_dir: Path
    best_epoch: int | None
    """epoch with the lowest validation loss; the metrics are its"""
    status: str
    """``finished``, ``stopped_early``, ``diverged`` or ``pruned``"""
    metrics: dict[str, Any]
    """by span (``validation``, ``test``): ``model``, ``baseline``, ``skill``, ``by_ticker``, ..."""
    message: str = ""
    """what to know about the end, where there is something to know"""


@dataclass(frozen=True)
class Plan:
    """What a training does otherwise than its configuration says."""

    cuts: Cuts | None = None
    """where validation and test begin; after the last bar: nothing is scored"""
    epochs: int | None = None
    """end after so many, on the configuration's schedule"""
    refit_of: str | None = None
    """name of the run whose configuration this is"""
    layout: int = LAYOUT
    """of the windows"""

    @property
    def name(self) -> str:
        """What tells its run folder from that of the configuration; empty where there is no difference."""
        if self == Plan():
            return ""
        earlier = () if self.layout == LAYOUT else (self.layout,)
        return repr((self.cuts, self.epochs, *earlier))


Watch = Callable[[int, float | None], str]
"""told each epoch that is done and its ranking score (lower is better; None where nothing is validated); what it
answers, where it answers something, is why the training ends there, with status ``pruned``. A
training that is gone on with tells its last epoch once more, as the process may have ended before the answer came"""
