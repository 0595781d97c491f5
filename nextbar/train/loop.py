"""The only loop: one training, or several side by side, each from its run folder to its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.errors import ConfigError, OutOfMemory, TrainingInterrupted
from nextbar.logger import get_logger
from nextbar.machine.compilation import bound_arenas, enable_cache, return_memory
from nextbar.machine.hosts import by_first, first_talks, leads, require_same
from nextbar.machine.interruptible import run_interruptible
from nextbar.runs.folder import RunFolder
from nextbar.train.cohort import Cohort
from nextbar.train.member import Member, announce
from nextbar.train.progress import ProgressBar
from nextbar.train.result import Plan, Result, Watch
from nextbar.train.scored_spans import Report
from nextbar.train.training import Training


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
        watches: look on after each epoch of their training.
        show: progress bar; None: where it can be seen.
        overwrite: throw earlier runs of these configurations on these bars away first.

    Raises:
        ConfigError: two of the experiments are the same.
        RunError: a folder that cannot be used.
        TrainingInterrupted: Ctrl-C; the state after each one's last whole epoch is saved.
    """
    runs = [RunFolder(config, dataset.fingerprint, plan.name) for config in configs]
    _require_different(runs)
    require_same(" ".join(run.path.name for run in runs))
    with ExitStack() as claims:
        claims.enter_context(first_talks())
        for run in runs:
            by_first(partial(claims.enter_context, run.claimed(overwrite, dataset.used)))
        members = [Member(run, watch) for run, watch in zip(runs, watches, strict=True)]
        to_do = [member for member in members if not member.had_ended]
        for member in members:
            if member.had_ended:
                member.close()
                get_logger().info(
                    "%s has ended before (%s): reported, not trained anew (that takes overwrite=True, --overwrite)",
                    member.run.path,
                    member.summary["status"],
                )
        if to_do:
            try:
                _train(to_do, dataset, plan, show)
            finally:
                return_memory()  # here, where no frame holds the trainings' state any more
        return [member.result for member in members]


def _require_different(runs: Sequence[RunFolder]) -> None:
    path, times = Counter(run.path for run in runs).most_common(1)[0]
    if times > 1:
        raise ConfigError(f"{times} of {len(runs)} experiments are the same, run {path}; give each of them once")


def _train(members: Sequence[Member], dataset: Dataset, plan: Plan, show: bool | None) -> None:
    enable_cache()
    bound_arenas()
    for member in members:
        member.begin(dataset, plan)
    announce([member.run for member in members], dataset.describe())
    live = list(members)
    try:
        cohort = run_interruptible(
            lambda: Cohort([m.run.config for m in members], dataset, [m.checkpoints for m in members], plan.epochs),
            lambda: None,
        )
        for member, training in zip(members, cohort.trainings, strict=True):
            member.take_up(training, dataset, member.run.path.name if len(members) > 1 else "")
        _run_epochs(cohort, live, show)
    except KeyboardInterrupt:
        raise TrainingInterrupted(_interrupted(live)) from None
    except BaseException as error:
        for member in live:
            member.failed(error)
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # of the machine, of its GPU
            raise OutOfMemory(
                f"not enough memory ({str(error).partition(chr(10))[0]}); "
                "use a smaller batch_size, seq_len, d_model or dim_feedforward"
                + (f", or fewer than {len(live)} trainings side by side" if len(live) > 1 else "")
            ) from error
        raise
    finally:
        with ExitStack() as closing:
            for member in live:
                closing.callback(member.close)


def _run_epochs(cohort: Cohort, live: list[Member], show: bool | None) -> None:
    """Run epochs until all have ended, which takes them out of ``live``."""
    trackers = {_training(member): member.tracker for member in live}
    longest = _longest(live)
    show = show if leads() else False
    with ProgressBar(longest.epoch, longest.epochs, longest.steps_per_epoch, show) as bar:
        # what a process that was killed may not have come to hear
        pruned = _looked_on([member for member in live if _training(member).epoch])
        while True:
            _conclude(cohort, live, pruned)
            if not live:
                return
            run_interruptible(lambda: cohort.run_epoch(trackers, bar.progress), cohort.cancel)
            longest = _longest(live)
            bar.epoch(longest.epoch, longest.epochs)
            pruned = _looked_on(live)


def _looked_on(members: Sequence[Member]) -> dict[Member, str]:
    """Why those end whose watch answers the epoch done last; others are not in it."""
    answers = {member: member.look_on() for member in members if _training(member).diverged is None}
    return {member: reason for member, reason in answers.items() if reason}


def _conclude(cohort: Cohort, live: list[Member], pruned: dict[Member, str]) -> None:
    """Write down the end of those that have ended or were pruned, and let them go."""
    ends = {member: _training(member).ended for member in live}
    ends = {member: end or (("pruned", pruned[member]) if member in pruned else None) for member, end in ends.items()}
    ended = {member: end for member, end in ends.items() if end is not None}
    if not ended:
        return
    judged = [member for member, (status, _) in ended.items() if status != "pruned"]
    wanted = [_training(member) for member in judged]
    reports = dict(zip(judged, run_interruptible(lambda: cohort.reports(wanted), cohort.cancel), strict=True))
    for member, (status, message) in ended.items():
        member.conclude(status, message, reports.get(member, Report({}, None)))
        live.remove(member)
    cohort.let_go([_training(member) for member in ended])


def _training(member: Member) -> Training:
    assert member.training is not None
    return member.training


def _longest(members: Sequence[Member]) -> Training:
    """The training with the most epochs to do."""
    return max(map(_training, members), key=lambda one: one.epochs - one.epoch)


def _interrupted(live: Sequence[Member]) -> str:
    messages = [member.interrupted() for member in live]
    if len(messages) == 1:
        return messages[0]
    epochs = [member.training.epoch if member.training else 0 for member in live]
    few, many = min(epochs, default=0), max(epochs, default=0)
    kept = all(member.run.config.save_weights for member in live)
    return (
        f"interrupted after {few if few == many else f'{few} to {many}'} whole epochs of {len(live)} trainings, "
        f"states saved{'' if kept else ' of those with save_weights'}; the same command goes on from there"
    )
