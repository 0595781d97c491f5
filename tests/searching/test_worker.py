"""Trials of a search side by side: which share a program, how many at a time, and what one may not do to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import Pretender, searched
from trainings import assert_same_run

from nextbar.errors import OutOfMemory, RunError
from nextbar.searching import sizes
from nextbar.searching.ledger import Ledger
from nextbar.searching.sizes import WORTH

TRACED = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "seed": {"low": 0, "high": 99}}
SHAPED = TRACED | {"model_config.d_model": [8, 12, 16, 20, 24, 28]}


def test_trials_of_one_program_are_trained_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretender = Pretender(monkeypatch)
    study = searched(tmp_path, TRACED, 10, sampler="random", population=4)
    assert pretender.groups == [4, 4, 2]
    assert [row["status"] for row in study.leaderboard] == ["finished"] * 10
    assert len({config.digest() for config in pretender.configs}) == 10


def test_trials_of_different_programs_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretender = Pretender(monkeypatch)
    searched(tmp_path, SHAPED, 12, sampler="random", population=12)
    assert sum(pretender.groups) == 12 and len(pretender.groups) > 1
    first, *_ = (pretender.configs[: pretender.groups[0]],)
    assert len({config.model_config.d_model for config in first}) == 1


def test_the_same_is_drawn_as_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pretender(monkeypatch)
    alone, together = (searched(tmp_path / str(size), TRACED, 6, sampler="random", population=size) for size in (1, 6))
    assert [t.params for t in alone.trials] == [t.params for t in together.trials]
    assert [t.value for t in alone.trials] == [t.value for t in together.trials]


@pytest.mark.parametrize("space", [TRACED, SHAPED], ids=["one program", "many programs"])
def test_auto_measures_where_many_trials_share_a_program(
    space: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretender = Pretender(monkeypatch)
    asked: list[int] = []

    def helpful_size(config: Any, dataset: Any, most: int, trying: Any) -> int:
        asked.append(most)
        return 4

    monkeypatch.setattr(sizes, "helpful_size", helpful_size)
    searched(tmp_path, space, WORTH, sampler="random", population="auto")
    if space is TRACED:
        assert asked == [WORTH] and pretender.groups == [4] * (WORTH // 4)
    else:
        assert not asked and pretender.groups == [1] * WORTH


def test_auto_does_not_measure_for_a_few_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretender = Pretender(monkeypatch)
    searched(tmp_path, TRACED, WORTH - 1, population="auto")
    assert pretender.groups == [1] * (WORTH - 1)


@pytest.mark.parametrize(("seed", "first"), [(2, 400), (0, 6)], ids=["the first drawn", "a later one"])
def test_what_cannot_be_measured_is_trained_alone(
    seed: int, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bars have no window of 400, which is for the training to say of its own trial."""
    pretender = Pretender(monkeypatch)
    monkeypatch.setattr(sizes, "helpful_size", lambda config, dataset, most, trying: WORTH)
    space = TRACED | {"dataset_config.seq_len": [6, 400]}
    searched(tmp_path, space, WORTH, sampler="random", population="auto", seed=seed, base={"max_seq_len": 500})
    lengths = [config.dataset_config.seq_len for config in pretender.configs]
    assert lengths[0] == first and len(lengths) == WORTH
    assert pretender.groups.count(1) >= lengths.count(400) > 0


def test_what_lies_not_in_a_trial_ends_measuring_and_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def helpful_size(config: Any, dataset: Any, most: int, trying: Any) -> int:
        raise RunError("the disk is full")

    monkeypatch.setattr(sizes, "helpful_size", helpful_size)
    with pytest.raises(RunError, match="the disk is full"):
        searched(tmp_path, TRACED, WORTH, population="auto")


def test_nothing_is_claimed_while_it_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would renew the lease, and another machine would take the trial over."""
    Pretender(monkeypatch)
    ledgers: list[Ledger] = []
    trials: list[int] = []
    begin = Ledger.__init__

    def known(self: Ledger, *given: Any) -> None:
        begin(self, *given)
        ledgers.append(self)

    def helpful_size(config: Any, dataset: Any, most: int, trying: Any) -> int:
        trials.append(len(ledgers[0].trials()))
        return 4

    monkeypatch.setattr(Ledger, "__init__", known)
    monkeypatch.setattr(sizes, "helpful_size", helpful_size)
    searched(tmp_path, TRACED, WORTH, sampler="random", population="auto")
    assert trials == [0]


def test_what_a_group_cannot_do_its_members_do_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretender = Pretender(monkeypatch)
    plain = pretender.score

    def score(config: Any, epoch: int) -> float:
        if pretender.groups[-1] > 1:
            raise OutOfMemory("not enough memory for so many")
        if config.seed % 2:
            raise OutOfMemory("not enough memory at all")
        return plain(config, epoch)

    pretender.score = score
    study = searched(tmp_path, TRACED, 6, sampler="random", population=6)
    assert pretender.groups[0] == 6 and pretender.groups.count(1) == 6
    for row in study.leaderboard:
        assert (row["status"], row["reason"]) == (
            ("failed", "not enough memory at all") if row["seed"] % 2 else ("finished", "")
        )


def test_side_by_side_gives_what_each_gives_alone(tmp_path: Path) -> None:
    """Real trainings: the same to rounding."""
    together = searched(tmp_path / "together", TRACED, 3, sampler="random", population=3)
    alone = searched(tmp_path / "alone", TRACED, 3, sampler="random", population=1)
    for ours, theirs in zip(together.trials, alone.trials, strict=True):
        assert ours.params == theirs.params
        assert ours.value == pytest.approx(theirs.value, rel=1e-5)
    assert together.best.name == alone.best.name


def test_one_at_a_time_is_what_train_does(tmp_path: Path) -> None:
    from searches import BARS

    from nextbar.train.trainer import Trainer

    study = searched(tmp_path / "study", TRACED, 1, population=1)
    config = study.config(study.best_trial)
    again = type(config).from_dict(config.to_dict() | {"log_dir": str(tmp_path / "plain")})
    assert_same_run(study.best, Trainer(again, BARS, show=False).train_and_evaluate().run_dir)
