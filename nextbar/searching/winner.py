"""Tests whether a study's winner is one by luck, on the validation losses that its runs keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from nextbar.errors import RunError
from nextbar.metrics.luck import Luck, luck
from nextbar.metrics.timeline import Timeline
from nextbar.runs.records import read_losses
from nextbar.searching.leaderboard import best_of
from nextbar.searching.trials import run_name


def tried_of(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that luck has had: their training came to an end or was pruned."""
    return [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def winner_luck(path: Path, trials: Sequence[FrozenTrial], horizon: int) -> Luck | str:
    """How likely luck alone makes a winner as good as the best of the trials.

    Of those that count as tried, pruned ones keep no losses, nor do runs of earlier versions; runs that were trained
    on another machine and not copied here have none that can be read.

    Args:
        path: the study's folder, with the runs in it.
        trials: those that count.
        horizon: H of the experiments.

    Returns:
        The result; or why there is none, in words.
    """
    best = best_of(trials)
    if best is None:
        return "no trial has finished"
    tried = tried_of(trials)
    timelines: list[Timeline] = []
    winner = None
    for trial in tried:
        try:
            timeline = read_losses(path / run_name(trial))
        except RunError as error:
            if trial.number == best.number:
                return str(error)
            timeline = None
        if timeline is None:
            continue
        if trial.number == best.number:
            winner = len(timelines)
        timelines.append(timeline)
    if winner is None:
        return "the winner's run kept no validation losses; it is of an earlier version, or lies on another machine"
    model, *_, benchmark = timelines[winner].losses
    same_loss = [timeline for timeline in timelines if model in timeline.losses]  # earlier versions tested another
    place = next(k for k, timeline in enumerate(same_loss) if timeline is timelines[winner])
    return luck(same_loss, place, len(tried) - len(same_loss), (model, benchmark), horizon)
