"""Progress of a search on the terminal and in the log, in place of the log of its trainings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna.trial import FrozenTrial, TrialState
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from nextbar.logger import console, get_logger
from nextbar.searching.claim import Claim
from nextbar.searching.leaderboard import best_of
from nextbar.searching.trials import FACTS
from nextbar.train.progress import LiveBar


class Progress(LiveBar):
    """A bar on a terminal, and a line for each trial that ends; a context manager.

    Args:
        n_trials: of the search.
        workers: that train at a time.
        show: None: where ``nextbar`` logs at INFO, the bar if that is on a terminal.
    """

    def __init__(self, n_trials: int, workers: int = 1, show: bool | None = None) -> None:
        self._n, self._workers = n_trials, workers
        log = get_logger()
        self._lines = log.isEnabledFor(logging.INFO) if show is None else show
        visible = console().is_terminal and self._lines
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            console=console(),
            transient=True,
            disable=not visible,
        )
        self._task = self._bar.add_task("trials", total=n_trials, status="")
        self._reported: set[int] = set()

    def skip(self, trials: Sequence[FrozenTrial]) -> None:
        """Log no line for those of these trials that have ended."""
        self._reported |= {trial.number for trial in trials if trial.state.is_finished()}

    def show(self, trials: Sequence[FrozenTrial]) -> None:
        """Bring the bar up to date."""
        done = sum(trial.state.is_finished() for trial in trials)
        status = ", ".join(text for text in (_best(trials), self._left(trials)) if text)
        self._bar.update(self._task, completed=done, status=status)

    def follow(self, trials: Sequence[FrozenTrial]) -> None:
        """Show trials that others train: the bar, and a line for each that has ended."""
        self.show(trials)
        for trial in trials:
            if trial.state.is_finished():
                self.ended(trial, trials)

    def epoch(self, claim: Claim, epoch: int) -> None:
        """Show that an epoch of a trial is done; safe from any thread."""
        self._bar.update(self._task, description=f"trial {claim.number}, epoch {epoch}")

    def ended(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> None:
        """Log a line for a trial that has ended."""
        self.show(trials)
        if trial.number in self._reported:
            return
        self._reported.add(trial.number)
        facts = trial.user_attrs.get(FACTS, {})
        done = sum(other.state.is_finished() for other in trials)
        outcome = facts.get("status", "failed").replace("_", " ")
        if facts.get("ranking") is not None:
            outcome += f", ranking score {facts['ranking']:.5g}"
        elif facts.get("reason"):
            outcome += f": {facts['reason']}"
        parts = [f"{facts.get('seconds', 0.0):.1f} s", _best(trials), self._left(trials)]
        line = f"trial {trial.number} ({done} of {self._n}) {outcome}; {', '.join(part for part in parts if part)}"
        if self._lines:
            get_logger().info("%s", line)

    def _left(self, trials: Sequence[FrozenTrial]) -> str:
        ended = [trial for trial in trials if trial.state.is_finished() and FACTS in trial.user_attrs]
        seconds = [trial.user_attrs[FACTS]["seconds"] for trial in ended if trial.state != TrialState.FAIL]
        left = self._n - len(ended)
        if not seconds or left <= 0:
            return ""
        return f"about {_duration(left * sum(seconds) / len(seconds) / self._workers)} left"


def _best(trials: Sequence[FrozenTrial]) -> str:
    best = best_of(trials)
    return f"best {best.value:.5g} (trial {best.number})" if best else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@contextmanager
def hushed(logged: set[str] | None = None) -> Iterator[None]:
    """Log nothing but new warnings and errors: a search logs a line for each trial, and its trainings none.

    Args:
        logged: earlier warnings, which are not repeated; new ones are added.
    """
    log = get_logger()
    level = log.level
    logged = set() if logged is None else logged

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno != logging.WARNING or message not in logged:
            logged.add(message)
            return True
        return False

    log.setLevel(max(level, logging.WARNING))
    log.addFilter(is_new)
    try:
        yield
    finally:
        log.removeFilter(is_new)
        log.setLevel(level)
