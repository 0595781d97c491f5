"""Searches that train: what they leave behind, what they go on with, and what may not change their choice."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_config
from optuna.trial import TrialState
from refusals import save
from searches import BARS, searched
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from trainings import interrupt

import nextbar
from nextbar.errors import TrainingInterrupted
from nextbar.metrics.interval import loss_interval
from nextbar.metrics.luck import Luck, luck
from nextbar.metrics.superiority import hardest
from nextbar.metrics.timeline import Timeline
from nextbar.runs.records import read_cuts
from nextbar.runs.summary import read_summary
from nextbar.searching import Study, pruning, samplers
from nextbar.searching.trials import FACTS

N = 4
SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "weight_decay": [1e-4, 1e-2],
    "indicators": [None, []],
    "warmup_epochs": "[0, 1] * num_layers",
}
"""varies nothing that is compiled"""


@pytest.fixture(autouse=True, scope="module")
def eager() -> Iterator[None]:
    """TPE that looks at results from the second trial on, not from the eleventh."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samplers, "STARTUP", 1)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return searched(tmp_path_factory.mktemp("searched"), SPACE, N)


def told(study: Study) -> list[Any]:
    """All that a choice shows in: what was drawn, each epoch's score, what ranks where, and the best."""
    trials = [(one.params, one.intermediate_values, one.value, one.state) for one in study.trials]
    order = [(row["rank"], row["trial"], row["ranking_score"]) for row in study.leaderboard]
    return [trials, order, study.best_trial.number, study.best.name.partition("-")[0]]


def shuffled(frame: pd.DataFrame, since: int) -> pd.DataFrame:
    """The bars from a moment on in another order, at the same dates."""
    late = frame["date"] >= pd.Timestamp(since, unit="s", tz="UTC")
    rows = np.flatnonzero(late)
    mixed = np.random.default_rng(0).permutation(rows)
    assert 20 < len(rows) < len(frame) / 2
    columns = ["open", "high", "low", "close", "volume"]
    changed = frame.copy()
    changed.loc[rows, columns] = frame.loc[mixed, columns].to_numpy()
    return changed


def test_shuffling_the_bars_of_the_test_span_changes_no_choice(study: Study, tmp_path: Path) -> None:
    other = searched(tmp_path, SPACE, N, bars=shuffled(BARS, read_cuts(study.best).test))
    assert told(other) == told(study)
    tests = [[one.user_attrs[FACTS]["test"]["model"] for one in which.trials] for which in (study, other)]
    assert all(one != two for one, two in zip(*tests, strict=True))


def test_shuffling_the_bars_of_the_validation_span_changes_it(study: Study, tmp_path: Path) -> None:
    """The law above would notice a choice by other bars."""
    changed = shuffled(BARS, read_cuts(study.best).validation)
    assert told(searched(tmp_path, SPACE, 2, bars=changed))[0] != told(study)[0][:2]


def test_the_best_run_is_a_run_as_any_other(study: Study) -> None:
    assert nextbar.Forecaster.load(study.best).run_dir == study.best
    assert nextbar.best_run(study.path) == study.best
    scores = {one.number: read_summary(study.path / one.user_attrs[FACTS]["run"]) for one in study.trials}
    assert len({summary["run"] for summary in scores.values()}) == N
    for one in study.trials:
        mae = scores[one.number]["metrics"]["validation"]
        assert one.value == pytest.approx(mae["model"]["mae"] / mae["baseline"]["mae"], rel=1e-9)
        rows = (study.path / one.user_attrs[FACTS]["run"] / "metrics.csv").read_text().splitlines()
        assert len(rows) == 1 + 2 and list(one.intermediate_values) == [1, 2]


def test_the_leaderboard_says_what_the_runs_say(study: Study) -> None:
    with (study.path / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "rank", "trial", "status", "ranking_score", "validation", "validation_baseline", "validation_strongest",
        "validation_skill", "test", "test_baseline", "test_strongest", "test_skill", "test_p_value", "strongest",
        "learning_rate", "weight_decay", "dataset_config.indicators", "warmup_epochs",
        "epochs", "best_epoch", "seconds", "run", "reason",
    ]  # fmt: skip
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, N + 1)]
    scores = [float(row["ranking_score"]) for row in rows]
    assert scores == sorted(scores) and (study.path / rows[0]["run"]) == study.best
    for row in rows:
        summary = read_summary(study.path / row["run"])
        for span in ("validation", "test"):
            report = summary["metrics"][span]
            assert float(row[span]) == report["model"]["mae"]
            assert float(row[f"{span}_baseline"]) == report["baseline"]["mae"]
            assert float(row[f"{span}_strongest"]) == report["strongest"]["mae"]
            assert row["strongest"] == report["strongest_name"]
            assert float(row[f"{span}_skill"]) == report["skill"]["mae"]
        assert float(row["test_p_value"]) == hardest(summary["metrics"]["test"])[1]["p_value"]
        assert (row["best_epoch"], row["epochs"]) == (str(summary["best_epoch"]), "2")
        config = nextbar.ExperimentConfig.load(study.path / row["run"] / "config.yaml")
        assert float(row["learning_rate"]) == config.learning_rate
        assert int(row["warmup_epochs"]) == config.warmup_epochs
        assert 0 < float(row["seconds"]) < 600 and row["reason"] == ""


def test_tensorboard_reads_what_was_drawn_and_what_came_of_it(study: Study) -> None:
    folders = sorted((study.path / "hparams").iterdir())
    assert [folder.name for folder in folders] == [f"{i:04d}" for i in range(N)]
    for folder, trial in zip(folders, study.trials, strict=True):
        events = EventAccumulator(str(folder))
        events.Reload()
        metadata = events.summary_metadata
        start = HParamsPluginData.FromString(metadata["_hparams_/session_start_info"].plugin_data.content)
        drawn = start.session_start_info.hparams
        assert set(drawn) == set(study.space.fields)
        assert drawn["learning_rate"].number_value == trial.params["learning_rate"]
        assert drawn["dataset_config.indicators"].string_value in ("null", "[]")
        listed = HParamsPluginData.FromString(metadata["_hparams_/experiment"].plugin_data.content).experiment
        tags = {info.name.tag for info in listed.metric_infos}
        assert tags == {"ranking", "validation", "test", "seconds"} == set(events.Tags()["scalars"])
        assert events.Scalars("ranking")[0].value == pytest.approx(trial.value, rel=1e-6)
        assert events.Scalars("test")[0].value == pytest.approx(trial.user_attrs[FACTS]["test"]["skill"], rel=1e-5)


def test_the_winner_is_told_with_how_many_were_tried_and_an_interval(study: Study) -> None:
    """Of bars in memory too, which no evaluation of the run alone would find."""
    found = study.winner_interval
    span = nextbar.evaluate(study.best, BARS).spans["test"]
    assert found is not None and found == loss_interval(span.scorer, span.forecast)
    assert found.low < found.difference < found.high
    lines = study.lines()
    assert lines[0].startswith(f"{N} configurations were tried ({N} finished). Validation chose")
    assert lines[1].startswith("Winner on the test span: ") and lines[2] == found.in_words()


def test_the_winners_luck_is_that_of_the_validation_losses_of_all_runs(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses of each run by an evaluation of it, which needs weights and bars; the study needs neither."""
    assert (
        study.lines()[3] == "Whether it is luck cannot be said: too few validation origins to say: 24, and it takes 45."
    )
    monkeypatch.setattr("nextbar.metrics.luck.least_origins", lambda horizon: 21)
    timelines = []
    for trial in study.trials:
        span = nextbar.evaluate(study.path / trial.user_attrs[FACTS]["run"], BARS).spans["validation"]
        losses = {"model": span.scorer.score(span.forecast).loss_N, "rival": span.scorer.rival.loss_N}
        timelines.append(Timeline.of(span.outcomes, losses))
    expected = luck(timelines, study.best_trial.number, 0, ("model", "rival"), 1)
    result = Study.load(study.path).luck
    assert isinstance(result, Luck) and isinstance(expected, Luck)
    assert (result.tried, result.unknown, result.origins) == (N, 0, expected.origins)
    assert result.gain == pytest.approx(expected.gain, rel=1e-3)
    assert result.p_value == pytest.approx(expected.p_value, abs=0.01)
    assert Study.load(study.path).luck_in_words == result.in_words()


def test_without_its_frame_a_study_says_why_there_is_no_interval(study: Study) -> None:
    loaded = Study.load(study.path)
    assert loaded.best == study.best and told(loaded) == told(study)
    assert loaded.sureness.startswith("No interval: the run's own bars: no folder 'bars'")


def test_bars_in_files_are_found_again(tmp_path: Path) -> None:
    save(tmp_path, BARS.drop(columns=["ticker", "resolution"]), "parquet", "made_up")
    study = searched(tmp_path, SPACE, 1, bars=None, base={"datapath": str(tmp_path / "bars")})
    loaded = Study.load(study.path)
    assert loaded.winner_interval is not None and loaded.winner_interval == study.winner_interval


def test_an_interrupted_trial_goes_on_from_its_last_epoch(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the study comes out as one that nobody disturbed."""
    interrupt(monkeypatch, epoch=2)
    with pytest.raises(TrainingInterrupted, match="0 of 2 trials have ended and are kept"):
        searched(tmp_path, SPACE, 2)
    (run,) = [path for path in (tmp_path / "test").iterdir() if (path / "summary.json").exists()]
    assert read_summary(run)["status"] == "interrupted"
    other = searched(tmp_path, SPACE, 2)
    assert [one.state for one in other.trials] == 2 * [TrialState.COMPLETE]
    assert told(other)[0] == told(study)[0][:2]
    for one, two in zip(other.trials, study.trials, strict=False):
        name = two.user_attrs[FACTS]["run"]
        assert one.user_attrs[FACTS]["run"] == name
        assert (other.path / name / "metrics.csv").read_bytes() == (study.path / name / "metrics.csv").read_bytes()


def test_a_loss_that_is_not_finite_is_a_failed_trial(tmp_path: Path) -> None:
    study = searched(tmp_path, {"learning_rate": [1e-3, 1e30], "warmup_epochs": [0]}, 2)
    (failed,) = [one for one in study.trials if one.state == TrialState.FAIL]
    facts = failed.user_attrs[FACTS]
    assert facts["status"] == "diverged" and "the loss at step 1 (epoch 1) is nan" in facts["reason"]
    assert study.best_trial.params["learning_rate"] == 1e-3
    (row,) = [row for row in study.leaderboard if row["status"] == "diverged"]
    assert row["rank"] is None and row["reason"] == facts["reason"]


def test_a_pruned_trial_is_a_run_that_train_goes_on_with(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strict:
        """Prunes everything but the first trial."""

        def prune(self, optuna_study: Any, trial: Any) -> bool:
            return trial.number > 0

    monkeypatch.setattr(pruning, "make_pruner", lambda name, space: Strict())
    other = searched(tmp_path, SPACE, 2, pruner="median")
    assert [one.state for one in other.trials] == [TrialState.COMPLETE, TrialState.PRUNED]
    name = other.trials[1].user_attrs[FACTS]["run"]
    assert read_summary(other.path / name)["status"] == "pruned"
    assert len((other.path / name / "metrics.csv").read_text().splitlines()) == 2
    result = nextbar.Trainer(other.config(other.trials[1]), BARS, show=False).train_and_evaluate()
    assert result.status == "finished" and result.run_dir.name == name
    whole = study.path / name / "metrics.csv"
    assert (result.run_dir / "metrics.csv").read_bytes() == whole.read_bytes()


def test_the_table_shows_the_best_first(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    from nextbar.tables import stdout

    study.show(stdout())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["rank", "trial", "status"]
    assert "learning_rate" in lines[0] and "indicators" in lines[0] and "reason" not in lines[0]
    assert lines[2].split()[:3] == ["1", str(study.best_trial.number), "finished"]
    assert any(line.startswith(f"{N} configurations were tried") for line in lines)
    assert make_config().experiment_name == study.path.name
