"""Trainings that go on side by side in one compiled program: their joined state. Often there is only one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Cancelled, Engine, SpanOutput
from nextbar.train.scored_spans import Report, ScoredSpans
from nextbar.train.training import Training


class Cohort:
    """The joined state of some trainings, each of which goes on from its last committed epoch.

    They need not have done equally many epochs.

    Args:
        trainings: of experiments that share a program.
        dataset: the windows of all of them.
    """

    def __init__(self, trainings: Sequence[Training], dataset: Dataset) -> None:
        self.trainings = list(trainings)
        """those that the program computes; some may have ended"""
        self.engine = Engine([training.config for training in trainings], dataset)
        self.spans = ScoredSpans(trainings[0].config, dataset)
        frequencies_HK = self.spans.reference.frequencies_HK
        states = [training.resume(self.engine.start(frequencies_HK, i)) for i, training in enumerate(trainings)]
        self.state = self.engine.join(states)
        """of all of ``trainings``, joined"""
        self._gone: set[Training] = set()
        self._writing = threading.Lock()

    @property
    def live(self) -> list[Training]:
        """Those that have not been let go."""
        return [training for training in self.trainings if training not in self._gone]

    @property
    def longest(self) -> Training:
        """The live training with the most epochs to do."""
        return max(self.live, key=lambda training: training.epochs - training.epoch)

    def evaluate(self) -> list[SpanOutput] | list[None]:
        """Losses and forecasts of the scored windows under each training's state; None where nothing is validated:
        what there is beside validation is scored once, at the end."""
        if "validation" not in self.spans.scored:
            return [None] * len(self.trainings)
        return self.engine.evaluate_each(self.state.params, self.spans.rows)

    def reports(self, ended: Sequence[Training]) -> list[Report]:
        """Scores of the best epoch of each of some trainings; empty where no epoch was finished."""
        best = [training.best for training in self.trainings]
        any_best = next((epoch for epoch in best if epoch is not None), None)
        if any_best is None or not self.spans.scored:
            return [Report({}, None) for _ in ended]
        params = self.engine.join([(epoch or any_best).params for epoch in best])
        outputs = dict(zip(self.trainings, self.engine.evaluate_each(params, self.spans.rows), strict=True))
        return [self.spans.report(outputs[t]) if t.best else Report({}, None) for t in ended]

    def let_go(self, ended: Sequence[Training]) -> None:
        """Stop computing trainings as soon as that saves more than it costs: when half of all have ended.

        A program is compiled for one number of trainings, so each change of that number compiles anew.
        """
        self._gone.update(ended)
        live = self.live
        if not live or 2 * len(live) > len(self.trainings):
            return
        states = self.engine.split(self.state)
        kept = [states[self.trainings.index(training)] for training in live]
        former = self.engine
        self.engine = Engine([training.config for training in live], former.dataset, former.tape)
        self.engine.cancelled = former.cancelled
        self.trainings, self._gone = live, set()
        self.state = self.engine.join(kept)

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
