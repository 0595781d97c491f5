"""The folder of a backtest: what lies in it, how an interrupted one goes on, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from backtests import (
    FIELDS,
    NAMES,
    Own,
    fold_rows,
    instant,
    make_experiment,
    make_market,
    rows_of,
    run,
    run_dirs,
    run_whole,
    seconds,
    untrained,
    whole,
)
from builders import make_frame
from filelock import FileLock

from nextbar.backtesting import Backtest
from nextbar.backtesting.walk_forward import WalkForward
from nextbar.checksums import read_json, write_json
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, RunError, TrainingInterrupted
from nextbar.logger import console
from nextbar.runs.listing import list_runs
from nextbar.train.cohort import Cohort
from nextbar.train.trainer import Trainer

__all__ = ["untrained", "whole"]  # fixtures


def test_a_backtest_is_opened_from_its_folder(whole: Backtest) -> None:
    again = Backtest.load(whole.path)
    assert again.summary == whole.summary == read_json(whole.path / "summary.json")
    pd.testing.assert_frame_equal(again.forecasts, whole.forecasts)
    files = {
        "config.yaml",
        "summary.json",
        "bars.json",
        "forecasts.parquet",
        "positions.parquet",
        "times.json",
        "folds",
    }
    assert files == {p.name for p in whole.path.iterdir()}
    assert ExperimentConfig.load(whole.path / "config.yaml") == make_experiment(whole.path.parents[1], **FIELDS)
    assert (whole.summary["kind"], whole.summary["format"], whole.summary["status"]) == ("backtest", 2, "finished")
    assert whole.path.name.startswith("backtest-") and whole.path.parent.name == "test"


def test_the_runs_of_folds_are_not_among_those_of_the_experiment(whole: Backtest) -> None:
    assert list_runs(whole.path.parents[1]) == []
    assert [info.path for info in list_runs(whole.path / "folds")] == run_dirs(whole)


def test_what_is_shown_fits_a_terminal(whole: Backtest) -> None:
    with console().capture() as captured:
        whole.show()
    text = captured.get()
    assert all(name in text for name in NAMES) and "…" not in text
    assert max(map(len, text.splitlines())) <= max(console().width, 80)
    assert " ".join(whole.summary["verdict"].split()) in " ".join(text.split())
    assert "Conformal intervals, 80 %" in text


def test_predictors_of_ones_own_are_asked_again_but_nothing_is_trained(
    whole: Backtest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their code may have changed under the same name."""
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    monkeypatch.setattr(Cohort, "__init__", lambda *_: pytest.fail("trained again"))
    same = run_whole(tmp_path / "copy")
    pd.testing.assert_frame_equal(same.forecasts, whole.forecasts)
    changed = run_whole(tmp_path / "copy", predictors=[Own(bars=5, horizon=2)])
    assert changed.scores["own"]["pooled"]["mae"] != whole.scores["own"]["pooled"]["mae"]


def test_a_predictor_that_fails_leaves_finished_results(whole: Backtest, tmp_path: Path) -> None:
    class Broken(Own):
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            raise ArithmeticError("broken")

    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    with pytest.raises(RunError, match="broken"):
        run_whole(tmp_path / "copy", predictors=[Broken(horizon=2)])
    kept = Backtest.load(tmp_path / "copy" / "test" / whole.path.name)
    pd.testing.assert_frame_equal(kept.forecasts, whole.forecasts)
    assert kept.summary == whole.summary


def test_an_interrupted_backtest_goes_on_with_the_folds_it_has(
    whole: Backtest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Trainer.train_and_evaluate

    def pressed(trainer: Trainer, overwrite: bool = False) -> Any:
        if trainer.config.experiment_name == "2":
            raise KeyboardInterrupt
        return train(trainer, overwrite)

    monkeypatch.setattr(Trainer, "train_and_evaluate", pressed)
    with pytest.raises(TrainingInterrupted, match="the same command goes on from there"):
        run_whole(tmp_path)
    (folder,) = tmp_path.glob("test/backtest-*")
    with pytest.raises(RunError, match=r"is not finished \(status interrupted\)"):
        Backtest.load(folder)
    first = next(folder.glob("folds/1/*/metrics.csv"))
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(Trainer, "train_and_evaluate", train)
    result = run_whole(tmp_path)
    assert first.stat().st_mtime_ns == written and result.path == folder
    pd.testing.assert_frame_equal(result.forecasts, whole.forecasts)
    assert result.scores == whole.scores


def test_other_results_are_wanted_of_the_same_models(whole: Backtest, tmp_path: Path) -> None:
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("metrics.csv")}
    result = run_whole(tmp_path / "copy", predictors=[], conformal=False, levels=[0.9], baselines=["drift"])
    assert result.path.name == whole.path.name and {p: p.stat().st_mtime_ns for p in before} == before
    assert list(result.scores) == ["transformer", "drift"] and "conformal" not in result.calibration
    assert result.scores["transformer"]["pooled"] == whole.scores["transformer"]["pooled"]
    assert "close-lo-90" in result.forecasts and "close-lo-50" not in result.forecasts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_and_evaluate", lambda *_, **__: pytest.fail("done again"))
        same = run_whole(tmp_path / "copy", predictors=[], conformal=False, levels=[0.9], baselines=["drift"])
        assert same.summary == result.summary
        with pytest.raises(pytest.fail.Exception):
            run_whole(
                tmp_path / "copy", predictors=[], conformal=False, levels=[0.9], baselines=["drift"], overwrite=True
            )


@pytest.mark.parametrize("earlier", [{}, {"cutoff": "2020-01-01T00:00:00Z"}, {"windows": 1}], ids=str)
def test_what_was_made_of_other_folds_is_made_anew(
    untrained: None, tmp_path: Path, earlier: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Once; earlier versions have not written down where training ends, which without an embargo follows."""
    caplog.set_level("INFO", "nextbar")
    embargo = 0 if earlier else 1
    whole = run(tmp_path, embargo=embargo)
    summary = read_json(whole.path / "summary.json")
    for fold in summary["folds"]:
        assert (fold.pop("training_until") == fold["validation_from"]) == (embargo == 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WalkForward, "run", lambda *_: pytest.fail("done again"))
        if embargo == 0:
            write_json(whole.path / "summary.json", summary)
            run(tmp_path, embargo=embargo)
        summary["folds"][0] |= earlier
        write_json(whole.path / "summary.json", summary)
        with pytest.raises(pytest.fail.Exception, match="done again"):
            run(tmp_path, embargo=embargo)
        assert "was cut into other folds by an earlier version: done anew" in caplog.text
    again = run(tmp_path, embargo=embargo)
    assert again.summary == whole.summary


def test_a_model_that_is_kept_forecasts_later_folds(whole: Backtest, tmp_path: Path) -> None:
    """Its first fold is that of a model fitted in each, its second the first model's."""
    kept = run_whole(tmp_path, refit_every=2)
    assert kept.folds[1]["run"] == kept.folds[0]["run"] and kept.folds[1]["fitted_in"] == 1
    assert kept.path.name != whole.path.name
    for k, same in ((0, True), (1, False)):
        for name in ("transformer", "garch_t"):
            a, b = (fold_rows(r, rows_of(r, name), k).reset_index(drop=True) for r in (kept, whole))
            assert a["actual"].equals(b["actual"]) and a["close"].equals(b["close"]) is same
    rows = fold_rows(kept, rows_of(kept, "transformer"), 1)
    assert (seconds(rows["cutoff"]) == instant(kept.folds[0]["cutoff"])).all()


def test_one_process_at_a_time(whole: Backtest) -> None:
    with (
        FileLock(whole.path.parent / f".{whole.path.name}.lock"),
        pytest.raises(RunError, match="is being written by another process"),
    ):
        run_whole(whole.path.parents[1])


@pytest.mark.parametrize(
    ("overrides", "options", "error", "words"),
    [
        ({"save_weights": False}, {}, ConfigError, "save_weights is False, but a backtest forecasts with the weights"),
        ({}, {"conformal": True}, DataError, "output_mode 'distribution'"),
        ({}, {"levels": [0.9]}, DataError, "levels: the model forecasts a close and no law; leave levels out, or"),
        (FIELDS, {"conformal": True, "levels": [0.99]}, DataError, "a conformal interval of 99 % needs 99 validation"),
        ({"initial_date": "2030-01-01"}, {}, DataError, "aaa_1h, bbb_1h: no bars from initial_date 2030-01-01"),
        ({}, {"folds": 400}, DataError, "folds: 400 are asked for"),
        ({}, {"window": "rolling"}, ConfigError, "found 'rolling'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, overrides: dict[str, Any], options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        run(tmp_path, overrides=overrides, **options)
    assert words in str(caught.value) and not list(tmp_path.iterdir())


DAMAGE = {
    "no summary": (lambda p: (p / "summary.json").unlink(), "is no backtest: there is no summary.json"),
    "half a summary": (lambda p: (p / "summary.json").write_text('{"kind"'), "cannot be read"),
    "a run": (lambda p: (p / "summary.json").write_text('{"status": "finished"}'), "is no backtest"),
    "a later format": (
        lambda p: (p / "summary.json").write_text('{"kind": "backtest", "format": 3}'),
        "has format 3; this nextbar reads up to 2",
    ),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_is_told(whole: Backtest, tmp_path: Path, damage: Any, words: str) -> None:
    copy = tmp_path / whole.path.name
    copy.mkdir()
    shutil.copy(whole.path / "summary.json", copy)
    damage(copy)
    with pytest.raises(RunError) as caught:
        Backtest.load(copy)
    assert words in str(caught.value)


def test_forecasts_that_are_not_there_are_told(whole: Backtest, tmp_path: Path) -> None:
    shutil.copy(whole.path / "summary.json", tmp_path)
    with pytest.raises(RunError, match=r"forecasts\.parquet cannot be read"):
        Backtest.load(tmp_path).forecasts  # noqa: B018


def test_bars_come_as_a_frame_too(tmp_path: Path, whole: Backtest) -> None:
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    result = run_whole(tmp_path / "copy", make_frame(*make_market()).drop(columns="resolution"))
    assert result.path.name == whole.path.name and result.scores == whole.scores


def test_a_training_that_diverges_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"transformer cannot fit in fold 1 .*: the training diverged: the loss at step"):
        run(tmp_path, overrides=FIELDS | {"learning_rate": 1e30, "lr_mode": "constant"}, embargo=1)
