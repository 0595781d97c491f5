"""Drawing: nothing twice, whoever draws; the same trials, the same proposal."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from spaces import make_space

from nextbar.errors import ConfigError
from nextbar.searching import proposals as draw
from nextbar.searching.options import SAMPLERS
from nextbar.searching.proposals import Proposal, propose
from nextbar.searching.samplers import Grid, Tpe
from nextbar.searching.space.space import Space

STEPS = {"dropout": {"low": 0, "high": 0.7, "step": 0.1}, "n_heads": [1, 2, 4], "dim_feedforward": "[1, 2] * d_model"}


def drawn(space: Space, sampler: str, n: int, seed: int = 0, score: Any = None) -> list[Proposal]:
    """What a search of ``n`` trials, each ended before the next is drawn, would train."""
    trials: list[FrozenTrial] = []
    proposals: list[Proposal] = []
    for _ in range(n):
        found = propose(space, SAMPLERS.load(sampler)(), seed, trials, {one.digest for one in proposals})
        if found is None:
            break
        proposals.append(found)
        value = score(found.params) if score else len(trials) % 7
        trials.append(ended(space, found.params, value))
    return proposals


def ended(space: Space, params: dict[str, Any], value: float) -> FrozenTrial:
    distributions = {name: dimension.distribution for name, dimension in space.dimensions.items()}
    return create_trial(state=TrialState.COMPLETE, params=params, distributions=distributions, value=value)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_drawn_whole_and_each_combination_once(sampler: str) -> None:
    space = make_space(STEPS)
    found = drawn(space, sampler, 100)
    assert space.size == 48 == len(found)
    assert {repr(one.params) for one in found} == {repr(point) for point in space.points()}
    assert len({one.digest for one in found}) == 48


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_combinations_that_are_one_experiment_are_drawn_once(sampler: str) -> None:
    """No indicators is no indicators, however it is written."""
    space = make_space({"indicators": [None, []], "n_heads": [1, 2]})
    assert space.size == 4
    assert len(drawn(space, sampler, 9)) == 2


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_what_optuna_draws_from_steps_is_what_is_counted_through(sampler: str) -> None:
    """Bit for bit: a digest tells 0.3 from 0.30000000000000004."""
    space = make_space({"dropout": {"low": 0.1, "high": 0.73, "step": 0.1}, "weight_decay": {"low": 0, "high": 1}})
    values = set(space.dimensions["model_config.dropout"].labels())
    assert len(values) == 7
    assert {one.params["model_config.dropout"] for one in drawn(space, sampler, 60)} == values


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_trials_give_the_same_proposal_and_another_seed_another(sampler: str) -> None:
    space = make_space(STEPS)
    first = [one.digest for one in drawn(space, sampler, 12)]
    assert first == [one.digest for one in drawn(space, sampler, 12)]
    assert first != [one.digest for one in drawn(space, sampler, 12, seed=1)]
    # a search that was killed and begun again has nothing but the trials that are there
    trials = [ended(space, one.params, i % 7) for i, one in enumerate(drawn(space, sampler, 11))]
    again = propose(space, SAMPLERS.load(sampler)(), 0, trials, set(first[:11]))
    assert again is not None and again.digest == first[11]


def test_tpe_looks_where_it_was_good() -> None:
    space = make_space({"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}})

    def score(params: dict[str, Any]) -> float:
        return abs(params["learning_rate"] / 1e-3 - 1)

    def late(sampler: str) -> float:
        found = [drawn(space, sampler, 40, seed, score)[20:] for seed in range(3)]
        near = [0.3e-3 < one.params["learning_rate"] < 3e-3 for late in found for one in late]
        return sum(near) / len(near)

    assert late("tpe") > 0.5 > 0.35 > late("random")  # of the space, a quarter


def test_a_running_trial_counts_as_tried() -> None:
    space = make_space({"n_heads": [1, 2]})
    first = propose(space, Tpe(), 0, [], set())
    assert first is not None
    running = create_trial(
        state=TrialState.RUNNING,
        params=first.params,
        distributions={name: d.distribution for name, d in space.dimensions.items()},
    )
    second = propose(space, Tpe(), 0, [running], {first.digest})
    assert second is not None and second.params != first.params
    assert propose(space, Tpe(), 0, [running], {first.digest, second.digest}) is None


def test_a_combination_at_odds_is_proposed_with_its_reason() -> None:
    space = make_space({"n_heads": [2, 3], "d_model": [8, 24]})
    proposal = Proposal.of(space, {"model_config.n_heads": 3, "model_config.d_model": 8})
    assert proposal.config is None and "should divide d_model (8)" in proposal.refused
    assert proposal.digest.startswith("refused-")
    other = Proposal.of(space, {"model_config.d_model": 8, "model_config.n_heads": 3})
    assert other.digest == proposal.digest
    fine = Proposal.of(space, {"model_config.n_heads": 3, "model_config.d_model": 24})
    assert fine.config is not None and fine.digest == fine.config.digest() and fine.refused == ""


def test_a_space_too_large_to_count_ends_when_nothing_new_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "COUNTED", 2)
    found = drawn(make_space({"n_heads": [1, 2, 4]}), "tpe", 9)
    assert len({one.digest for one in found}) == len(found) == 3


def test_a_grid_needs_steps() -> None:
    Grid().require(make_space(STEPS))
    with pytest.raises(ConfigError, match=r"search: weight_decay: sampler grid needs a list of choices here"):
        Grid().require(make_space({"n_heads": [1, 2], "weight_decay": {"low": 0, "high": 1}}))
