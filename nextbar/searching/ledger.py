"""A study's trials as all its workers see them: who has which, and what became of it.

Nothing here needs more of a storage than that trials are numbered in the order in which they are made, which all of
Optuna's keep. A trial is made whole, with its combination, its owner and its lease. Whoever has made one looks which
came before it: where one of those has the same experiment, or there are enough without it, it withdraws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nextbar.searching.draw import Proposal
from nextbar.searching.owner import LEASE, Owner
from nextbar.searching.space import Space
from nextbar.searching.storage import told

CONFIGURATION, OWNER, LEASED, WITHDRAWN, FACTS, TAKEN_OVER = (
    "configuration", "owner", "lease", "withdrawn", "facts", "taken_over",
)  # fmt: skip
"""attributes of a trial"""


class LeaseLost(Exception):
    """Another worker has taken the trial over, because this one gave no sign of life for too long."""


@dataclass(frozen=True)
class Claim:
    """A trial that is this worker's to train."""

    number: int
    trial_id: int
    proposal: Proposal
    seconds: float = 0.0
    """trained before it was taken over"""
    taken_over: int = 0
    """how often it was, without an epoch done in between"""


class Ledger:
    """The trials of a study, for one of its workers.

    Every method may raise RunError where the storage fails.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, space: Space, owner: Owner) -> None:
        self.study, self.space, self.owner = study, space, owner
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)

    def trials(self) -> list[FrozenTrial]:
        """Those that count, in order; none that was withdrawn."""
        return counted(self._all())

    def stale(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Unfinished trials that nobody works on any more: let go, their worker gone, or its lease run out."""
        now = time.time()
        return [
            t
            for t in trials
            if t.state == TrialState.RUNNING
            and (t.user_attrs[LEASED]["until"] < now or self.owner.gone(t.user_attrs[OWNER]))
        ]

    def claim(self, proposal: Proposal, n_trials: int, former: FrozenTrial | None = None) -> Claim | None:
        """Make a trial of a proposal; None where another worker was first, or there are enough without it.

        Args:
            proposal: what to train.
            n_trials: how many may count.
            former: the trial that this one goes on with.
        """
        seconds, again, done = 0.0, 0, 0
        if former:
            seconds = former.user_attrs[LEASED]["seconds"]
            done = len(former.intermediate_values)
            before = former.user_attrs.get(TAKEN_OVER, {"times": 0, "epochs": -1})
            again = before["times"] + 1 if before["epochs"] == done else 1
        made = create_trial(
            state=TrialState.RUNNING,
            params=proposal.params,
            distributions={name: d.distribution for name, d in self.space.dimensions.items()},
            intermediate_values=dict(former.intermediate_values) if former else {},
            user_attrs={
                CONFIGURATION: proposal.digest,
                OWNER: self.owner.name,
                LEASED: _lease(seconds),
                **({TAKEN_OVER: {"times": again, "epochs": done}} if former else {}),
            },
        )
        with told():
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=made)
            number = self._storage.get_trial(trial_id).number
            goes_on_with = former.number if former else None
            earlier = [t for t in counted(self._all()) if t.number < number and t.number != goes_on_with]
            if any(t.user_attrs[CONFIGURATION] == proposal.digest for t in earlier):
                if former:  # whoever took it over did not come to withdraw it
                    self._withdraw(former._trial_id, "another worker went on with it")
                self._withdraw(trial_id, "another worker has the same experiment")
                return None
            if len(earlier) >= n_trials and not former:
                self._withdraw(trial_id, "there are enough trials")
                return None
            if former and not self._withdraw(former._trial_id, f"trial {number} goes on with it"):
                self._withdraw(trial_id, "its owner has ended it after all")
                return None
        return Claim(number, trial_id, proposal, seconds, again)

    def take_over(self, trial: FrozenTrial, n_trials: int) -> Claim | None:
        """Go on with a stale trial; None where another worker was first."""
        return self.claim(Proposal.of(self.space, trial.params), n_trials, former=trial)

    def renew(self, claim: Claim, seconds: float) -> None:
        """A sign of life.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_user_attr(claim.trial_id, LEASED, _lease(seconds)))

    def report(self, claim: Claim, epoch: int, ranking: float) -> FrozenTrial:
        """Note the ranking score of an epoch; the trial as it stands then.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_intermediate_value(claim.trial_id, epoch, ranking))
        with told():
            return self._storage.get_trial(claim.trial_id)

    def values(self, claim: Claim) -> dict[int, float]:
        """The ranking scores of the epochs that were reported."""
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
    """Trials that were not withdrawn, in order; none that somebody else put into the study."""
    return [t for t in trials if WITHDRAWN not in t.user_attrs and CONFIGURATION in t.user_attrs]


def _lease(seconds: float) -> dict[str, float]:
    return {"until": time.time() + LEASE, "seconds": seconds}
