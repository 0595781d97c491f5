"""Trainings that go on side by side, epoch by epoch, in one compiled program; often there is only one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Cancelled, Engine, SpanOutput, TrainedEpoch
from nextbar.logger import get_logger
from nextbar.machine.hosts import from_first
from nextbar.runs.checkpoint import Checkpoints
from nextbar.train.scored_spans import Report, ScoredSpans
from nextbar.train.tracking import Tracker
from nextbar.train.training import Divergence, Judged, Training

Work = tuple[Training, TrainState, TrainedEpoch, SpanOutput | None]


class Cohort:
    """The joined state of some trainings, and the only loop body there is.

    Each goes on from where its checkpoints say; they need not be at the same epoch.

    Args:
        configs: the experiments; several of them share a program.
        dataset: their windows.
        checkpoints: where each one's states are kept.
        epochs: end after so many; None: as the configurations say.
    """

    def __init__(
        self,
        configs: Sequence[ExperimentConfig],
        dataset: Dataset,
        checkpoints: Sequence[Checkpoints],
        epochs: int | None = None,
    ) -> None:
        self.engine = Engine(configs, dataset)
        self.judge = ScoredSpans(configs[0], dataset)
        self.trainings = [
            Training(
                config,
                self.judge,
                kept,
                n_windows=self.engine.n_windows,
                batch_size=self.engine.program.batch_size,
                epochs=epochs,
            )
            for config, kept in zip(configs, checkpoints, strict=True)
        ]
        """those the program computes; some may have ended"""
        self._gone: set[Training] = set()
        self._writing = threading.Lock()
        frequencies = self.judge.reference.frequencies_HK
        states = [one.resume(self.engine.start(frequencies, i)) for i, one in enumerate(self.trainings)]
        self.state = self.engine.join(states)
        """of all of ``trainings``, joined"""

    @property
    def live(self) -> list[Training]:
        """Those that have not been let go."""
        return [one for one in self.trainings if one not in self._gone]

    def run_epoch(
        self, trackers: Mapping[Training, Tracker | None], progress: Callable[[int], None] = lambda step: None
    ) -> None:
        """Do the next epoch of each, whole; nothing of it counts before its checkpoint is asked for.

        One whose loss is not finite is ``diverged`` afterwards; the others go on.
        """
        began = time.perf_counter()
        numbers = [one.epoch + 1 for one in self.trainings]
        self.state, trained = self.engine.train_each(self.state, numbers, progress)
        seconds = time.perf_counter() - began
        evaluations = self.evaluate()
        states = self.engine.split(self.state)
        work = [
            (training, state, epoch, evaluation)
            for training, state, epoch, evaluation in zip(self.trainings, states, trained, evaluations, strict=True)
            if training not in self._gone
        ]
        told: Any = from_first(
            lambda: [str(one) if isinstance(one, Divergence) else list(one) for one in _judged(work)]
        )
        for (training, state, _, _), figures in zip(work, told, strict=True):
            with self._writing:
                if self.engine.cancelled.is_set():
                    raise Cancelled
                if isinstance(figures, str):
                    get_logger().error("diverged: %s", figures)
                    training.diverged = figures
                else:
                    training.commit(state, Judged(*figures), trackers[training], seconds)

    def cancel(self) -> None:
        """Void the epoch in progress in another thread; once this returns, that thread writes nothing more."""
        self.engine.cancelled.set()
        with self._writing:
            pass

    def evaluate(self) -> list[SpanOutput] | list[None]:
        """Losses and forecasts of the scored windows, of each training as it is now; None where none are scored."""
        if not self.judge.scored:
            return [None] * len(self.trainings)
        return self.engine.evaluate_each(self.state.params, self.judge.rows)

    def reports(self, wanted: Sequence[Training]) -> list[Report]:
        """What the best epoch of each came to; nothing where no epoch was finished."""
        best = [one.best for one in self.trainings]
        known = next((one for one in best if one is not None), None)
        if known is None or not self.judge.scored:
            return [Report({}, None) for _ in wanted]
        params = self.engine.join([(one or known).params for one in best])
        found = dict(zip(self.trainings, self.engine.evaluate_each(params, self.judge.rows), strict=True))
        return [self.judge.report(found[one]) if one.best else Report({}, None) for one in wanted]

    def let_go(self, gone: Sequence[Training]) -> None:
        """Compute those no longer, as soon as that saves more than it costs: when half of all have gone.

        A program is compiled for one number of trainings, so each change of it compiles anew.
        """
        self._gone.update(gone)
        live = self.live
        if not live or 2 * len(live) > len(self.trainings):
            return
        states = self.engine.split(self.state)
        keep = [states[self.trainings.index(one)] for one in live]
        before = self.engine
        self.engine = Engine([one.config for one in live], before.dataset, before.tape)
        self.engine.cancelled = before.cancelled
        self.trainings, self._gone = live, set()
        self.state = self.engine.join(keep)


def _judged(work: Sequence[Work]) -> list[Judged | Divergence]:
    """The figures of several epochs; NumPy leaves the interpreter to the others while it works on long arrays."""

    def judge(work: Work) -> Judged | Divergence:
        training, state, trained, evaluation = work
        try:
            return training.judged(state, trained, evaluation)
        except Divergence as divergence:
            return divergence

    if len(work) == 1:
        return [judge(work[0])]
    with ThreadPoolExecutor(min(len(work), os.cpu_count() or 1)) as pool:
        return list(pool.map(judge, work))
