"""Refit: the same configuration on all bars, for as many epochs as were best."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from builders import make_bars, make_frame
from flax.training.train_state import TrainState
from made_runs import make_run
from trainings import BARS, interrupt, make_config, parameters, train

from nextbar.checksums import write_json
from nextbar.errors import RunError, TrainingInterrupted
from nextbar.runs.records import read_cuts, read_rival
from nextbar.runs.summary import read_summary
from nextbar.train.earlier_run import begun_with
from nextbar.train.refit import refit
from nextbar.train.trainer import Plan, Result, Trainer

LONGER = make_frame(make_bars(n=200))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("refit"), num_epochs=3)


@pytest.fixture(scope="module")
def again(original: Result) -> Result:
    return refit(original.run_dir, BARS, show=False)


def test_every_window_is_trained_on(original: Result, again: Result) -> None:
    before, after = (read_summary(r.run_dir)["data"]["windows"] for r in (original, again))
    config = make_config(original.run_dir)
    whole = len(BARS) - config.dataset_config.seq_len - config.dataset_config.horizon + 1
    assert after == {"training": whole, "validation": 0, "test": 0}
    assert before["validation"] and before["test"]


def test_it_lasts_as_long_as_the_best_epoch(original: Result, again: Result) -> None:
    assert again.best_epoch == original.best_epoch == read_summary(again.run_dir)["epochs"]
    assert again.status == "finished"
    assert again.metrics == {}
    assert read_summary(again.run_dir)["refit_of"] == original.run_dir.name
    assert again.run_dir.parent == original.run_dir.parent != again.run_dir


def test_the_schedule_is_the_originals(original: Result, again: Result) -> None:
    """Steps an epoch differ, but the learning rate at the end of an epoch hardly does."""
    import pandas as pd

    rates = [pd.read_csv(r.run_dir / "metrics.csv")["learning_rate"].to_numpy() for r in (original, again)]
    np.testing.assert_allclose(rates[1], rates[0][: len(rates[1])], rtol=0.1)


def test_the_same_again_is_reported_not_trained(original: Result, again: Result) -> None:
    before = (again.run_dir / "metrics.csv").stat().st_mtime_ns
    assert refit(original.run_dir, BARS, show=False).run_dir == again.run_dir
    assert (again.run_dir / "metrics.csv").stat().st_mtime_ns == before


def test_an_interrupted_refit_ends_as_an_undisturbed_one(
    original: Result, again: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "elsewhere" / "name"
    shutil.copytree(original.run_dir, copied)
    summary = read_summary(copied) | {"best_epoch": 3}  # long enough to be interrupted in the middle
    write_json(copied / "summary.json", summary)
    whole = refit(copied, BARS, show=False)
    shutil.copytree(whole.run_dir, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt(patch, epoch=2)
        with pytest.raises(TrainingInterrupted):
            refit(copied, BARS, overwrite=True, show=False)
    assert read_summary(whole.run_dir)["status"] == "interrupted"
    resumed = refit(copied, BARS, show=False)
    assert resumed.best_epoch == 3
    assert (resumed.run_dir / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    for a, b in zip(parameters(resumed.run_dir), parameters(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_warm_refit_goes_on_from_the_weights(original: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many epochs as its share of new bars asks for: 50 of 200, of one or two; from the very weights."""
    begun = []

    def spy(run_dir: Path, start: TrainState) -> TrainState:
        begun.append(jax.tree.leaves(begun_with(run_dir, start).params))
        return begun_with(run_dir, start)

    monkeypatch.setattr("nextbar.train.training.begun_with", spy)
    warm = refit(original.run_dir, LONGER, warm=original.run_dir, show=False)
    for a, b in zip(*begun, parameters(original.run_dir, "best"), strict=True):
        np.testing.assert_array_equal(a, b)
    summary = read_summary(warm.run_dir)
    assert summary["epochs"] == math.ceil((original.best_epoch or 0) * 50 / 200)
    assert summary["refit_of"] == original.run_dir.name
    assert refit(original.run_dir, LONGER, warm=original.run_dir, show=False).run_dir == warm.run_dir
    assert refit(original.run_dir, LONGER, show=False).run_dir != warm.run_dir and len(begun) == 1


def test_a_refit_keeps_the_rival_that_validation_chose(original: Result, again: Result) -> None:
    chosen, kept = (read_rival(r.run_dir) for r in (original, again))
    assert chosen and kept and chosen["name"] == kept["name"] and chosen["validation"] == kept["validation"]
    assert chosen["fitted"] != kept["fitted"] or chosen["name"] == "persistence", "fitted on all bars"


def test_weights_of_other_windows_are_not_gone_on_from(
    original: Result, again: Result, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_run(tmp_path, features="returns")
    result = refit(original.run_dir, BARS, warm=other.run_dir, show=False)
    assert "trained anew, not from its weights on" in caplog.text
    assert result.run_dir == again.run_dir


def test_later_bars_would_be_test(again: Result) -> None:
    last_close = int(BARS["date"].iloc[-1].timestamp()) + 3600
    assert read_cuts(again.run_dir).test == last_close + 1
    assert parameters(again.run_dir)


def test_a_run_that_has_moved_is_refitted_where_it_is(original: Result, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "name"
    shutil.copytree(original.run_dir, moved)
    result = refit(moved, BARS, show=False)
    assert result.run_dir.parent == moved.parent


def test_what_cannot_be_refitted_is_refused(original: Result, again: Result, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="itself a refit"):
        refit(again.run_dir, BARS)
    with pytest.raises(RunError, match="no run folder"):
        refit(tmp_path, BARS)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.yaml").write_bytes((original.run_dir / "config.yaml").read_bytes())
    (unfinished / "summary.json").write_text(json.dumps({"status": "interrupted", "best_epoch": None}))
    with pytest.raises(RunError, match="finish it first"):
        refit(unfinished, BARS)


def test_a_plain_run_and_its_refit_do_not_meet(original: Result, again: Result) -> None:
    """An ended refit is no reason to refuse or to skip a training of the configuration itself."""
    config = make_config(original.run_dir.parent.parent, num_epochs=3)
    assert Trainer(config, BARS, show=False).train_and_evaluate().run_dir == original.run_dir


@pytest.mark.parametrize("content", ['{"format": "x"}', '{"format": null}', "[]"])
def test_a_summary_that_makes_no_sense_is_called_damaged(content: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(RunError, match="copied whole"):
        read_summary(tmp_path)


def test_without_weights_there_would_be_nothing_to_use(tmp_path: Path) -> None:
    plain = train(tmp_path, num_epochs=1, save_weights=False)
    with pytest.raises(RunError, match=r"save_weights: false, and a refit would keep nothing"):
        refit(plain.run_dir, BARS, show=False)


def test_parameters_that_are_no_numbers_are_not_finished(tmp_path: Path) -> None:
    """Without a validation nothing measures the very last step."""
    wild = train(tmp_path, num_epochs=1)
    config = make_config(
        tmp_path, num_epochs=1, learning_rate=1e38, weight_decay=1e38, lr_mode="constant", batch_size=1000
    )
    end = read_cuts(refit(wild.run_dir, BARS, show=False).run_dir)
    result = Trainer(config, BARS, plan=Plan(cuts=end), show=False).train_and_evaluate()
    assert result.status == "diverged" and "parameters are not finite" in result.message
