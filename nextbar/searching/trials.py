"""Trials of a study in its storage: the attributes that nextbar gives them, and which of them count."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from nextbar.errors import RunError, short

CONFIGURATION, OWNER, LEASED, WITHDRAWN, FACTS, TAKEN_OVER, VERDICT = (
    "configuration", "owner", "lease", "withdrawn", "facts", "taken_over", "verdict",
)  # fmt: skip
"""user attributes of a trial"""


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that count, in the order drawn, one for each experiment; their numbers are their places, 0, 1, 2, ...

    Trials that were withdrawn or are about to be do not count, nor do trials that nextbar did not put into the study.
    The storage's own numbers include them and so depend on how often a search was killed; nothing else may.

    Args:
        trials: as the storage has them; they are not changed.
    """
    by_experiment: dict[str, FrozenTrial] = {}
    for trial in sorted(standing(trials), key=rank):
        by_experiment.setdefault(trial.user_attrs[CONFIGURATION], trial)
    return [_numbered(trial, place) for place, trial in enumerate(by_experiment.values())]


def standing(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials of nextbar's that have not been withdrawn."""
    return [t for t in trials if WITHDRAWN not in t.user_attrs and CONFIGURATION in t.user_attrs]


def first_number(trial: FrozenTrial) -> int:
    """The storage's number of the trial that this one goes on with, through all take-overs; else its own."""
    first: int = trial.user_attrs.get(TAKEN_OVER, {}).get("first", trial.number)
    return first


def run_name(trial: FrozenTrial) -> str:
    """Name of the folder of a trial's run, which lies in the study's folder and nowhere else.

    Raises:
        RunError: it would lie elsewhere, as in a study that was written to lead there.
    """
    facts = trial.user_attrs.get(FACTS)
    name = facts.get("run") if isinstance(facts, dict) else None
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".."):
        raise RunError(f"trial {trial.number}: its run is called {short(name)}, should be the name of a folder")
    return name


def rank(trial: FrozenTrial) -> tuple[int, int]:
    """Sort key: of two trials of one experiment the lower counts, which was drawn or took the other over first."""
    return first_number(trial), trial.number


def _numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    if trial.number != number:
        trial = copy.copy(trial)
        trial.number = number
    return trial
