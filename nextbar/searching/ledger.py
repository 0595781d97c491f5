"""The ledger of a study: claims trials for a worker and records their progress, so that workers share a storage.

The only requirement on a storage is that trials are numbered in the order in which they are made, which all of Optuna's
fulfil. A trial is made in one write, with its combination, its owner and its lease. The worker that made it then looks
at the trials before it: where one of those has the same experiment, or there are enough without it, it withdraws its
own.

A trial that is taken over is a new one to the storage, so that its former owner can no longer write to it. Everywhere
else it is the same trial: it keeps its place among the trials drawn, its scores, and the pruner's notes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nextbar.logger import get_logger
from nextbar.searching.claim import Claim, LeaseLost
from nextbar.searching.proposals import Proposal
from nextbar.searching.space.space import Space
from nextbar.searching.storage import storage_failures
from nextbar.searching.trials import (
    CONFIGURATION,
    FACTS,
    LEASED,
    OWNER,
    TAKEN_OVER,
    VERDICT,
    WITHDRAWN,
    counted,
    first_number,
    rank,
    standing,
)
from nextbar.searching.worker_lock import LEASE, WorkerLock

RELEASED = 0.0
"""``until`` in the lease of a trial that its worker has given up"""


class Ledger:
    """The trials of a study, for one of its workers.

    Every method may raise RunError where the storage fails.

    Args:
        study: Optuna's.
        storage: where it is kept.
        space: what is varied.
        lock: identity of the worker.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, space: Space, lock: WorkerLock) -> None:
        self.study, self.space, self.lock = study, space, lock
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._seen: dict[int, tuple[Any, float]] = {}
        """lease of a trial, by its id, and when it was first seen, by the clock of this process"""
        self._told: set[int] = set()
        """ids of trials whose worker was said to stand still"""

    def trials(self) -> list[FrozenTrial]:
        """The trials that count; see ``counted``."""
        return counted(self._all())

    def stale(self) -> list[FrozenTrial]:
        """Unfinished trials that no worker works on, as the storage has them.

        They were released, their worker has ended, or where only the lease can tell it has run out.
        """
        running = [t for t in sorted(standing(self._all()), key=rank) if t.state == TrialState.RUNNING]
        return [t for t in running if self._is_free(t)]

    def claim(self, proposal: Proposal, n_trials: int, former: FrozenTrial | None = None) -> Claim | None:
        """Make a trial of a proposal; None where another worker was first, or there are enough without it.

        Args:
            proposal: the combination.
            n_trials: trials that may count.
            former: the trial that this one goes on with, as the storage has it.
        """
        template = self._template(proposal, former)
        with storage_failures():
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
            own = self._storage.get_trial(trial_id)
            former_id = former._trial_id if former else None
            senior = [t for t in standing(self._all()) if rank(t) < rank(own) and t._trial_id != former_id]
            experiments = {t.user_attrs[CONFIGURATION] for t in senior}
            if proposal.digest in experiments:
                if former:  # the worker that took it over ended before it could withdraw it
                    self._withdraw(former._trial_id, "another worker went on with it")
                self._withdraw(trial_id, "another worker has the same experiment")
                return None
            if len(experiments) >= n_trials and not former:
                self._withdraw(trial_id, "there are enough trials")
                return None
            if former and not self._withdraw(former._trial_id, f"trial {own.number} goes on with it"):
                self._withdraw(trial_id, "its owner has ended it after all")
                return None
        times = own.user_attrs[TAKEN_OVER]["times"] if former else 0
        return Claim(len(experiments), trial_id, proposal, own.user_attrs[LEASED]["seconds"], times)

    def take_over(self, trial: FrozenTrial, n_trials: int) -> Claim | None:
        """Go on with a stale trial; None where another worker was first."""
        return self.claim(Proposal.of(self.space, trial.params), n_trials, former=trial)

    def renew(self, claim: Claim, seconds: float) -> None:
        """Renew the lease, with the seconds trained so far.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_user_attr(claim.trial_id, LEASED, _lease(seconds)))

    def report(self, claim: Claim, epoch: int, score: float) -> None:
        """Record the best ranking score until an epoch.

        Raises:
            LeaseLost: another worker has the trial.
        """
        self._update(lambda: self._storage.set_trial_intermediate_value(claim.trial_id, epoch, score))

    def note_verdict(self, claim: Claim, epoch: int, pruned: bool, marks: Mapping[str, Any]) -> None:
        """Record, in one write, the pruner's verdict on a trial after an epoch and all its notes on the trial so far.

        Raises:
            LeaseLost: another worker has the trial.
        """
        verdict = {"epoch": epoch, "pruned": pruned, "marks": dict(marks)}
        self._update(lambda: self._storage.set_trial_user_attr(claim.trial_id, VERDICT, verdict))

    def values(self, claim: Claim) -> dict[int, float]:
        """The reported scores, by epoch."""
        with storage_failures():
            return self._storage.get_trial(claim.trial_id).intermediate_values

    def finish(self, claim: Claim, state: TrialState, value: float | None, facts: Mapping[str, Any]) -> None:
        """Record state, ranking score and facts of a trial that has ended.

        Raises:
            LeaseLost: another worker has the trial.
        """

        def write() -> None:
            self._storage.set_trial_user_attr(claim.trial_id, FACTS, dict(facts))
            self._storage.set_trial_state_values(claim.trial_id, state, None if value is None else [value])

        self._update(write)

    def release(self, claim: Claim, seconds: float) -> None:
        """Give up a claim, so that another worker can go on with the trial."""
        with suppress(LeaseLost):
            self._update(
                lambda: self._storage.set_trial_user_attr(
                    claim.trial_id, LEASED, {"until": RELEASED, "seconds": seconds}
                )
            )

    def _is_free(self, trial: FrozenTrial) -> bool:
        """Whether no worker works on an unfinished trial.

        A lease has run out once this process has seen it stay as it is for ``LEASE`` seconds by its own clock, since
        those of machines need not agree. That of a worker that was stopped on this machine takes nothing from it, since
        it may go on at any moment and holds the lock of its run's folder; the user is told.
        """
        lease = trial.user_attrs[LEASED]
        if lease["until"] == RELEASED:
            return True
        gone = self.lock.gone(trial.user_attrs[OWNER])
        if gone:
            return True
        seen, since = self._seen.get(trial._trial_id, (None, 0.0))
        if seen != lease:
            self._seen[trial._trial_id] = lease, time.monotonic()
            return False
        if time.monotonic() - since < LEASE:
            return False
        if gone is None:
            return True
        if trial._trial_id not in self._told:
            self._told.add(trial._trial_id)
            _tell_of_stopped(trial.user_attrs[OWNER])
        return False

    def _template(self, proposal: Proposal, former: FrozenTrial | None) -> FrozenTrial:
        """The trial of a proposal for the storage, with scores, verdict and seconds of the former one."""
        attributes: dict[str, Any] = {CONFIGURATION: proposal.digest, OWNER: self.lock.name, LEASED: _lease(0.0)}
        if former:
            done = len(former.intermediate_values)
            before = former.user_attrs.get(TAKEN_OVER, {"times": 0, "epochs": -1})
            times = before["times"] + 1 if before["epochs"] == done else 1
            attributes[LEASED] = _lease(former.user_attrs[LEASED]["seconds"])
            attributes[TAKEN_OVER] = {"first": first_number(former), "times": times, "epochs": done}
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
        with storage_failures():
            return self.study.get_trials(deepcopy=False)

    def _withdraw(self, trial_id: int, why: str) -> bool:
        """Withdraw a trial; False where it has ended as a trial that counts."""
        try:
            self._storage.set_trial_user_attr(trial_id, WITHDRAWN, why)
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return WITHDRAWN in self._storage.get_trial(trial_id).user_attrs
        return True

    def _update(self, write: Callable[[], object]) -> None:
        try:
            with storage_failures():
                write()
        except UpdateFinishedTrialError:
            raise LeaseLost from None


def _tell_of_stopped(owner: Mapping[str, Any]) -> None:
    """Warn of a worker of this machine that lives and does not renew its leases."""
    process = owner.get("pid", "ID")  # which earlier versions did not write down
    get_logger().warning(
        "process %s, a worker of the search on this machine, has not renewed its lease for %.0f seconds and has not "
        "ended: where it was stopped, its trials wait until it goes on (kill -CONT %s) or is ended (kill -KILL %s)",
        process,
        LEASE,
        process,
        process,
    )


def _lease(seconds: float) -> dict[str, float]:
    return {"until": time.time() + LEASE, "seconds": seconds}
