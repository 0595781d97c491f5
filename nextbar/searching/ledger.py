"""A study's trials as all its workers see them: who has which, and what became of it.

Nothing here needs more of a storage than that trials are numbered in the order in which they are made, which all of
Optuna's keep. A trial is made whole, with its combination, its owner and its lease. Whoever has made one looks which
came before it: where one of those has the same experiment, or there are enough without it, it withdraws.

A trial that is taken over is a new one to the storage, so that its former owner can no longer write to it. Everywhere
else it is the same one: it keeps its place among the trials drawn, its scores, and what the pruner noted of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nextbar.searching.heartbeat import LEASE, WorkerLock
from nextbar.searching.proposals import Proposal
from nextbar.searching.space.space import Space
from nextbar.searching.storage import told

CONFIGURATION, OWNER, LEASED, WITHDRAWN, FACTS, TAKEN_OVER, VERDICT = (
    "configuration", "owner", "lease", "withdrawn", "facts", "taken_over", "verdict",
)  # fmt: skip
"""attributes of a trial"""


class LeaseLost(Exception):
    """Another worker has taken the trial over, because this one gave no sign of life for too long."""


@dataclass(frozen=True)
class Claim:
    """A trial that is this worker's to train."""

    number: int
    """its place among the trials that count, also after it was taken over; see ``counted``"""
    trial_id: int
    """the storage's, another one after each take-over"""
    proposal: Proposal
    seconds: float = 0.0
    """trained before it was taken over"""
    taken_over: int = 0
    """how often it was, without an epoch done in between"""


class Ledger:
    """The trials of a study, for one of its workers.

    Every method may raise RunError where the storage fails.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, space: Space, owner: WorkerLock) -> None:
        self.study, self.space, self.owner = study, space, owner
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)

    def trials(self) -> list[FrozenTrial]:
        """Those that count; see ``counted``."""
        return counted(self._all())

    def stale(self) -> list[FrozenTrial]:
        """Unfinished trials, as the storage has them, that nobody works on any more.

        They were let go, their worker is gone, or its lease has run out.
        """
        now = time.time()
        return [
            t
            for t in sorted(_standing(self._all()), key=_rank)
            if t.state == TrialState.RUNNING
            and (t.user_attrs[LEASED]["until"] < now or self.owner.gone(t.user_attrs[OWNER]))
        ]

    def claim(self, proposal: Proposal, n_trials: int, former: FrozenTrial | None = None) -> Claim | None:
        """Make a trial of a proposal; None where another worker was first, or there are enough without it.

        Args:
            proposal: what to train.
            n_trials: how many may count.
            former: the trial that this one goes on with, as the storage has it.
        """
        made = self._made(proposal, former)
        with told():
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=made)
            mine = self._storage.get_trial(trial_id)
            former_id = former._trial_id if former else None
            senior = [t for t in _standing(self._all()) if _rank(t) < _rank(mine) and t._trial_id != former_id]
            experiments = {t.user_attrs[CONFIGURATION] for t in senior}
            if proposal.digest in experiments:
                if former:  # whoever took it over did not come to withdraw it
                    self._withdraw(former._trial_id, "another worker went on with it")
                self._withdraw(trial_id, "another worker has the same experiment")
                return None
            if len(experiments) >= n_trials and not former:
                self._withdraw(trial_id, "there are enough trials")
                return None
            if former and not self._withdraw(former._trial_id, f"trial {mine.number} goes on with it"):
                self._withdraw(trial_id, "its owner has ended it after all")
                return None
        again = mine.user_attrs[TAKEN_OVER]["times"] if former else 0
        return Claim(len(experiments), trial_id, proposal, mine.user_attrs[LEASED]["seconds"], again)

    def take_over(self, trial: FrozenTrial, n_trials: int) -> Claim | None:
        """Go on with a stale trial; None where another worker was first."""
        return self.claim(Proposal.of(self.space, trial.params), n_trials, former=trial)

    def renew(self, claim: Claim, seconds: float) -> None:
        """A sign of life.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_user_attr(claim.trial_id, LEASED, _lease(seconds)))

    def report(self, claim: Claim, epoch: int, score: float) -> None:
        """Note the best ranking score until an epoch.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_intermediate_value(claim.trial_id, epoch, score))

    def note_verdict(self, claim: Claim, epoch: int, pruned: bool, marks: Mapping[str, Any]) -> None:
        """Note, in one write, what the pruner said of a trial after an epoch and all that it noted of it so far.

        Raises:
            LeaseLost: another worker has the trial.
        """
        verdict = {"epoch": epoch, "pruned": pruned, "marks": dict(marks)}
        self._update(lambda: self._storage.set_trial_user_attr(claim.trial_id, VERDICT, verdict))

    def values(self, claim: Claim) -> dict[int, float]:
        """The scores that were reported, by epoch."""
        with told():
            return self._storage.get_trial(claim.trial_id).intermediate_values

    def finish(self, claim: Claim, state: TrialState, value: float | None, facts: Mapping[str, Any]) -> None:
        """Write down what became of a trial.

        Raises:
            LeaseLost: another worker has the trial.
        """

        def write() -> None:
            self._storage.set_trial_user_attr(claim.trial_id, FACTS, dict(facts))
            self._storage.set_trial_state_values(claim.trial_id, state, None if value is None else [value])

        self._update(write)

    def release(self, claim: Claim, seconds: float) -> None:
        """Leave a trial unfinished for whoever comes next."""
        with suppress(LeaseLost):
            self._update(
                lambda: self._storage.set_trial_user_attr(claim.trial_id, LEASED, {"until": 0.0, "seconds": seconds})
            )

    def _made(self, proposal: Proposal, former: FrozenTrial | None) -> FrozenTrial:
        """The trial of a proposal as the storage gets it, with all that there is of the former one."""
        attributes: dict[str, Any] = {CONFIGURATION: proposal.digest, OWNER: self.owner.name, LEASED: _lease(0.0)}
        if former:
            done = len(former.intermediate_values)
            before = former.user_attrs.get(TAKEN_OVER, {"times": 0, "epochs": -1})
            again = before["times"] + 1 if before["epochs"] == done else 1
            attributes[LEASED] = _lease(former.user_attrs[LEASED]["seconds"])
            attributes[TAKEN_OVER] = {"first": _first(former), "times": again, "epochs": done}
            attributes |= {VERDICT: former.user_attrs[VERDICT]} if VERDICT in former.user_attrs else {}
        return create_trial(
            state=TrialState.RUNNING,
            params=proposal.params,
            distributions={name: d.distribution for name, d in self.space.dimensions.items()},
            intermediate_values=dict(former.intermediate_values) if former else {},
            user_attrs=attributes,
            system_attrs=dict(former.system_attrs) if former else {},
        )

    def _all(self) -> list[FrozenTrial]:
        with told():
            return self.study.get_trials(deepcopy=False)

    def _withdraw(self, trial_id: int, why: str) -> bool:
        """False where it has ended as a trial that counts."""
        try:
            self._storage.set_trial_user_attr(trial_id, WITHDRAWN, why)
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return WITHDRAWN in self._storage.get_trial(trial_id).user_attrs
        return True

    def _update(self, write: Callable[[], object]) -> None:
        try:
            with told():
                write()
        except UpdateFinishedTrialError:
            raise LeaseLost from None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that count, in the order drawn, each once; their numbers are their places, 0, 1, 2, ...

    None that was withdrawn, none that is about to be, none that somebody else put into the study. The storage's own
    numbers count those too, so they say how often a search was killed; nothing may depend on that.

    Args:
        trials: as the storage has them; they stay as they are.
    """
    senior: dict[str, FrozenTrial] = {}
    for trial in sorted(_standing(trials), key=_rank):
        senior.setdefault(trial.user_attrs[CONFIGURATION], trial)
    return [_numbered(trial, place) for place, trial in enumerate(senior.values())]


def _standing(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if WITHDRAWN not in t.user_attrs and CONFIGURATION in t.user_attrs]


def _first(trial: FrozenTrial) -> int:
    """The storage's number of the trial that this one, perhaps at several removes, goes on with; else its own."""
    first: int = trial.user_attrs.get(TAKEN_OVER, {}).get("first", trial.number)
    return first


def _rank(trial: FrozenTrial) -> tuple[int, int]:
    """Of two trials with one experiment the lower one has it: the one drawn first, or who took it over first."""
    return _first(trial), trial.number


def _numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    if trial.number != number:
        trial = copy.copy(trial)
        trial.number = number
    return trial


def _lease(seconds: float) -> dict[str, float]:
    return {"until": time.time() + LEASE, "seconds": seconds}
