"""Decides whether a trial goes on: Optuna's pruners compare its best score so far with those of the others."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nextbar.searching.claim import Claim, LeaseLost
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import PRUNERS
from nextbar.searching.outcome import best_so_far
from nextbar.searching.space.contradictions import most_epochs
from nextbar.searching.space.space import Space
from nextbar.searching.trials import VERDICT


class Pruning:
    """Records the epochs of trials and asks the pruner.

    An epoch may be reported twice, when a process ends after the first report. The second one gets the same answer,
    from the recorded verdict or by the same scores.

    Args:
        ledger: of the study.
        pruner: as in ``SearchOptions``.
    """

    def __init__(self, ledger: Ledger, pruner: str) -> None:
        self._ledger = ledger
        self._pruner = make_pruner(pruner, ledger.space)

    def reason(self, claim: Claim, epoch: int, ranking: float | None) -> str:
        """Why a trial ends after an epoch; empty where it goes on.

        Scores that are not finite are ignored, and a trial is not pruned before its first finite one.

        Args:
            claim: the trial.
            epoch: the one done last.
            ranking: its ranking score; None where nothing is validated.

        Raises:
            LeaseLost: another worker has the trial.
            RunError: the storage fails.
        """
        scores = {e: score for e, score in self._ledger.values(claim).items() if e < epoch}
        best = best_so_far(scores if ranking is None else scores | {epoch: ranking})
        if best is None:
            return ""
        self._ledger.report(claim, epoch, best.score)
        if not self._pruned(claim, epoch):
            return ""
        return f"pruned after epoch {epoch}: best ranking score {best.score:.5g} (epoch {best.epoch})"

    def _pruned(self, claim: Claim, epoch: int) -> bool:
        if self._pruner is None:
            return False
        trials = self._ledger.trials()
        own = next((trial for trial in trials if trial._trial_id == claim.trial_id), None)
        if own is None:
            raise LeaseLost
        former: dict[str, Any] = own.user_attrs.get(VERDICT, {"epoch": 0, "pruned": False, "marks": {}})
        if former["epoch"] >= epoch:
            return former["epoch"] == epoch and former["pruned"]
        snapshot = Snapshot(self._ledger.study.study_name, [_with_marks(trial) for trial in trials])
        study = optuna.load_study(
            study_name=self._ledger.study.study_name, storage=snapshot, sampler=RandomSampler(), pruner=self._pruner
        )
        own = copy.copy(_with_marks(own))
        own.intermediate_values = {e: score for e, score in own.intermediate_values.items() if e <= epoch}
        pruned = bool(self._pruner.prune(study, own))
        if pruned or snapshot.marks:
            self._ledger.note_verdict(claim, epoch, pruned, former["marks"] | snapshot.marks)
        return pruned


class Snapshot(InMemoryStorage):
    """The trials that count, for a pruner; its notes on the trial in question are caught in ``marks``.

    Args:
        name: of the study; hyperband draws brackets by it.
        trials: under the numbers that ``counted`` gives them.
    """

    def __init__(self, name: str, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self.create_new_study([StudyDirection.MINIMIZE], name)
        self._counted = trials
        self.marks: dict[str, Any] = {}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials in one of the states; None: in any."""
        trials = [trial for trial in self._counted if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Catch a note, such as the score at a rung."""
        self.marks[key] = value


def _with_marks(trial: FrozenTrial) -> FrozenTrial:
    """The trial with the recorded notes of the pruner as system attributes, where the pruner reads them."""
    if VERDICT not in trial.user_attrs:
        return trial
    trial = copy.copy(trial)
    trial.system_attrs = trial.system_attrs | trial.user_attrs[VERDICT]["marks"]
    return trial


def make_pruner(name: str, space: Space) -> BasePruner | None:
    """The pruner of this name for a space; None where no trial is pruned."""
    pruner: BasePruner | None = PRUNERS.load(name)(most_epochs(space))
    return pruner


def no_pruner(epochs: int) -> None:
    """Ends no trial."""


def median_pruner(epochs: int) -> BasePruner:
    """Ends trials worse than the median of the others at the same epoch, after a tenth of the epochs.

    Args:
        epochs: of the longest training.
    """
    return MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 10))


def hyperband_pruner(epochs: int) -> BasePruner:
    """Successive halving in brackets.

    Args:
        epochs: of the longest training.
    """
    return HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=3)
