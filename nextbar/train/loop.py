"""The only training loop: one training, or several side by side, each from its run folder to its result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.results import SpanOutput, TrainedEpoch
from nextbar.errors import ConfigError
from nextbar.logger import get_logger
from nextbar.machine.compilation import bound_arenas, enable_cache, return_memory
from nextbar.machine.hosts import by_first, first_talks, from_first, leads, require_same
from nextbar.machine.interruptible import run_interruptible
from nextbar.machine.long_arrays import in_threads
from nextbar.runs.folder import RunFolder
from nextbar.train.announcement import announce, announce_bars, announce_final
from nextbar.train.cohort import Cohort
from nextbar.train.failure import noting_failure
from nextbar.train.figures import Divergence, Figures, figures_of
from nextbar.train.final_fit import FinalFit, final_dataset
from nextbar.train.progress import ProgressBar
from nextbar.train.result import Plan, Result, Watch
from nextbar.train.scored_spans import Report
from nextbar.train.training import Training

Epoch = tuple[Training, TrainedEpoch, TrainState, SpanOutput | None]
"""a training, its epoch on the way through the training windows, the state after it, forecasts of the scored windows"""
Announce = Callable[[Sequence[RunFolder], dict[str, Any]], None]
"""logs which trainings are about to begin, and facts of their dataset"""


def train_together(
    configs: Sequence[ExperimentConfig],
    dataset: Dataset,
    *,
    plan: Plan,
    watches: Sequence[Watch | None],
    show: bool | None,
    overwrite: bool,
) -> list[Result]:
    """Train, or go on with interrupted trainings; those that have ended are reported as they are.

    Args:
        configs: experiments that share a program.
        dataset: the windows of all of them.
        plan: cuts and epochs that are not the configurations'.
        watches: one for each training; is told of each of its epochs and may end it.
        show: progress bar; None: where it can be seen.
        overwrite: throw earlier runs of these configurations on these bars away first.

    Raises:
        ConfigError: two of the experiments are the same.
        RunError: a folder that cannot be used.
        TrainingInterrupted: Ctrl-C; the state after each one's last whole epoch is saved.
    """
    runs = [RunFolder(config, dataset.fingerprint, plan.name) for config in configs]
    _require_different(runs)
    with _claimed(runs, dataset, overwrite):
        n_windows, validated = (len(dataset.origins[span]) for span in ("training", "validation"))
        trainings = [
            Training(run, n_windows, plan, watch, final_follows=run.config.final_fit and validated > 0)
            for run, watch in zip(runs, watches, strict=True)
        ]
        _close_ended(trainings)
        unfinished = [training for training in trainings if not training.has_ended and not training.awaits_final]
        if unfinished:
            _train(unfinished, dataset, show, announce, trainings)
        if waiting := [training for training in trainings if training.awaits_final]:
            _train_anew(waiting, final_dataset(waiting[0], dataset, plan), show)
        return [training.result for training in trainings]


def _train(
    trainings: Sequence[Training],
    dataset: Dataset,
    show: bool | None,
    announce: Announce,
    together: Sequence[Training] = (),
) -> None:
    """Train to the end; ``together`` are they and those, which have ended, that they were begun with."""
    try:
        _begin(trainings, dataset, announce)
        with noting_failure(trainings):
            run_epochs(_resumed(trainings, dataset, together or trainings), show)
    finally:
        return_memory()  # here, where no frame holds the trainings' state any more


def _train_anew(firsts: Sequence[Training], dataset: Dataset, show: bool | None) -> None:
    """Do the final fits of runs whose first fit has ended, side by side."""
    finals = [FinalFit(first, dataset) for first in firsts]
    unfinished = [final for final in finals if not final.has_ended]
    for final in finals:
        if final.has_ended:  # the process was killed before the run could be told
            final.close()
            final.hand_over()
    if unfinished:
        _train(unfinished, dataset, show, announce_final)


def run_epochs(cohort: Cohort, show: bool | None) -> None:
    """Run epochs until all trainings have ended."""
    longest = cohort.longest
    show = show if leads() else False
    with ProgressBar(longest.epoch, longest.epochs, longest.steps_per_epoch, show, longest.title(False)) as bar:
        # the process that did the last committed epoch may have been killed before its watch could answer
        pruned = _pruned([training for training in cohort.live if training.epoch])
        while True:
            _conclude(cohort, pruned)
            if not cohort.live:
                return
            run_interruptible(lambda: run_epoch(cohort, bar.progress), cohort.cancel)
            longest = cohort.longest
            bar.epoch(longest.epoch, longest.epochs)
            pruned = _pruned(cohort.live)


def run_epoch(cohort: Cohort, progress: Callable[[int], None] = lambda step: None) -> None:
    """Do the next epoch of each training, whole; nothing of it counts before its checkpoint is written.

    A training whose loss is not finite has ``diverged`` afterwards; the others go on.
    """
    began = time.perf_counter()
    trained = cohort.train(progress)
    seconds = time.perf_counter() - began
    outputs = cohort.evaluate()
    states = cohort.states
    live = cohort.live
    epochs = [epoch for epoch in zip(cohort.trainings, trained, states, outputs, strict=True) if epoch[0] in live]
    # the first process alone computes them; a text where the training diverged
    all_figures: Any = from_first(lambda: _all_figures(epochs, cohort))
    _wait_for_commits(live)
    for (training, _, state, _), figures in zip(epochs, all_figures, strict=True):
        with cohort.writing():
            if isinstance(figures, str):
                get_logger().error("diverged: %s", figures)
                training.diverged = figures
            else:
                training.commit(state, Figures(*figures), seconds)


def _wait_for_commits(trainings: Sequence[Training]) -> None:
    """Return when the last epoch of all of them is on the disk, so that a kill leaves none further behind than the
    others, which would go on in another program."""
    for training in trainings:
        training.checkpoints.wait()


def _all_figures(epochs: Sequence[Epoch], cohort: Cohort) -> list[str | list[Any]]:
    """Figures of each training's epoch, or why it diverged."""

    def figures(epoch: Epoch) -> str | list[Any]:
        try:
            return list(figures_of(*epoch, spans=cohort.spans))
        except Divergence as divergence:
            return str(divergence)

    cohort.spans.make_ready()
    return in_threads(figures, epochs)


def _conclude(cohort: Cohort, pruned: dict[Training, str]) -> None:
    """Write down the end of those trainings that have ended or were pruned, and let them go."""
    ends: dict[Training, tuple[str, str]] = {}
    for training in cohort.live:
        if training.end is not None:
            ends[training] = training.end
        elif training in pruned:
            ends[training] = "pruned", pruned[training]
    if not ends:
        return
    _wait_for_commits(cohort.live)
    scored = [training for training, (status, _) in ends.items() if status != "pruned"]
    reports = dict(zip(scored, run_interruptible(lambda: cohort.reports(scored), cohort.cancel), strict=True))
    for training, (status, message) in ends.items():
        training.conclude(status, message, reports.get(training, Report({}, None)))
    cohort.let_go(list(ends))


def _pruned(trainings: Sequence[Training]) -> dict[Training, str]:
    """Why those end whose watch says so; the others are not in it."""
    answers = {training: training.ask_watch() for training in trainings if training.diverged is None}
    return {training: reason for training, reason in answers.items() if reason}


def _require_different(runs: Sequence[RunFolder]) -> None:
    place, times = Counter(run.place for run in runs).most_common(1)[0]
    if times > 1:
        raise ConfigError(f"{times} of {len(runs)} experiments are the same, run {place}; give each of them once")


@contextmanager
def _claimed(runs: Sequence[RunFolder], dataset: Dataset, overwrite: bool) -> Iterator[None]:
    """Within the block no other process trains in these folders."""
    require_same(" ".join(run.path.name for run in runs))
    with ExitStack() as claims:
        claims.enter_context(first_talks())
        for run in runs:
            by_first(run.look)
        for run in runs:
            by_first(partial(claims.enter_context, run.claimed(overwrite, dataset.used)))
        yield


def _close_ended(trainings: Sequence[Training]) -> None:
    """Close those with nothing left to do, and log which of them are only reported."""
    for training in trainings:
        if training.has_ended or training.awaits_final:
            training.close()
        if training.has_ended:
            get_logger().info(
                "%s has ended before (%s): reported, not trained anew (that takes overwrite=True, --overwrite)",
                training.run.place,
                training.summary["status"],
            )


def _begin(trainings: Sequence[Training], dataset: Dataset, announce: Announce) -> None:
    """Write and log what is known before the first epoch."""
    enable_cache()
    bound_arenas()
    for training in trainings:
        training.begin(dataset)
    announce([training.run for training in trainings], dataset.describe())


def _resumed(trainings: Sequence[Training], dataset: Dataset, together: Sequence[Training]) -> Cohort:
    """The trainings on the device, where their last committed epochs left them."""
    ended = [training for training in together if training not in trainings]
    cohort = run_interruptible(lambda: Cohort(together, dataset, ended), lambda: None)
    announce_bars(cohort.engine)
    for training in trainings:
        training.record(dataset.names, cohort.spans.reference, training.title(len(trainings) > 1))
    return cohort
