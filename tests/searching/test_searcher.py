"""A search as its user sees it: trials that end well or not, restarts, pruning, what is written and said."""

from __future__ import annotations

import csv
import datetime as dt
import logging
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, make_frame
from optuna.trial import TrialState
from page_text import Text
from searches import BARS, Pretender, searched
from spaces import given, make_space

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, OutOfMemory, RunBusy, RunError, TrainingInterrupted
from nextbar.machine import interruptible
from nextbar.searching import Study, search
from nextbar.searching.claim import MOST_DEATHS, Claim
from nextbar.searching.ledger import Ledger
from nextbar.searching.optuna_study import open_study
from nextbar.searching.proposals import Proposal
from nextbar.searching.storage import open_storage
from nextbar.searching.trials import FACTS
from nextbar.searching.worker_lock import WorkerLock

SEEDS = {"seed": {"low": 0, "high": 30}}
"""31 experiments"""


@pytest.fixture
def pretender(monkeypatch: pytest.MonkeyPatch) -> Pretender:
    return Pretender(monkeypatch)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruptible.time, "sleep", lambda seconds: None)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, "nextbar")
    yield caplog


def rows(study: Study) -> list[dict[str, str]]:
    with (study.path / "leaderboard.csv").open() as file:
        return list(csv.DictReader(file))


def states(study: Study) -> list[TrialState]:
    return [one.state for one in study.trials]


def test_as_many_trials_as_asked_and_the_same_call_trains_nothing_more(pretender: Pretender, tmp_path: Path) -> None:
    first = searched(tmp_path, n_trials=4)
    assert len(pretender.configs) == 4 == len({one.digest() for one in pretender.configs})
    again = searched(tmp_path, n_trials=4)
    assert len(pretender.configs) == 4 and again.best == first.best
    more = searched(tmp_path, n_trials=6)
    assert len(pretender.configs) == 6 == len(more.trials)
    fewer = searched(tmp_path, n_trials=2)
    assert len(pretender.configs) == 6 == len(fewer.trials)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_search_in_pieces_draws_what_one_in_a_piece_draws(pretender: Pretender, tmp_path: Path, sampler: str) -> None:
    for n in (1, 4, 9):
        searched(tmp_path / "pieces", SEEDS, n, sampler=sampler)
    pieces = [config.digest() for config in pretender.configs]
    searched(tmp_path / "piece", SEEDS, 9, sampler=sampler)
    assert pieces == [config.digest() for config in pretender.configs[9:]]


def test_the_best_is_the_lowest_ranking_score_and_of_two_the_earlier(pretender: Pretender, tmp_path: Path) -> None:
    pretender.score = lambda config, epoch: 0.5 if config.seed % 2 else 0.9
    study = searched(tmp_path, SEEDS, 8)
    odd = [config for config in pretender.configs if config.seed % 2]
    assert len(odd) > 1 and study.best.name.startswith(odd[0].digest()[:10])
    assert study.config(study.best_trial) == odd[0]


def test_a_space_that_is_used_up_ends_and_says_so(
    pretender: Pretender, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    study = searched(tmp_path, {"n_heads": [1, 2, 4]}, 10)
    assert len(study.trials) == 3 == len(pretender.configs)
    assert "the space is used up: it has 3 different combinations, fewer than n_trials (10)" in said.text
    said.clear()
    searched(tmp_path, {"n_heads": [1, 2, 4]}, 3)
    assert "used up" not in said.text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutOfMemory("not enough memory; use a smaller batch_size"), "not enough memory; use a smaller batch_size"),
        (DataError("no training windows"), "no training windows"),
        (ConfigError("at odds"), "at odds"),
        (ZeroDivisionError("unforeseen"), "ZeroDivisionError: unforeseen"),
    ],
)
def test_a_trial_that_fails_is_noted_with_its_reason_and_the_study_goes_on(
    pretender: Pretender, tmp_path: Path, error: Exception, reason: str, said: pytest.LogCaptureFixture
) -> None:
    errors = [error]

    def score(config: ExperimentConfig, epoch: int) -> float:
        if errors:
            raise errors.pop()
        return 0.9

    pretender.score = score
    study = searched(tmp_path, SEEDS, 3, show=True)
    assert states(study) == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    last = rows(study)[-1]
    assert (last["trial"], last["status"], last["reason"], last["rank"]) == ("0", "failed", reason, "")
    assert float(last["seconds"]) >= 0 and last["ranking_score"] == ""
    assert f"trial 0 (1 of 3) failed: {reason}" in said.text
    assert "3 configurations were tried (2 finished, 1 failed)" in study.tried
    assert len(searched(tmp_path, SEEDS, 3).trials) == 3  # and it is not tried again


def test_a_combination_that_the_configuration_refuses_is_a_failed_trial(pretender: Pretender, tmp_path: Path) -> None:
    study = searched(tmp_path, {"n_heads": [2, 3], "d_model": [8, 24]}, 4)
    assert len(pretender.configs) == 3
    (failed,) = [one for one in study.trials if one.state == TrialState.FAIL]
    assert "n_heads: found 3, should divide d_model (8)" in failed.user_attrs[FACTS]["reason"]
    (row,) = [row for row in rows(study) if row["status"] == "failed"]
    assert (row["model_config.n_heads"], row["model_config.d_model"], row["run"]) == ("3", "8", "")


def test_where_all_fail_there_is_no_best_and_the_reasons_are_told(pretender: Pretender, tmp_path: Path) -> None:
    def score(config: ExperimentConfig, epoch: int) -> float:
        raise OutOfMemory("too large")

    pretender.score = score
    study = searched(tmp_path, SEEDS, 2)
    with pytest.raises(RunError, match=r"no trial of .* has finished:\n  too large"):
        _ = study.best
    assert study.lines() == ["2 configurations were tried (2 failed). None has finished, so there is no winner."]


def test_what_lies_not_in_a_trial_ends_the_search_and_leaves_the_trial(pretender: Pretender, tmp_path: Path) -> None:
    def score(config: ExperimentConfig, epoch: int) -> float:
        if len(pretender.trained) == 3:
            raise RunError("the disk is full")
        return 0.9

    pretender.score = score
    with pytest.raises(RunError, match="the disk is full"):
        searched(tmp_path, SEEDS, 3)
    pretender.score = lambda config, epoch: 0.9
    study = searched(tmp_path, SEEDS, 3)
    assert states(study) == 3 * [TrialState.COMPLETE]
    epochs = [(config.digest(), epoch) for config, epoch in pretender.trained]
    assert len(epochs) == len(set(epochs)) == 6  # no epoch twice


def test_that_a_trial_cannot_be_let_go_does_not_hide_why_the_search_ends(pretender: Pretender, tmp_path: Path) -> None:
    def score(config: ExperimentConfig, epoch: int) -> float:
        raise RunError("the disk is full")

    def release(ledger: Ledger, claim: Claim, seconds: float) -> None:
        raise RunError("the storage has failed")

    pretender.score = score
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError, match="the disk is full"):
        patch.setattr(Ledger, "release", release)
        searched(tmp_path, SEEDS, 3)


@pytest.mark.parametrize("file", ["leaderboard.csv", "hparams"])
def test_a_folder_that_cannot_be_written_ends_the_search_in_words(
    pretender: Pretender, tmp_path: Path, file: str
) -> None:
    obstacle = tmp_path / "test" / file
    obstacle.parent.mkdir()
    obstacle.touch() if file == "hparams" else obstacle.mkdir()
    with pytest.raises(RunError, match=f"cannot write to {re.escape(str(tmp_path / 'test'))}: "):
        searched(tmp_path, SEEDS, 1)


def test_ctrl_c_says_what_is_kept_and_the_same_call_goes_on_from_there(pretender: Pretender, tmp_path: Path) -> None:
    def score(config: ExperimentConfig, epoch: int) -> float:
        if len(pretender.trained) == 3:
            raise TrainingInterrupted("saved")
        return 0.9

    pretender.score = score
    with pytest.raises(TrainingInterrupted) as stop:
        searched(tmp_path, SEEDS, 3)
    assert f"1 of 3 trials have ended and are kept in {tmp_path / 'test'}, the same command goes on" in str(stop.value)
    pretender.score = lambda config, epoch: 0.9
    study = searched(tmp_path, SEEDS, 3)
    assert states(study) == 3 * [TrialState.COMPLETE]
    epochs = [(config.digest(), epoch) for config, epoch in pretender.trained]
    assert len(epochs) == len(set(epochs)) == 6


def test_a_run_that_somebody_trains_is_waited_for(
    pretender: Pretender, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    busy = [RunBusy("is being trained by another process"), RunBusy("still")]

    def score(config: ExperimentConfig, epoch: int) -> float:
        if busy:
            raise busy.pop(0)
        return 0.9

    pretender.score = score
    assert states(searched(tmp_path, SEEDS, 1)) == [TrialState.COMPLETE]
    assert said.text.count("waiting: ") == 1


def test_a_process_that_dies_in_the_same_epoch_again_and_again_gives_a_failed_trial(
    pretender: Pretender, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """Here the process ended."""

    def score(config: ExperimentConfig, epoch: int) -> float:
        if config.seed == first:
            raise Killed
        return 0.9

    first, pretender.score = -1, lambda config, epoch: 0.9
    first = searched(tmp_path / "other", SEEDS, 1).trials[0].params["seed"]
    pretender.score = score
    for _ in range(MOST_DEATHS):
        with pytest.raises(Killed):
            searched(tmp_path, SEEDS, 2)
    study = searched(tmp_path, SEEDS, 2)
    assert sorted(states(study)) == sorted([TrialState.FAIL, TrialState.COMPLETE])
    assert f"killed {MOST_DEATHS} times in the same epoch" in rows(study)[-1]["reason"]


def test_a_trial_that_could_not_be_let_go_is_free_at_once_too(pretender: Pretender, tmp_path: Path) -> None:
    """The database was away when the user pressed Ctrl-C."""

    def score(config: ExperimentConfig, epoch: int) -> float:
        raise KeyboardInterrupt

    pretender.score = score
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TrainingInterrupted):
        patch.setattr(Ledger, "release", lambda self, claim, seconds: None)
        searched(tmp_path, SEEDS, 1)
    pretender.score = lambda config, epoch: 0.9
    assert states(searched(tmp_path, SEEDS, 1)) == [TrialState.COMPLETE]
    assert list((tmp_path / "test" / ".workers").glob("*.lock")) == []


def test_a_worker_waits_for_what_others_train(
    pretender: Pretender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = make_space(SEEDS, log_dir=str(tmp_path), num_epochs=2)
    storage = open_storage(str(tmp_path / "journal.log"))
    other = Ledger(open_study(storage, "test", space.identity()), storage, space, lock := WorkerLock(tmp_path / "test"))
    claim = other.claim(Proposal.of(space, {"seed": 30}), 2)
    assert claim is not None
    looks = []

    def wait(seconds: float) -> None:
        looks.append(len(other.trials()))
        if len(looks) == 3:
            other.finish(claim, TrialState.COMPLETE, 0.1, {"run": "elsewhere", "ranking": 0.1, "seconds": 1.0})

    monkeypatch.setattr(interruptible.time, "sleep", wait)
    study = searched(tmp_path, SEEDS, 2, storage=str(tmp_path / "journal.log"))
    lock.close()
    assert looks == [2, 2, 2] and states(study) == 2 * [TrialState.COMPLETE] and len(pretender.configs) == 1


def test_a_worker_whose_trial_was_taken_over_goes_on_with_others(pretender: Pretender, tmp_path: Path) -> None:
    """Its machine slept; another one has trained the trial meanwhile."""
    space = make_space(SEEDS, log_dir=str(tmp_path), num_epochs=2)
    storage = open_storage(str(tmp_path / "journal.log"))
    other = Ledger(open_study(storage, "test", space.identity()), storage, space, lock := WorkerLock(tmp_path))

    def score(config: ExperimentConfig, epoch: int) -> float:
        if len(pretender.trained) == 1:
            (mine,) = other.trials()
            claim = other.take_over(mine, 3)
            assert claim is not None
            other.finish(claim, TrialState.COMPLETE, 0.1, {"run": "elsewhere", "ranking": 0.1, "seconds": 1.0})
        return 0.9

    pretender.score = score
    study = searched(tmp_path, SEEDS, 3, storage=str(tmp_path / "journal.log"))
    lock.close()
    assert states(study) == 3 * [TrialState.COMPLETE]
    assert study.best_trial.value == 0.1
    assert len({config.digest() for config in pretender.configs}) == 3
    with pytest.raises(RunError, match=r"its run elsewhere is not in .*; copy it here"):
        _ = study.best


def test_trials_on_other_bars_are_not_ranked_with_the_first(pretender: Pretender, tmp_path: Path) -> None:
    pretender.scored_bars = lambda config: "same" if len(pretender.configs) < 3 else "changed"
    study = searched(tmp_path, SEEDS, 3)
    assert states(study) == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert rows(study)[-1]["reason"].startswith("scored on other bars than the study's first trial")


@pytest.mark.parametrize("ranking", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_no_result(pretender: Pretender, tmp_path: Path, ranking: float) -> None:
    pretender.score = lambda config, epoch: ranking if config.seed % 2 else 0.9
    study = searched(tmp_path, SEEDS, 6)
    failed = [one for one in study.trials if one.params["seed"] % 2]
    assert failed and all("cannot be computed" in one.user_attrs[FACTS]["reason"] for one in failed)
    assert study.best_trial.params["seed"] % 2 == 0


def test_what_has_no_baseline_to_be_ranked_by_ends_after_an_epoch(pretender: Pretender, tmp_path: Path) -> None:
    pretender.score = lambda config, epoch: float("inf")
    bars = make_frame(make_bars("aaa", n=400), make_bars("young", n=100, start=MONDAY + dt.timedelta(hours=300)))
    base = {"tickers": ["aaa"], "test_tickers": ["young"], "output_mode": "distribution"}
    study = searched(tmp_path, SEEDS, 2, bars=bars, base=base | {"num_epochs": 5})
    assert [epoch for _, epoch in pretender.trained] == [1, 1] and states(study) == [TrialState.FAIL] * 2
    for row in rows(study):
        assert row["status"] == "failed" and row["epochs"] == "1"
        assert row["reason"] == (
            "it cannot be ranked: young has no baseline of its own: 63 moves before its first forecast, and it takes "
            "100 that are not all zero. Score a series with more bars before validation"
        )
    with pytest.raises(RunError, match=r"no trial of .* has finished:\n  it cannot be ranked: young has no baseline"):
        _ = study.best


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_pruner_ends_what_looks_hopeless_and_nothing_else(pretender: Pretender, tmp_path: Path, pruner: str) -> None:
    pretender.score = lambda config, epoch: 0.5 + config.seed / 100 - epoch / 1000
    study = searched(tmp_path, SEEDS, 25, pruner=pruner, base={"num_epochs": 9})
    pruned = [one for one in study.trials if one.state == TrialState.PRUNED]
    finished = [one for one in study.trials if one.state == TrialState.COMPLETE]
    assert len(pruned) >= 4 and len(pruned) + len(finished) == 25
    assert min(one.params["seed"] for one in study.trials) == study.best_trial.params["seed"]
    for one in pruned:
        last = max(one.intermediate_values)
        assert one.value == one.intermediate_values[last]
        said = f"pruned after epoch {last}: best ranking score {one.value:.5g} (epoch {last})"
        assert one.user_attrs[FACTS]["reason"] == said
    assert all(len(one.intermediate_values) == 9 for one in finished)
    trained = sum(len(one.intermediate_values) for one in study.trials)
    assert trained == len(pretender.trained) < 25 * 9
    table = [row["status"] for row in rows(study)]
    assert table == len(finished) * ["finished"] + len(pruned) * ["pruned"]


def test_without_a_pruner_every_epoch_is_trained(pretender: Pretender, tmp_path: Path) -> None:
    searched(tmp_path, SEEDS, 8, base={"num_epochs": 3})
    assert len(pretender.trained) == 24


def test_a_study_with_another_space_is_refused_with_what_differs(pretender: Pretender, tmp_path: Path) -> None:
    searched(tmp_path, SEEDS, 1)
    with pytest.raises(ConfigError) as error:
        searched(tmp_path, {"n_heads": [1, 2]}, 1, base={"batch_size": 8})
    told = str(error.value)
    assert "the study 'test' has another space:" in told and "choose another study_name" in told
    assert "base batch_size: 16 in the study, 8 here" in told
    assert "search seed: {'low': 0, 'high': 30} in the study, None here" in told
    assert "search model_config.n_heads: None in the study, [1, 2] here" in told
    assert "num_layers" not in told and len(pretender.configs) == 1
    assert len(searched(tmp_path, SEEDS, 2).trials) == 2  # the study is as it was


def test_two_studies_share_a_storage(pretender: Pretender, tmp_path: Path) -> None:
    storage = str(tmp_path / "shared.log")
    searched(tmp_path, SEEDS, 2, storage=storage, study_name="one")
    other = searched(tmp_path, {"n_heads": [1, 2]}, 1, storage=storage, study_name="two",
                     base={"experiment_name": "other"})  # fmt: skip
    assert len(other.trials) == 1
    assert not (tmp_path / "test" / "journal.log").exists()
    assert Study.load(tmp_path / "test").optuna.study_name == "one"


def test_a_relative_journal_is_found_from_anywhere(
    pretender: Pretender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = searched(tmp_path, SEEDS, 1, storage="mine.log")
    monkeypatch.chdir("/")
    assert Study.load(tmp_path / "test").best == study.best
    with pytest.raises(RunError, match="no such journal"):
        Study.load(tmp_path / "test", "nowhere.log")


def test_a_study_is_loaded_as_it_was_left(pretender: Pretender, tmp_path: Path) -> None:
    study = searched(tmp_path, SEEDS, 3)
    loaded = Study.load(tmp_path / "test")
    assert loaded.best == study.best and loaded.leaderboard == study.leaderboard and loaded.space == study.space
    assert "3 trials" in repr(loaded) and "mae" in repr(loaded) and len(repr(loaded).splitlines()) == 2
    assert loaded.history["trial"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(loaded.plot().data[0].y, loaded.history["ranking_score"])
    html = Text(loaded._repr_html_())
    assert repr(loaded).splitlines()[1].strip() in html.said and "svg" in html.tags and html.tags.count("tr") == 4
    with pytest.raises(RunError, match=r"is no study: it has no study\.yaml"):
        Study.load(tmp_path)
    (tmp_path / "test" / "study.yaml").write_text("format: 99\nstudy_name: test\n")
    with pytest.raises(RunError, match="has format 99; this nextbar reads up to 1"):
        Study.load(tmp_path / "test")
    (tmp_path / "test" / "study.yaml").write_text("study_name: test\n")
    with pytest.raises(RunError, match="cannot be read"):
        Study.load(tmp_path / "test")


def test_a_journal_that_a_crash_cut_off_in_the_middle_of_a_line_is_mended(pretender: Pretender, tmp_path: Path) -> None:
    study = searched(tmp_path, SEEDS, 2)
    with (study.path / "journal.log").open("ab") as journal:
        journal.write(b'{"op_code":8,"wor')
    assert len(searched(tmp_path, SEEDS, 3).trials) == 3


def test_a_line_a_trial_with_the_best_so_far_and_the_time_left(
    pretender: Pretender, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    searched(tmp_path, SEEDS, 3, show=True)
    lines = [record.getMessage() for record in said.records if record.getMessage().startswith("trial ")]
    assert len(lines) == 3
    assert lines[0].startswith("trial 0 (1 of 3) finished, ranking score ")
    assert "best " in lines[0] and lines[0].endswith(" left") and not lines[2].endswith(" left")
    said.clear()
    searched(tmp_path, SEEDS, 3, show=False)
    assert not [record for record in said.records if record.getMessage().startswith("trial ")]


def test_importance_finds_the_field_that_matters(pretender: Pretender, tmp_path: Path) -> None:
    pretender.score = lambda config, epoch: 0.5 + abs(config.learning_rate - 3e-3)
    wide = {"learning_rate": {"low": 1e-4, "high": 1e-2}, "weight_decay": {"low": 0, "high": 1}, "batch_size": [16]}
    few = searched(tmp_path, wide, 9, sampler="random")
    assert few.importance == {}
    study = searched(tmp_path, wide, 40, sampler="random")
    assert list(study.importance) == ["learning_rate", "weight_decay"]
    assert study.importance["learning_rate"] > 0.6
    assert sum(study.importance.values()) == pytest.approx(1)
    assert any(line.startswith("Importance (PED-ANOVA, on validation): learning_rate") for line in study.lines())


def test_bars_are_looked_at_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        searched(tmp_path, SEEDS, 1, bars=BARS.drop(columns="close"))
    with pytest.raises(DataError, match="no ticker 'other'"):
        searched(tmp_path, SEEDS, 1, base={"tickers": "other"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_trials": 0}, "n_trials: found 0, should be a whole number >= 1"),
        ({"n_trials": 2.5}, "n_trials: found 2.5"),
        ({"population": 0}, "population: found 0, should be a whole number >= 1 or one of 'auto'"),
        ({"population": "x"}, "SearchOptions: population: found 'x', should be a whole number >= 1 or one of 'auto'"),
        ({"sampler": "cmaes"}, "sampler: found 'cmaes', should be one of 'tpe', 'random', 'grid'"),
        ({"pruner": "asha"}, "pruner: found 'asha'"),
        ({"workers": 0}, "workers: found 0"),
        ({"storage": ""}, "storage: found ''"),
        ({"study_name": "a/b"}, "study_name: found 'a/b'"),
        ({"sampler": "grid", "search_": {"dropout": {"low": 0, "high": 0.5}}}, "sampler grid needs a list of choices"),
        (
            {"storage": "postgresql+psycopg2://me:secret@127.0.0.1:1/x"},
            "psycopg2://me:***@127.0.0.1:1/x cannot be reached",
        ),
        ({"storage": "postgresql+asyncpg://me:secret@h/x"}, "pip install 'nextbar[postgresql]'"),
        ({"storage": "sqlite:////no/such/folder/x.db"}, "storage sqlite:////no/such/folder/x.db cannot be reached"),
        ({"storage": "oracle9://x"}, "Can't load plugin: sqlalchemy.dialects:oracle9"),
        ({"storage": "mysql+nodriver://x"}, "Can't load plugin"),
        ({"storage": "postgresql://host:port/x"}, "should be a path, or a database URL"),
        ({"storage": "://"}, "should be a path, or a database URL"),
        ({"storage": "/proc/nothing/x.log"}, "cannot be written"),
        ({"storage": "/tmp"}, "/tmp is a folder"),
        ({"storage": __file__}, "is no journal of a study"),
    ],
    ids=lambda part: str(next(iter(part.values())))[:40] if isinstance(part, dict) else "",
)
def test_bad_options_are_one_message_before_anything_is_written(
    pretender: Pretender, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    source = Path(__file__).read_bytes()
    with pytest.raises(ConfigError) as error:
        searched(tmp_path, options.pop("search_", SEEDS), **{"n_trials": 1, **options})
    assert words in str(error.value) and "secret" not in str(error.value)
    assert list(tmp_path.iterdir()) == [] == pretender.configs and Path(__file__).read_bytes() == source


def test_a_pickled_study_is_opened_anew_and_holds_no_password(pretender: Pretender, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = searched(tmp_path, SEEDS, 2, storage=storage)
    again = pickle.loads(pickle.dumps(study))
    assert again.best == study.best and again.leaderboard == study.leaderboard and repr(again) == repr(study)
    study.optuna._storage._backend.url = "postgresql://me:hunter2@host/name"
    assert b"hunter2" in pickle.dumps(study.optuna) and b"hunter2" not in pickle.dumps(study)


def test_a_password_is_never_written_down(pretender: Pretender, tmp_path: Path) -> None:
    from nextbar.searching.storage import as_written_down

    for name in ("me:secret", "me"):
        assert as_written_down(f"postgresql+psycopg2://{name}@host/x") == "postgresql+psycopg2://me@host/x"


def test_a_relative_path_is_found_from_another_folder(
    pretender: Pretender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for storage in ("sqlite:///study.db", "study.log"):
        monkeypatch.chdir(tmp_path)
        study = searched(tmp_path / storage[-2:], SEEDS, 1, storage=storage)
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert Study.load(study.path).best == study.best


def test_a_study_that_is_not_nextbars_is_left_alone(pretender: Pretender, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "journal.log"))
    import optuna

    optuna.create_study(storage=storage, study_name="test", direction="minimize").ask()
    with pytest.raises(ConfigError, match="the study 'test' is there, but not one of nextbar's"):
        searched(tmp_path, SEEDS, 1, storage=str(tmp_path / "journal.log"))


def test_a_sqlite_file_will_do(pretender: Pretender, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    searched(tmp_path, SEEDS, 2, storage=storage)
    study = searched(tmp_path, SEEDS, 3, storage=storage)
    assert states(study) == 3 * [TrialState.COMPLETE]
    assert Study.load(tmp_path / "test").best == study.best


def test_series_that_have_been_read_will_do(pretender: Pretender, tmp_path: Path) -> None:
    assert len(searched(tmp_path, SEEDS, 1, bars=[make_bars(n=150)]).trials) == 1
    with pytest.raises(ConfigError):
        search(given(SEEDS, log_dir=str(tmp_path)), 1, bars=[make_bars(n=150)], time_col="when")


def test_columns_of_other_names_will_do(pretender: Pretender, tmp_path: Path) -> None:
    frame = BARS.rename(columns={"date": "when", "ticker": "name"})
    study = searched(tmp_path, SEEDS, 1, bars=frame, time_col="when", id_col="name")
    assert len(study.trials) == 1
    assert study.config(study.trials[0]) == make_config(
        num_epochs=2, log_dir=str(tmp_path), seed=study.trials[0].params["seed"]
    )
