"""Trainer: what a training leaves behind, how it stops, goes on, and refuses."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_frame
from filelock import FileLock
from page_text import Text
from trainings import BARS, assert_same_run, interrupt, make_config, train

from nextbar.config import ExperimentConfig
from nextbar.errors import DataError, RunError, TrainingInterrupted
from nextbar.metrics.comparison import ranking_score
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary
from nextbar.train import loop
from nextbar.train.cohort import Cohort
from nextbar.train.trainer import Result, Trainer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Four epochs without anything in the way."""
    return train(tmp_path_factory.mktemp("undisturbed"), num_epochs=4)


def test_a_result_shows_itself_and_can_be_pickled(undisturbed: Result) -> None:
    report = undisturbed.metrics["test"]
    mae, held = report["model"]["mae"], report["strongest"]["mae"]
    line, headline = repr(undisturbed).splitlines()
    assert line == f"Result: {undisturbed.run_dir}, finished, best epoch {undisturbed.best_epoch}"
    assert headline.startswith(f"  test: mae {mae:.5g} beside {held:.5g} of {report['strongest_name']}, skill ")
    html = Text(undisturbed._repr_html_())
    assert headline.strip() in html.said and {"table", "svg"} <= set(html.tags)
    history = undisturbed.history
    assert history["epoch"].tolist() == [1, 2, 3, 4] and history["step"].dtype == int
    assert history.to_dict("records") == read_metrics(undisturbed.run_dir)
    curves = {trace.name: trace for trace in undisturbed.plot().data}
    np.testing.assert_array_equal(curves["validation"].y, history["validation/mae"])
    assert report["strongest_name"] in curves
    assert pickle.loads(pickle.dumps(undisturbed)) == undisturbed


def test_what_is_no_longer_there_is_said(undisturbed: Result, tmp_path: Path) -> None:
    moved = replace(undisturbed, run_dir=tmp_path / "gone")
    assert "has no metrics.csv" in Text(moved._repr_html_()).said
    with pytest.raises(RunError, match=r"has no metrics\.csv"):
        _ = moved.history
    nothing = replace(moved, metrics={}, status="diverged", best_epoch=None, message="the loss is no number")
    assert repr(nothing) == f"Result: {moved.run_dir}, diverged\n  the loss is no number"


def test_a_result_says_what_the_summary_says(undisturbed: Result) -> None:
    assert undisturbed.status == "finished"
    summary = read_summary(undisturbed.run_dir)
    assert summary["status"] == "finished" and summary["epochs"] == 4
    assert summary["metrics"] == json.loads(json.dumps(undisturbed.metrics))
    assert summary["best_epoch"] == undisturbed.best_epoch
    assert {"jax", "flax", "numpy", "nextbar"} <= set(summary["versions"])
    assert {"config.yaml", "metrics.csv", "summary.json", "checkpoints", "normalisation.json"} <= {
        path.name for path in undisturbed.run_dir.iterdir()
    }
    assert list(undisturbed.run_dir.glob("events.out.tfevents*"))
    assert ExperimentConfig.load(undisturbed.run_dir / "config.yaml").num_epochs == 4


def test_metrics_have_the_keys_users_read(undisturbed: Result) -> None:
    for span, windows in (("validation", 24), ("test", 30)):
        report = undisturbed.metrics[span]
        assert report["windows"] == windows
        wanted = {"mae", "mse", "rmse", "mape", "r2", "acc_dir", "r2_return", "mse_scaled", "mae_scaled"}
        assert wanted <= set(report["model"]) and wanted <= set(report["baseline"])
        assert report["model"]["mae"] == report["by_ticker"]["made_up"]["model"]["mae"]
        assert report["skill"]["mae"] == pytest.approx(1 - report["model"]["mae"] / report["strongest"]["mae"])
        plain = 1 - report["model"]["mae"] / report["baseline"]["mae"]
        assert report["skill_baseline"]["mae"] == pytest.approx(plain)


def test_metrics_are_those_of_the_best_epoch(undisturbed: Result) -> None:
    rows = {row["epoch"]: row for row in read_metrics(undisturbed.run_dir)}
    assert sorted(rows) == [1, 2, 3, 4]
    best = min(rows.values(), key=lambda row: row["validation/loss"])
    assert undisturbed.best_epoch == best["epoch"]
    for span in ("validation", "test"):
        for name in ("mae", "mse", "mape"):
            assert undisturbed.metrics[span]["model"][name] == pytest.approx(best[f"{span}/{name}"], rel=1e-6)
    assert [row["step"] for row in rows.values()] == [6, 12, 18, 24]


def test_the_best_is_kept_while_training_goes_on(tmp_path: Path) -> None:
    """A later epoch, which takes over the buffers of the state, leaves the best parameters as they were."""
    result = train(tmp_path, num_epochs=6, learning_rate=0.03, seed=5)
    rows = {row["epoch"]: row for row in read_metrics(result.run_dir)}
    assert result.best_epoch is not None and result.best_epoch < 6
    assert result.metrics["test"]["model"]["mse"] == pytest.approx(rows[result.best_epoch]["test/mse"], rel=1e-6)


def test_a_finished_run_is_reported_and_not_trained_again(undisturbed: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cohort, "__init__", lambda *_: pytest.fail("trained again"))
    log_dir = undisturbed.run_dir.parents[1]
    assert train(log_dir, num_epochs=4) == undisturbed


def test_overwrite_trains_anew(tmp_path: Path) -> None:
    first = train(tmp_path, num_epochs=1)
    mark = first.run_dir / "mark"
    mark.touch()
    second = train(tmp_path, num_epochs=1, overwrite=True)
    assert not mark.exists()
    assert second == first


def test_another_folder_has_the_same_run(tmp_path: Path, undisturbed: Result) -> None:
    again = train(tmp_path, num_epochs=4)
    assert again.run_dir.name == undisturbed.run_dir.name
    assert_same_run(again.run_dir, undisturbed.run_dir)


def test_early_stopping(tmp_path: Path) -> None:
    """Stops after the first stretch of two epochs that are not better than all before, and says so."""
    result = train(tmp_path, num_epochs=30, early_stopper=2, learning_rate=0.05, lr_mode="constant")
    assert result.status == "stopped_early"
    losses = [row["validation/loss"] for row in read_metrics(result.run_dir)]
    best = int(np.argmin(losses))
    assert result.best_epoch == best + 1
    assert len(losses) == best + 3 < 30
    assert train(tmp_path, num_epochs=30, early_stopper=2, learning_rate=0.05, lr_mode="constant") == result


def test_early_stopping_counts_improvement_at_any_size_of_loss(tmp_path: Path) -> None:
    """Without normalisation, squared errors of dear prices are above a thousand million, and improve all the same."""
    bars = make_frame(make_bars(n=150, price=1e8, move=0.02))
    result = train(
        tmp_path, bars, norm_mode="none", num_epochs=4, early_stopper=2, learning_rate=1e-4, features="close",
    )  # fmt: skip
    losses = [row["validation/loss"] for row in read_metrics(result.run_dir)]
    assert losses[0] > 1e9
    stopped = next((i for i in range(2, 5) if min(losses[i - 2 : i]) >= min(losses[: i - 2], default=np.inf)), 4)
    assert len(losses) == stopped


def test_a_diverged_run_names_step_and_rate_and_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = make_frame(make_bars(n=150, price=60_000))
    wild = {"norm_mode": "none", "learning_rate": 1e30, "lr_mode": "constant", "num_epochs": 3}
    result = train(tmp_path, bars, **wild)
    assert result.status == "diverged"
    assert read_summary(result.run_dir)["status"] == "diverged"
    assert "step" in result.message and "learning rate 1e+30" in result.message
    assert result.best_epoch is None and result.metrics == {}
    assert "no epoch was finished" in result.message
    monkeypatch.setattr(Cohort, "__init__", lambda *_: pytest.fail("trained again"))
    assert train(tmp_path, bars, **wild) == result


def test_a_run_that_diverges_late_keeps_its_last_good_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters that are no numbers any more in the third epoch, whose first step is number 12."""
    real = loop.run_epoch

    def poisoned(cohort: Cohort, *rest: Any) -> None:
        if cohort.trainings[0].epoch == 2:
            cohort.state = cohort.state.replace(params=jax.tree.map(lambda a: a * np.nan, cohort.state.params))
        real(cohort, *rest)

    monkeypatch.setattr(loop, "run_epoch", poisoned)
    result = train(tmp_path, num_epochs=5)
    assert result.status == "diverged"
    assert "step 12 (epoch 3)" in result.message and "learning rate" in result.message
    kept = result.run_dir / "checkpoints" / "last" / "2"
    assert str(kept) in result.message and kept.is_dir()
    assert result.metrics["test"]["windows"] == 30  # of the best epoch before


def test_without_weights_nothing_is_kept(tmp_path: Path, undisturbed: Result) -> None:
    result = train(tmp_path, num_epochs=4, save_weights=False)
    assert not (result.run_dir / "checkpoints").exists()
    assert result.metrics == undisturbed.metrics
    assert (result.run_dir / "metrics.csv").read_bytes() == (undisturbed.run_dir / "metrics.csv").read_bytes()


def interrupted_run(log_dir: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(TrainingInterrupted):
            train(log_dir, num_epochs=3)


def test_changed_bars_are_refused_until_told_otherwise(tmp_path: Path) -> None:
    interrupted_run(tmp_path)
    changed = BARS.assign(close=BARS["close"].where(BARS.index != 3, BARS["open"]))
    with pytest.raises(RunError, match="data have changed"):
        train(tmp_path, changed, num_epochs=3)
    before = sorted(p.name for p in (tmp_path / "test").iterdir() if p.is_dir())
    assert len(before) == 1  # nothing half-written
    anew = train(tmp_path, changed, num_epochs=3, overwrite=True)
    assert anew.status == "finished"
    assert train(tmp_path, changed, num_epochs=3) == anew
    assert train(tmp_path, num_epochs=3).status == "finished"  # the old bars go on


def test_another_process_in_the_folder_is_respected(tmp_path: Path, undisturbed: Result) -> None:
    lock = FileLock(tmp_path / "test" / f".{undisturbed.run_dir.name}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True)
    with lock, pytest.raises(RunError, match="another process"):
        train(tmp_path, num_epochs=4)


@pytest.mark.parametrize("where", ["log_dir", "experiment", "run"])
def test_a_log_folder_that_cannot_be_written(where: str, tmp_path: Path, undisturbed: Result) -> None:
    """A file in the place of a folder; permissions do not stop the superuser."""
    log_dir = tmp_path / "logs"
    parts = {"log_dir": (), "experiment": ("test",), "run": ("test", undisturbed.run_dir.name)}[where]
    target = log_dir.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("a file")
    with pytest.raises(RunError, match=r"cannot (write|be read)"):
        train(log_dir, num_epochs=4)
    assert target.read_text() == "a file"


def test_bad_bars_leave_nothing_behind(tmp_path: Path) -> None:
    bad = BARS.assign(close=BARS["close"].where(BARS.index != 7, -1.0))
    with pytest.raises(DataError, match="close"):
        train(tmp_path / "logs", bad)
    with pytest.raises(DataError):
        train(tmp_path / "logs", BARS.head(8))
    assert not (tmp_path / "logs").exists()


def test_a_failure_is_noted_and_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_epoch", lambda *_: (_ for _ in ()).throw(ZeroDivisionError("too small")))
        with pytest.raises(ZeroDivisionError):
            train(tmp_path)
    (run_dir,) = (path for path in (tmp_path / "test").iterdir() if path.is_dir())
    summary = read_summary(run_dir)
    assert summary["status"] == "failed" and "too small" in summary["message"]
    assert train(tmp_path).status == "finished"


def test_too_little_memory_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "run_epoch", lambda *_: (_ for _ in ()).throw(MemoryError("too big")))
    with pytest.raises(RunError, match=r"not enough memory.*smaller batch_size"):
        train(tmp_path)


def test_series_the_experiment_does_not_know_are_no_bars_of_it(tmp_path: Path) -> None:
    config, other = make_config(tmp_path), make_bars("other")
    with pytest.raises(DataError, match=r"no bars of made_up_1h; there are other_1h"):
        Trainer(config, [other], show=False).train_and_evaluate()
    with pytest.raises(DataError, match="should be a pandas or polars frame"):
        Trainer(config, [], show=False).train_and_evaluate()
    both = Trainer(config, [other, make_bars()], show=False).read()
    assert [b.name for b in both] == ["made_up_1h"]


def test_an_epoch_whose_answer_was_lost_is_told_again_and_may_still_end_the_training(tmp_path: Path) -> None:
    """A process that dies in between cannot say whether the epoch that it had just committed was heard."""
    scores: list[tuple[int, float | None]] = []

    def watch(epoch: int, ranking: float | None) -> str:
        scores.append((epoch, ranking))
        if len(scores) == 2:
            raise RuntimeError("here the process ended")
        return "hopeless" if len(scores) == 3 else ""

    config = make_config(tmp_path, num_epochs=4)
    with pytest.raises(RuntimeError):
        Trainer(config, BARS, show=False, watch=watch).train_and_evaluate()
    ended = Trainer(config, BARS, show=False, watch=watch).train_and_evaluate()
    assert [epoch for epoch, _ in scores] == [1, 2, 2] and scores[2] == scores[1]
    assert (ended.status, ended.message) == ("pruned", "hopeless")
    assert len(read_metrics(ended.run_dir)) == 2
    whole = Trainer(config, BARS, show=False, watch=watch).train_and_evaluate()
    assert whole.status == "finished" and [epoch for epoch, _ in scores] == [1, 2, 2, 2, 3, 4]


def test_a_watcher_sees_each_epoch_and_may_end_the_training(tmp_path: Path) -> None:
    seen: list[tuple[int, float | None]] = []

    def watch(epoch: int, ranking: float | None) -> str:
        seen.append((epoch, ranking))
        return hopeless if epoch == 2 else ""

    hopeless = "hopeless"
    pruned = Trainer(make_config(tmp_path, num_epochs=4), BARS, show=False, watch=watch).train_and_evaluate()
    assert (pruned.status, pruned.message, pruned.metrics) == ("pruned", "hopeless", {})
    assert [epoch for epoch, _ in seen] == [1, 2]
    again = Trainer(make_config(tmp_path, num_epochs=4), BARS, show=False, watch=watch).train_and_evaluate()
    assert again == pruned and len(read_metrics(again.run_dir)) == 2
    hopeless = ""
    whole = Trainer(make_config(tmp_path, num_epochs=4), BARS, show=False, watch=watch).train_and_evaluate()
    assert (whole.status, [epoch for epoch, _ in seen]) == ("finished", [1, 2, 2, 2, 3, 4])
    plain = train(tmp_path / "plain", num_epochs=4)
    assert_same_run(whole.run_dir, plain.run_dir)
    ranking = dict(seen)[plain.best_epoch or 0]
    assert ranking == pytest.approx(ranking_score(plain.metrics["validation"], "mean"), abs=1e-12)
