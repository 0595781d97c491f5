"""The seconds that each participant of a backtest took, in a file of their own: all other results repeat bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        folder: of the backtest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: Seconds = known_times(folder)

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
