"""Trains claimed trials to their end, side by side where they share a program, and records their outcomes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.errors import NextbarError
from nextbar.logger import get_logger
from nextbar.machine.heartbeat import Heartbeat
from nextbar.machine.interruptible import patiently
from nextbar.searching.claim import Claim, LeaseLost
from nextbar.searching.ledger import Ledger
from nextbar.searching.outcome import Outcome, failed, lies_in_trial, outcome_of
from nextbar.searching.progress import hushed
from nextbar.searching.pruning import Pruning
from nextbar.searching.sizes import side_by_side
from nextbar.searching.worker_lock import RENEWAL
from nextbar.searching.yardstick import no_yardstick
from nextbar.train.population import train_population
from nextbar.train.trainer import Watch

LOST = "another worker has taken the trial over"


class TrialRunner:
    """Trains claims of a study.

    Args:
        ledger: of the study.
        pruning: decides after each epoch whether a trial goes on.
        bars: gives the series of an experiment.
        progress: called after every epoch of a claim.
        ended: called when the outcome of a claim is recorded.
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
        """ids of trials taken over by others; no numbers, since the number of a lost trial may be claimed again"""
        self._warnings: set[str] = set()
        """that have been logged"""
        self._spent: dict[int, float] = {}
        """seconds of training, by id of the trial"""
        self._group: Sequence[Claim] = ()
        self._began = 0.0

    def run(self, claims: Sequence[Claim], size: Callable[[ExperimentConfig], int] = lambda config: 1) -> None:
        """Train claims to their end; an error of one trial becomes its outcome.

        Args:
            claims: their leases are renewed meanwhile.
            size: how many trials that share the program of an experiment are trained side by side.

        Raises:
            NextbarError: an error of no single trial, such as a full disk; claims not yet ended are released.
            TrainingInterrupted: Ctrl-C; claims not yet ended are released.
        """
        unfinished = {claim.trial_id: claim for claim in claims}

        def beat() -> None:
            for claim in list(unfinished.values()):
                try:
                    self._ledger.renew(claim, self._seconds(claim))
                except LeaseLost:
                    self._lost.add(claim.trial_id)
                except NextbarError as error:  # the next beat may succeed
                    get_logger().warning("%s", error)

        try:
            with Heartbeat(beat, RENEWAL):
                for group in side_by_side(claims, size):
                    self._train(group)
                    for claim in group:
                        del unfinished[claim.trial_id]
        finally:
            with suppress(NextbarError):  # why the search ends says more, and lock or lease will free them too
                for claim in unfinished.values():
                    self._ledger.release(claim, self._seconds(claim))

    def _train(self, group: Sequence[Claim]) -> None:
        first = group[0]
        if first.proposal.config is None:
            return self._write(first, failed(first.proposal.refused, 0.0))
        if first.hopeless:
            reason = f"the process was killed {first.taken_over} times in the same epoch of it"
            return self._write(first, failed(reason, first.seconds))
        configs = [claim.proposal.config for claim in group if claim.proposal.config is not None]
        self._group, self._began = group, time.monotonic()
        try:
            with hushed(self._warnings):
                results = patiently(
                    lambda: train_population(
                        configs,
                        self._bars(configs[0]),
                        watches=[self._watch(claim, config) for claim, config in zip(group, configs, strict=True)],
                        show=False,
                    )
                )
        except Exception as error:
            if not lies_in_trial(error):
                raise
            self._stop_clock()
            if len(group) > 1:  # the error may lie in one of them, or in their number
                for half in (group[: len(group) // 2], group[len(group) // 2 :]):
                    self._train(half)
                return
            get_logger().debug("trial %d", first.number, exc_info=True)
            reason = str(error) if isinstance(error, NextbarError) else f"{type(error).__name__}: {error}"
            return self._write(first, failed(reason, self._seconds(first)))
        self._stop_clock()
        for claim, config, result in zip(group, configs, results, strict=True):
            if claim.trial_id not in self._lost:
                values = self._ledger.values(claim)
                self._write(claim, outcome_of(result, config, self._ledger.study, values, self._seconds(claim)))

    def _watch(self, claim: Claim, config: ExperimentConfig) -> Watch:
        no_yardstick_ever = cache(lambda: no_yardstick(config, self._bars(config)))

        def watch(epoch: int, ranking: float | None) -> str:
            if claim.trial_id in self._lost:
                return LOST
            self._progress(claim, epoch)
            if ranking == math.inf and (reason := no_yardstick_ever()):  # no later epoch has one either
                return reason
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
