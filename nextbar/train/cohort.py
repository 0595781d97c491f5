"""Trainings that go on side by side in one compiled program: their joined state. Often there is only one."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from flax.training.train_state import TrainState

from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Cancelled, Engine
from nextbar.engine.results import SpanOutput, TrainedEpoch
from nextbar.engine.tapes import Tapes
from nextbar.metrics.superiority import FreeLosses
from nextbar.model.heads import at_start, output_biases
from nextbar.train.members import epoch_of, joined, output_of, parted
from nextbar.train.scored_spans import Report, ScoredSpans
from nextbar.train.training import Training

Item = TypeVar("Item")


class Cohort:
    """The joined state of some trainings, each of which goes on from its last committed epoch.

    They need not have done equally many epochs. What the program computes are their members, one of each training or,
    of an ensemble, several.

    Args:
        trainings: of experiments that share a program.
        dataset: the windows of all of them.
        ended: those of them that had ended before the process that trained all of them did. What it still computed of
            these is computed on, since another number of them is another program, which rounds differently.
    """

    def __init__(self, trainings: Sequence[Training], dataset: Dataset, ended: Sequence[Training] = ()) -> None:
        done = min(training.committed for training in trainings if training not in ended)
        self.trainings = _computed_on(trainings, ended, done)
        """those that the program computes; some may have ended"""
        self.engine = self._engine(dataset)
        self.spans = ScoredSpans(trainings[0].config, dataset, trainings[0].chosen_rival)
        frequencies_HK = self.spans.reference.frequencies_HK
        starts = [
            self.engine.start(frequencies_HK, member, then_train=member == 0)
            for member in range(len(self.engine.configs))
        ]
        self._gone: set[Training] = set(ended)
        states = list(zip(self.trainings, map(joined, self._of_trainings(starts)), strict=True))
        self._biases = {training: output_biases(start.params) for training, start in states}
        self._starts: dict[Training, dict[str, FreeLosses]] = {}
        self.state = self._joined([start if t in self._gone else t.resume(start, done) for t, start in states])
        """of the members of all of ``trainings``, joined"""
        self._writing = threading.Lock()

    @property
    def live(self) -> list[Training]:
        """Those that have not been let go."""
        return [training for training in self.trainings if training not in self._gone]

    @property
    def longest(self) -> Training:
        """The live training with the most epochs to do."""
        return max(self.live, key=lambda training: training.epochs - training.epoch)

    @property
    def states(self) -> list[TrainState]:
        """Of each training; that of an ensemble has an axis M in front."""
        return [joined(states) for states in self._of_trainings(self.engine.split(self.state))]

    def train(self, progress: Callable[[int], None] = lambda step: None) -> list[TrainedEpoch]:
        """Do the next epoch of every training; ``progress`` is called with the steps done."""
        numbers = [training.epoch + 1 for training in self.trainings for _ in training.config.members]
        self.state, trained = self.engine.train_each(self.state, numbers, progress)
        return [epoch_of(members) for members in self._of_trainings(trained)]

    def evaluate(self) -> list[SpanOutput] | list[None]:
        """Losses and forecasts of the scored windows under each training's state; None where nothing is validated:
        what there is beside validation is scored once, at the end."""
        if "validation" not in self.spans.scored:
            return [None] * len(self.trainings)
        return self._evaluate(self.state.params)

    def reports(self, ended: Sequence[Training]) -> list[Report]:
        """Scores of the best epoch of each of some trainings; empty where no epoch was finished."""
        best = [training.best for training in self.trainings]
        any_best = next((epoch for epoch in best if epoch is not None), None)
        if any_best is None or not ended:
            return [Report({}, None) for _ in ended]
        if not self.spans.scored:  # later bars will be held against the rival
            return [Report({}, None, rival=self.spans.rival_to_keep(self._biases[t])) for t in ended]
        params = [(epoch or any_best).params for epoch in best]
        outputs = dict(zip(self.trainings, self._evaluate(self._joined(params)), strict=True))
        self._score_starts(params)
        return [
            self.spans.report(outputs[t], self._starts[t], self._biases[t]) if t.best else Report({}, None)
            for t in ended
        ]

    def _score_starts(self, params: Sequence[Any]) -> None:
        """Score the untrained networks, in one evaluation of them all, once.

        Args:
            params: of each training, which have the shapes of its untrained ones.
        """
        if all(training in self._starts for training in self.trainings):
            return
        pairs = zip(self.trainings, params, strict=True)
        untrained = self._joined([at_start(tree, self._biases[training]) for training, tree in pairs])
        for training, output in zip(self.trainings, self._evaluate(untrained), strict=True):
            self._starts[training] = self.spans.starts(output)

    def let_go(self, ended: Sequence[Training]) -> None:
        """Stop computing trainings as soon as that saves more than it costs: when half of all have ended.

        A program is compiled for one number of trainings, so each change of that number compiles anew.
        """
        self._gone.update(ended)
        live = self.live
        if not live or _worth_computing(self.trainings, live) is self.trainings:
            return
        states = self.states
        kept = [states[self.trainings.index(training)] for training in live]
        former = self.engine
        self.trainings, self._gone = live, set()
        self.engine = self._engine(former.dataset, former.tapes)
        self.engine.cancelled = former.cancelled
        self.state = self._joined(kept)

    def _engine(self, dataset: Dataset, tapes: Tapes | None = None) -> Engine:
        """The engine of all members."""
        members = [member for training in self.trainings for member in training.config.members]
        return Engine(members, dataset, tapes, with_outputs=len(members) > len(self.trainings))

    def _of_trainings(self, of_members: Sequence[Item]) -> list[list[Item]]:
        """Items of members, grouped by training."""
        rest = iter(of_members)
        return [list(islice(rest, len(training.config.members))) for training in self.trainings]

    def _joined(self, trees: Sequence[Any]) -> Any:
        """The trainings' trees on the device."""
        pairs = zip(trees, self.trainings, strict=True)
        return self.engine.join([member for tree, t in pairs for member in parted(tree, len(t.config.members))])

    def _evaluate(self, params: Any) -> list[SpanOutput]:
        """Losses and forecasts of the scored windows, by training, under joined parameters."""
        outputs = self.engine.evaluate_each(params, self.spans.rows)
        return [output_of(members, self.engine.program.model.head) for members in self._of_trainings(outputs)]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within the block ``cancel`` waits.

        Raises:
            Cancelled: instead of entering the block, after ``cancel``.
        """
        with self._writing:
            if self.engine.cancelled.is_set():
                raise Cancelled
            yield

    def cancel(self) -> None:
        """Void the epoch in progress in another thread; once this returns, that thread writes nothing more."""
        self.engine.cancelled.set()
        with self._writing:
            pass


def _worth_computing(trainings: list[Training], live: list[Training]) -> list[Training]:
    """All or, once half of all have ended, those that have not."""
    return trainings if 2 * len(live) > len(trainings) else live


def _computed_on(trainings: Sequence[Training], ended: Sequence[Training], done: int) -> list[Training]:
    """The trainings that are computed by a process that has trained all of them from their start to ``done`` epochs."""
    ends: dict[Training, float] = {training: training.summary.get("epochs", math.inf) for training in ended}
    computed = [training for training in trainings if ends.get(training, done) <= done]
    for epoch in sorted(end for end in set(ends.values()) if end <= done):
        computed = _worth_computing(computed, [t for t in computed if ends.get(t, math.inf) > epoch])
    return computed
