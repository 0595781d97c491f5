"""The seconds that each participant of a backtest took, in a file of their own: all other results repeat bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from nextbar.checksums import read_json, write_json
from nextbar.errors import Damaged
from nextbar.folders import writing

TIMES = "times.json"
KINDS = ("fit", "predict")

Seconds = dict[str, dict[str, dict[str, float]]]
"""participant → ``fit`` or ``predict`` → number of the fold → seconds"""


class Times:
    """Measures the participants of a backtest, fold by fold, and keeps what it measured in the backtest's folder.

    Seconds by the clock, of this process: fitting (of a model, its training) and forecasting the fold's origins once.
    The search for look-aheads, which asks a user's predictors again, is not counted. A fold whose model had been
    trained before keeps the seconds of then.

    Args:
        folder: of the backtest; None: nothing is kept, another process does that.
        seconds: that are known, where there is no folder.
    """

    def __init__(self, folder: Path | None, seconds: Seconds | None = None) -> None:
        self.folder = folder
        self.seconds: Seconds = seconds or {} if folder is None else known_times(folder)

    @contextmanager
    def measured(self, name: str, kind: str, fold: int, keep: bool = False) -> Iterator[None]:
        """Measure a block and write it down.

        Args:
            name: of the participant.
            kind: ``fit`` or ``predict``.
            fold: its number.
            keep: leave what was measured before, where there is something.
        """
        started = perf_counter()
        yield
        of_fold = self.seconds.setdefault(name, {}).setdefault(kind, {})
        if not (keep and str(fold) in of_fold):
            of_fold[str(fold)] = round(perf_counter() - started, 3)
        self._keep()

    def take(self, seconds: Seconds, folds: Sequence[int]) -> None:
        """Take over what another process has measured in some folds."""
        for name, kinds in seconds.items():
            for kind, by_fold in kinds.items():
                own = {fold: value for fold, value in by_fold.items() if int(fold) in folds}
                self.seconds.setdefault(name, {}).setdefault(kind, {}).update(own)
        self._keep()

    def _keep(self) -> None:
        if self.folder is not None:
            with writing(self.folder):
                write_json(self.folder / TIMES, self.seconds)


def read_times(folder: Path) -> Seconds:
    """What is written down in a backtest's folder; nothing where there is none, as in those of earlier versions.

    Raises:
        Damaged: the file is not as it was written.
    """
    path = folder / TIMES
    try:
        return {name: kinds for name, kinds in read_json(path).items() if isinstance(kinds, dict)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read ({error}); was the folder copied whole?") from None


def known_times(folder: Path) -> Seconds:
    """The same, and nothing where it is damaged: no result depends on it."""
    try:
        return read_times(folder)
    except Damaged:
        return {}


def total(seconds: Mapping[str, Any], *kinds: str) -> float | None:
    """The sum over all folds of what a participant took; None where nothing was measured."""
    measured = [value for kind in kinds for value in seconds.get(kind, {}).values()]
    return sum(measured) if measured else None
