"""What a pruner is told of a trial, whom it sees beside it, and what a leaderboard says of the best so far."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState
from searches import Pretender, searched
from spaces import make_space

from nextbar.config import ExperimentConfig
from nextbar.searching import pruning
from nextbar.searching.claim import Claim, LeaseLost
from nextbar.searching.leaderboard import row_of
from nextbar.searching.ledger import Ledger
from nextbar.searching.optuna_study import open_study
from nextbar.searching.outcome import best_so_far
from nextbar.searching.proposals import Proposal
from nextbar.searching.pruning import Pruning
from nextbar.searching.trials import VERDICT
from nextbar.searching.worker_lock import WorkerLock

SEEDS = {"seed": {"low": 0, "high": 60}}
SPACE = make_space({"seed": {"low": 0, "high": 40}}, num_epochs=9)


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Callable[[], Ledger]]:
    """Gives workers of one study that is kept in memory."""
    storage, locks = InMemoryStorage(), []

    def joined() -> Ledger:
        locks.append(WorkerLock(tmp_path))
        return Ledger(open_study(storage, "study", SPACE.identity()), storage, SPACE, locks[-1])

    yield joined
    for lock in locks:
        lock.close()


def claimed(ledger: Ledger, seed: int) -> Claim:
    claim = ledger.claim(Proposal.of(SPACE, {"seed": seed}), 99)
    assert claim is not None
    return claim


def halving(ledger: Ledger, patch: pytest.MonkeyPatch) -> Pruning:
    """The pruner that hyperband holds one of for each bracket: rungs at epochs 1, 2, 4 and 8."""
    patch.setattr(pruning, "make_pruner", lambda name, space: SuccessiveHalvingPruner(1, reduction_factor=2))
    return Pruning(ledger, "hyperband")


def overfitting(config: ExperimentConfig, epoch: int) -> float:
    """Scores that are best at the first epoch, as of trainings that soon learn noise."""
    noise = random.Random(f"{config.seed} {epoch} 6").gauss(1, 0.02)
    return noise + (0.05 if epoch > 1 else 0.0)


def noisy(config: ExperimentConfig, epoch: int) -> float:
    level = random.Random(config.seed).gauss(1, 0.02)
    return level + random.Random(f"{config.seed} {epoch}").gauss(0, 0.02)


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_no_pruned_trial_was_ever_better_than_the_winner(
    pruner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The law that a pruner which judges by another score than the selection breaks."""
    Pretender(monkeypatch).score = overfitting
    study = searched(tmp_path, SEEDS, 20, pruner=pruner, sampler="random", base={"num_epochs": 9})
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 5
    for trial in pruned:
        best = min((overfitting(study.config(trial), epoch), epoch) for epoch in trial.intermediate_values)
        assert best[0] >= study.best_trial.value
        row = row_of(trial, study.space)
        assert (row["ranking_score"], row["best_epoch"]) == best and trial.value == best[0]
        told = (
            f"pruned after epoch {max(trial.intermediate_values)}: best ranking score {best[0]:.5g} (epoch {best[1]})"
        )
        assert row["reason"] == told
    assert pruner == "median" or any(
        row_of(trial, study.space)["best_epoch"] < len(trial.intermediate_values) for trial in pruned
    )
    assert all(row["rank"] is None for row in study.leaderboard if row["status"] == "pruned")


def test_the_median_is_of_the_best_scores_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the rule in NumPy: worse than the median of five finished trials or more."""
    Pretender(monkeypatch).score = noisy
    study = searched(tmp_path, SEEDS, 20, pruner="median", sampler="random", base={"num_epochs": 9})
    finished: list[np.ndarray] = []
    ends = []
    for trial in study.trials:
        best_E = np.minimum.accumulate([noisy(study.config(trial), epoch) for epoch in range(1, 10)])
        hopeless_E = best_E > np.median(finished, axis=0) if len(finished) >= 5 else np.zeros(9, bool)
        ends.append(int(np.argmax(hopeless_E)) + 1 if hopeless_E[:8].any() else 9)
        if ends[-1] == 9:
            finished.append(best_E)
    assert [len(trial.intermediate_values) for trial in study.trials] == ends
    assert len(set(ends)) >= 3


def test_the_best_score_so_far_is_what_is_reported(join: Callable[[], Ledger]) -> None:
    ledger = join()
    claim, judge = claimed(ledger, 0), Pruning(ledger, "median")
    for epoch, score in enumerate([math.inf, math.nan, 0.9981, 1.0031, -math.inf, 1.00685, math.nan, 0.99], 1):
        assert judge.reason(claim, epoch, score) == ""
    assert judge.reason(claim, 9, None) == ""
    assert ledger.values(claim) == {3: 0.9981, 4: 0.9981, 5: 0.9981, 6: 0.9981, 7: 0.9981, 8: 0.99, 9: 0.99}
    assert best_so_far(ledger.values(claim)) == (0.99, 8)
    assert best_so_far({}) is best_so_far({1: math.nan, 2: math.inf, 3: -math.inf}) is None


def test_a_running_trial_shows_its_best_so_far(join: Callable[[], Ledger]) -> None:
    ledger = join()
    claim, judge = claimed(ledger, 0), Pruning(ledger, "none")
    assert row_of(ledger.trials()[0], SPACE)["ranking_score"] is None
    for epoch, score in ((1, 0.95), (2, 0.9), (3, 0.93)):
        judge.reason(claim, epoch, score)
    row = row_of(ledger.trials()[0], SPACE)
    assert (row["status"], row["ranking_score"], row["best_epoch"], row["epochs"]) == ("running", 0.9, 2, 3)


def test_an_epoch_that_is_told_again_gets_the_same_answer(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another worker too, and although more trials stand beside it by now."""
    one = join()
    judge = halving(one, monkeypatch)
    good, poor, late = (claimed(one, seed) for seed in range(3))
    assert judge.reason(good, 1, 0.5) == ""
    answer = "pruned after epoch 1: best ranking score 0.9 (epoch 1)"
    assert judge.reason(poor, 1, 0.9) == answer
    assert judge.reason(late, 1, 0.1) == ""
    assert [judge.reason(claim, 1, score) for claim, score in ((good, 0.5), (poor, 0.9))] == ["", answer]
    one.lock.close()
    other = join()
    assert other.trials() == one.trials()
    claims = [other.take_over(trial, 99) for trial in other.stale()]
    again = halving(other, monkeypatch)
    answers = [again.reason(claim, 1, score) for claim, score in zip(claims, (0.5, 0.9, 0.1), strict=True) if claim]
    assert answers == ["", answer, ""]
    assert [trial.user_attrs[VERDICT]["marks"] for trial in other.trials()] == [
        {"completed_rung_0": score} for score in (0.5, 0.9, 0.1)
    ]


def test_a_trial_that_starts_again_elsewhere_is_judged_where_it_is(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoints lie on another machine; what it reported from there is no news of epochs to come."""
    ledger, steps = join(), []

    class Steps(SuccessiveHalvingPruner):
        def prune(self, study: Any, trial: FrozenTrial) -> bool:
            steps.append(trial.last_step)
            return False

    monkeypatch.setattr(pruning, "make_pruner", lambda name, space: Steps(1))
    claim, judge = claimed(ledger, 0), Pruning(ledger, "hyperband")
    for epoch, score in ((1, 0.9), (2, 0.8), (1, 0.91), (2, 0.95)):
        judge.reason(claim, epoch, score)
    assert steps == [1, 2, 1, 2] and ledger.values(claim) == {1: 0.91, 2: 0.91}


def test_a_pruner_sees_none_that_was_withdrawn_and_none_twice(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, seen = join(), []

    class Eyes(SuccessiveHalvingPruner):
        def prune(self, study: Any, trial: FrozenTrial) -> bool:
            seen.append((study.study_name, [(t.number, t.params["seed"]) for t in study.get_trials()], trial.number))
            assert study.get_trials(states=(TrialState.COMPLETE,)) == []
            return False

    monkeypatch.setattr(pruning, "make_pruner", lambda name, space: Eyes(1))
    for seed in (7, 8):
        claimed(ledger, seed)
        ledger.lock.close()
        ledger = join()
        assert all([ledger.take_over(trial, 99) for trial in ledger.stale()])
    with monkeypatch.context() as patch:  # a worker that dies before it withdraws what it goes on with
        patch.setattr(Ledger, "_withdraw", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        ledger.lock.close()
        with pytest.raises(KeyboardInterrupt):
            (ledger := join()).take_over(ledger.stale()[0], 99)
    Pruning(ledger, "hyperband").reason(claimed(ledger, 9), 1, 0.5)
    assert seen == [("study", [(0, 7), (1, 8), (2, 9)], 2)]


def test_a_lease_that_is_lost_before_the_pruner_is_asked_ends_the_trial_here(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    claim = claimed(one, 0)
    report = one.report

    def late(*given: Any) -> None:
        report(*given)
        one.lock.close()
        assert other.take_over(other.stale()[0], 99) is not None

    one.report = late  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        Pruning(one, "hyperband").reason(claim, 1, 0.5)
