"""Ctrl-C within the process, and the same call again: as if nothing had been."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from trainings import assert_same_run, interrupt, train

from nextbar.errors import TrainingInterrupted
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary
from nextbar.train.cohort import Cohort
from nextbar.train.trainer import Result


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Four epochs without anything in the way."""
    return train(tmp_path_factory.mktemp("undisturbed"), num_epochs=4)


@pytest.mark.parametrize("after", ["training", "evaluation"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    epoch: int, after: str, tmp_path: Path, undisturbed: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, after)
        said = "before the first epoch" if epoch == 1 else f"after {epoch - 1} whole epochs.*goes on"
        with pytest.raises(TrainingInterrupted, match=said):
            train(tmp_path, num_epochs=4)
    (run_dir,) = (path for path in (tmp_path / "test").iterdir() if path.is_dir())
    assert read_summary(run_dir)["status"] == "interrupted"
    time.sleep(0.2)  # a thread that does not heed the interruption would write now
    assert len(read_metrics(run_dir)) == epoch - 1
    resumed = train(tmp_path, num_epochs=4)
    assert resumed.status == "finished" and resumed.metrics == undisturbed.metrics
    assert resumed.best_epoch == undisturbed.best_epoch
    assert_same_run(resumed.run_dir, undisturbed.run_dir)


def test_an_interruption_in_the_closing_evaluation_loses_nothing(
    tmp_path: Path, undisturbed: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "reports", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(TrainingInterrupted, match="after 4 whole epochs"):
            train(tmp_path, num_epochs=4)
    resumed = train(tmp_path, num_epochs=4)
    assert resumed.metrics == undisturbed.metrics
    assert_same_run(resumed.run_dir, undisturbed.run_dir)


def test_what_a_kill_left_of_checkpoints_goes_at_the_next_start_also_of_a_run_that_has_ended(
    undisturbed: Result,
) -> None:
    """In the first fit's folder and in the final one's."""
    run = undisturbed.run_dir
    left = [run / fit / "checkpoints" / "best" / f"{n}-old.orbax-checkpoint-tmp" for fit, n in (("", 2), ("final", 1))]
    for folder in left:
        (folder / "state").mkdir(parents=True)
    again = train(run.parents[1], num_epochs=4)
    assert again.run_dir == run and not any(folder.exists() for folder in left)
    shutil.rmtree(run / "final")


def test_patience_and_best_survive_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = {"num_epochs": 30, "early_stopper": 3, "learning_rate": 0.05, "lr_mode": "constant"}
    plain = train(tmp_path / "plain", **wild)
    assert plain.status == "stopped_early" and plain.best_epoch is not None
    with monkeypatch.context() as patch:
        interrupt(patch, plain.best_epoch + 2)
        with pytest.raises(TrainingInterrupted):
            train(tmp_path / "cut", **wild)
    resumed = train(tmp_path / "cut", **wild)
    assert (resumed.status, resumed.best_epoch) == (plain.status, plain.best_epoch)
    assert resumed.metrics == plain.metrics
    assert_same_run(resumed.run_dir, plain.run_dir)


def test_an_interrupted_run_without_weights_starts_again_and_says_so(
    tmp_path: Path, undisturbed: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(TrainingInterrupted, match=r"save_weights is False.*starts again"):
            train(tmp_path, num_epochs=4, save_weights=False)
    again = train(tmp_path, num_epochs=4, save_weights=False)
    assert len(read_metrics(again.run_dir)) == 4
    assert again.metrics == undisturbed.metrics
