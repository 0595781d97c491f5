"""Which trial leads: the lowest ranking score, of two equals the one drawn first."""

from __future__ import annotations

import random
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial
from spaces import make_space

from nextbar.searching.leaderboard import best_of, leaderboard

SPACE = make_space()
COUNTED = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def trials_of(ends: Sequence[tuple[TrialState, float]]) -> list[FrozenTrial]:
    """A trial for each state and ranking score, numbered in this order."""
    study = optuna.create_study()
    distributions = {name: dimension.distribution for name, dimension in SPACE.dimensions.items()}
    for state, score in ends:
        value = None if state == TrialState.FAIL else score
        params = dict.fromkeys(distributions, 1e-3)
        study.add_trial(create_trial(state=state, value=value, params=params, distributions=distributions))
    return study.trials


@given(st.lists(st.tuples(st.sampled_from(COUNTED), st.sampled_from([0.5, 0.75])), max_size=6), st.randoms())
def test_of_two_equal_trials_the_earlier_leads(ends: list[tuple[TrialState, float]], order: random.Random) -> None:
    """In whatever order a storage hands them over, also where one that was pruned or failed scored lower."""
    trials = trials_of(ends)
    order.shuffle(trials)
    by_score = sorted((score, n) for n, (state, score) in enumerate(ends) if state == TrialState.COMPLETE)
    best = best_of(trials)
    assert (best.number if best else None) == (by_score[0][1] if by_score else None)
    rows = leaderboard(trials, SPACE)
    ranked = [row["trial"] for row in rows if row["rank"] is not None]
    assert ranked == [n for _, n in by_score] == [row["trial"] for row in rows[: len(by_score)]]
    pruned = sorted((score, n) for n, (state, score) in enumerate(ends) if state == TrialState.PRUNED)
    assert [row["trial"] for row in rows if row["status"] == "pruned"] == [n for _, n in pruned]


@pytest.mark.parametrize("score", [float("nan"), None])
def test_no_trial_finishes_without_a_score(score: float | None) -> None:
    """The storage refuses it, so that nothing has to be left out when the best is looked for."""
    with pytest.raises(ValueError, match="value"):
        trials_of([(TrialState.COMPLETE, score)])  # type: ignore[list-item]
