"""Trials trained to their end: side by side where they share a program, watched, judged and written down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, NextbarError, OutOfMemory, RunBusy
from nextbar.logger import get_logger
from nextbar.searching.heartbeat import Heartbeat
from nextbar.searching.ledger import Claim, LeaseLost, Ledger
from nextbar.searching.outcome import Outcome, failed, judged
from nextbar.searching.pruning import Pruning
from nextbar.train.population import population_key, train_population
from nextbar.train.trainer import Result, Watch

MOST_DEATHS = 10
"""times in a row that processes may die in the same epoch of a trial before it counts as failed"""

LOST = "another worker has taken the trial over"


class TrialRunner:
    """Trains claims of a study.

    Args:
        ledger: where they are written down.
        pruning: ends those that look hopeless.
        bars: the series of an experiment, read before.
        progress: told of every epoch.
        ended: told of each that has ended and is written down.
    """

    def __init__(
        self,
        ledger: Ledger,
        pruning: Pruning,
        bars: Callable[[ExperimentConfig], Any],
        progress: Callable[[Claim, int], None] = lambda claim, epoch: None,
        ended: Callable[[Claim], None] = lambda claim: None,
    ) -> None:
        self._ledger, self._pruning, self._bars = ledger, pruning, bars
        self._progress, self._ended = progress, ended
        self._lost: set[int] = set()
        """ids of trials, as those of ``_spent``: a number may come back to a worker, and is another trial then"""
        self._said: set[str] = set()
        self._spent: dict[int, float] = {}
        self._group: Sequence[Claim] = ()
        self._began = 0.0

    def run(self, claims: Sequence[Claim], size: Callable[[ExperimentConfig], int] = lambda config: 1) -> None:
        """Train claims to their end; what lies in a trial is noted there.

        Args:
            claims: all of them are kept alive meanwhile.
            size: how many that share the program of an experiment are trained side by side.

        Raises:
            NextbarError: nothing that lies in a trial, such as a full disk: they are left for the next command.
            TrainingInterrupted: Ctrl-C; they are left as they stand.
        """
        open_ = {claim.trial_id: claim for claim in claims}

        def beat() -> None:
            for claim in list(open_.values()):
                try:
                    self._ledger.renew(claim, self._seconds(claim))
                except LeaseLost:
                    self._lost.add(claim.trial_id)
                except (NextbarError, OSError) as error:  # the next beat may come through
                    get_logger().warning("%s", error)

        try:
            with Heartbeat(beat):
                for group in side_by_side(claims, size):
                    self._train(group)
                    for claim in group:
                        del open_[claim.trial_id]
        finally:
            for claim in open_.values():
                self._ledger.release(claim, self._seconds(claim))

    def _train(self, group: Sequence[Claim]) -> None:
        first = group[0]
        if first.proposal.config is None:
            return self._write(first, failed(first.proposal.refused, 0.0))
        if first.taken_over >= MOST_DEATHS:
            reason = f"the process was killed {first.taken_over} times in the same epoch of it"
            return self._write(first, failed(reason, first.seconds))
        configs = [claim.proposal.config for claim in group if claim.proposal.config is not None]
        self._group, self._began = group, time.monotonic()
        try:
            with hushed(self._said):
                results = patiently(
                    lambda: train_population(
                        configs, self._bars(configs[0]), watches=[self._watch(claim) for claim in group], show=False
                    )
                )
        except Exception as error:
            if not of_the_trial(error):
                raise
            self._stop_clock()
            if len(group) > 1:  # what one cannot do, or all together, the others may
                for half in (group[: len(group) // 2], group[len(group) // 2 :]):
                    self._train(half)
                return
            get_logger().debug("trial %d", first.number, exc_info=True)
            said = str(error) if isinstance(error, NextbarError) else f"{type(error).__name__}: {error}"
            return self._write(first, failed(said, self._seconds(first)))
        self._stop_clock()
        for claim, config, result in zip(group, configs, results, strict=True):
            if claim.trial_id not in self._lost:
                values = self._ledger.values(claim)
                self._write(claim, judged(result, config, self._ledger.study, values, self._seconds(claim)))

    def _watch(self, claim: Claim) -> Watch:
        def watch(epoch: int, ranking: float | None) -> str:
            if claim.trial_id in self._lost:
                return LOST
            self._progress(claim, epoch)
            try:
                return self._pruning.reason(claim, epoch, ranking)
            except LeaseLost:
                self._lost.add(claim.trial_id)
                return LOST

        return watch

    def _write(self, claim: Claim, outcome: Outcome) -> None:
        try:
            self._ledger.finish(claim, *outcome)
        except LeaseLost:
            return
        self._ended(claim)

    def _seconds(self, claim: Claim) -> float:
        """A claim's share of the time spent; those that are trained side by side share it evenly."""
        now = (time.monotonic() - self._began) / len(self._group) if claim in self._group else 0.0
        return claim.seconds + self._spent.get(claim.trial_id, 0.0) + now

    def _stop_clock(self) -> None:
        share = (time.monotonic() - self._began) / len(self._group)
        for claim in self._group:
            self._spent[claim.trial_id] = self._spent.get(claim.trial_id, 0.0) + share
        self._group = ()


def side_by_side(claims: Sequence[Claim], size: Callable[[ExperimentConfig], int]) -> list[list[Claim]]:
    """Claims that share a program, ``size`` of them together at most; those that train nothing alone."""
    groups: list[list[Claim]] = []
    joinable: dict[str, list[Claim]] = {}
    for claim in claims:
        config = claim.proposal.config
        if config is None or claim.taken_over >= MOST_DEATHS:
            groups.append([claim])
            continue
        key = population_key(config)
        if key not in joinable or len(joinable[key]) >= size(config):
            joinable[key] = []
            groups.append(joinable[key])
        joinable[key].append(claim)
    return groups


def patiently(train: Callable[[], list[Result]]) -> list[Result]:
    """Train, or wait for whoever trains the same experiment just now, and go on with that.

    Raises:
        NextbarError, TrainingInterrupted: see ``train_population``.
    """
    waits = False
    while True:
        try:
            return train()
        except RunBusy as busy:
            if not waits:
                get_logger().warning("waiting: %s", busy)
            waits = True
            time.sleep(1)


def of_the_trial(error: Exception) -> bool:
    """Whether an error lies in the experiment; others, such as a full disk, end the search."""
    if isinstance(error, NextbarError | OSError):
        return isinstance(error, ConfigError | DataError | OutOfMemory)
    return True


@contextmanager
def hushed(said: set[str] | None = None) -> Iterator[None]:
    """A study says one line a trial; what its trainings say of each epoch stands in their folders.

    Args:
        said: warnings that were logged before; they are not repeated, and new ones are added.
    """
    log = get_logger()
    level = log.level
    said = set() if said is None else said

    def news(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno != logging.WARNING or message not in said:
            said.add(message)
            return True
        return False

    log.setLevel(max(level, logging.WARNING))
    log.addFilter(news)
    try:
        yield
    finally:
        log.removeFilter(news)
        log.setLevel(level)
