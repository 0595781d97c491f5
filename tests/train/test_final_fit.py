"""The final fit: a run trained anew on training and validation, for as many epochs as validation chose."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import leaves
from searches import searched
from trainings import BARS, assert_same_run, interrupt, make_config, parameters, train

from nextbar import evaluate, list_runs, refit
from nextbar.checksums import write_json
from nextbar.config import ExperimentConfig
from nextbar.data.splits import Cuts
from nextbar.errors import RunError, TrainingInterrupted
from nextbar.inference.forecaster import Forecaster
from nextbar.report import write_report
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import read_cuts, read_reference
from nextbar.runs.summary import FINAL, read_summary
from nextbar.train.population import train_population
from nextbar.train.trainer import Plan, Result, Trainer

LAW: dict[str, Any] = {
    "output_mode": "distribution", "target": "log_return", "num_epochs": 5, "learning_rate": 0.03, "early_stopper": 2,
    "warmup_epochs": 2, "seed": 1,
}  # fmt: skip
"""its best epoch is neither the first nor the last"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The same experiment without a final fit."""
    return train(tmp_path_factory.mktemp("plain"), **LAW)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("fitted"), final_fit=True, **LAW)


def test_the_first_fit_is_that_of_a_run_without_a_final_one(plain: Result, fitted: Result) -> None:
    assert (fitted.best_epoch, fitted.status) == (plain.best_epoch, plain.status)
    assert_same_run(fitted.run_dir, plain.run_dir)
    summary = read_summary(fitted.run_dir)
    assert summary["first_fit"] == {"status": plain.status, "message": "", "metrics": plain.metrics}
    assert summary["validation_loss"] == read_summary(plain.run_dir)["validation_loss"]
    assert summary["epochs"] == read_summary(plain.run_dir)["epochs"]


def test_it_is_the_training_of_both_spans_for_the_best_number_of_epochs(fitted: Result, tmp_path: Path) -> None:
    """Trained by hand: validation begins where test does, and the experiment has as many epochs as were best."""
    config, best = make_config(tmp_path, final_fit=True, **LAW), fitted.best_epoch
    assert best is not None and 1 < best < LAW["num_epochs"]
    test = read_cuts(fitted.run_dir).test
    by_hand = Trainer(config.compressed(best), BARS, plan=Plan(cuts=Cuts(test, test)), show=False).train_and_evaluate()
    final = fitted.run_dir / FINAL
    assert (final / "metrics.csv").read_bytes() == (by_hand.run_dir / "metrics.csv").read_bytes()
    for a, b in zip(parameters(final), parameters(by_hand.run_dir), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(read_metrics(final)) == best
    # all that is fitted on the training span, and the cuts
    assert (final / "normalisation.json").read_bytes() == (by_hand.run_dir / "normalisation.json").read_bytes()
    # but for the rival: nothing is validated by hand, so another one was taken
    for part in ("model", "baseline", "skill_baseline", "windows", "origins"):
        assert fitted.metrics["test"][part] == by_hand.metrics["test"][part]
    windows = read_summary(final)["data"]["windows"]
    before = read_summary(fitted.run_dir)["data"]["windows"]
    assert windows["validation"] == 0 and windows["test"] == before["test"]
    # a window between the spans, whose labels straddle their border, is training too
    purged = config.dataset_config.horizon - 1
    assert windows["training"] == before["training"] + before["validation"] + purged


def test_validation_figures_are_the_first_fits_and_test_figures_its_own(plain: Result, fitted: Result) -> None:
    assert fitted.metrics.keys() == plain.metrics.keys() == {"validation", "test"}
    assert fitted.metrics["validation"] == plain.metrics["validation"]
    assert fitted.metrics["test"]["model"]["nll"] != plain.metrics["test"]["model"]["nll"]
    assert read_summary(fitted.run_dir)["metrics"] == fitted.metrics
    rows = read_metrics(fitted.run_dir / FINAL)
    assert not any(name.startswith(("validation/", "test/")) for row in rows for name in row)  # scored once


def test_its_baseline_knows_validation_too(fitted: Result) -> None:
    """Persistence with the standard deviation of all log returns before the test span, by hand."""
    closes = BARS["close"].to_numpy(float)
    seconds = np.array([t.timestamp() for t in BARS["date"]]) + 3600
    for folder, end in ((fitted.run_dir / FINAL, "test"), (fitted.run_dir, "validation")):
        cut = getattr(read_cuts(fitted.run_dir), end)
        moves = np.diff(np.log(closes[seconds < cut]))
        assert read_reference(folder)[1].move_std_SH[0, 0] == pytest.approx(moves.std(), rel=1e-9)


@pytest.mark.parametrize(("epochs", "warmup"), [(3, 1), (2, 5)])
def test_a_best_epoch_that_is_the_last_gives_the_very_schedule(epochs: int, warmup: int) -> None:
    config = make_config(Path("runs"), num_epochs=epochs, warmup_epochs=warmup, early_stopper=2, final_fit=True)
    assert config.compressed(epochs) == replace(config, early_stopper=0, final_fit=False)


def test_the_run_is_used_with_its_final_fit(fitted: Result) -> None:
    forecaster = Forecaster.load(fitted.run_dir)
    for a, b in zip(leaves(forecaster.params), parameters(fitted.run_dir / FINAL), strict=True):
        np.testing.assert_array_equal(a, b)
    assert forecaster.run_dir == fitted.run_dir and forecaster.epochs[-1] == fitted.best_epoch
    evaluation = evaluate(fitted.run_dir, BARS, conformal=True)
    assert evaluation.metrics.keys() == {"test"}  # it has learnt from validation
    test, recorded = evaluation.metrics["test"], fitted.metrics["test"]
    assert test["model"] == pytest.approx(recorded["model"], rel=1e-5)
    assert test["baseline"] == recorded["baseline"]


def test_conformal_residuals_are_the_first_fits(plain: Result, fitted: Result) -> None:
    assert (fitted.run_dir / "conformal.json").read_bytes() == (plain.run_dir / "conformal.json").read_bytes()
    assert not (fitted.run_dir / FINAL / "conformal.json").exists()
    assert len(Forecaster.load(fitted.run_dir).predict(BARS, conformal=True)) == 1


def test_an_experiment_lists_one_run(fitted: Result) -> None:
    (info,) = list_runs(fitted.run_dir.parent)
    assert info.final_fit and info.path == fitted.run_dir
    assert info.skill == fitted.metrics["test"]["skill"]["nll"]


def test_the_same_again_is_reported_and_overwrite_throws_it_away(tmp_path: Path) -> None:
    short = {"num_epochs": 1, "final_fit": True}
    first = train(tmp_path, **short)
    before = (first.run_dir / FINAL / "metrics.csv").stat().st_mtime_ns
    assert train(tmp_path, **short) == first
    assert (first.run_dir / FINAL / "metrics.csv").stat().st_mtime_ns == before
    (first.run_dir / FINAL / "old").touch()
    assert train(tmp_path, **short, overwrite=True) == first
    assert not (first.run_dir / FINAL / "old").exists()


@pytest.mark.parametrize(("epoch", "after"), [(1, "training"), (2, "training"), (2, "evaluation")])
def test_an_interruption_changes_nothing(
    epoch: int, after: str, fitted: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, after, time=2)
        with pytest.raises(TrainingInterrupted, match=r"final fit interrupted .*(goes on|starts)"):
            train(tmp_path, final_fit=True, **LAW)
    (run_dir,) = (path for path in (tmp_path / "test").iterdir() if path.is_dir())
    assert read_summary(run_dir)["status"] == "interrupted"
    assert len(read_metrics(run_dir / FINAL)) == epoch - 1
    assert_as_undisturbed(train(tmp_path, final_fit=True, **LAW), fitted)


@pytest.mark.parametrize("moment", ["before it began", "before the run was told"])
def test_a_kill_between_the_fits_or_at_the_end_changes_nothing(moment: str, fitted: Result, tmp_path: Path) -> None:
    run_dir = tmp_path / "test" / fitted.run_dir.name
    shutil.copytree(fitted.run_dir, run_dir)
    summary = read_summary(run_dir)
    del summary["final_fit"]
    summary |= {"status": "running", "metrics": {}}
    write_json(run_dir / "summary.json", summary)
    if moment == "before it began":
        shutil.rmtree(run_dir / FINAL)
    assert read_summary(run_dir)["status"] == "interrupted"
    rows = (run_dir / "metrics.csv").stat().st_mtime_ns
    again = train(tmp_path, final_fit=True, **LAW)
    assert (run_dir / "metrics.csv").stat().st_mtime_ns == rows
    assert_as_undisturbed(again, fitted)


def assert_as_undisturbed(again: Result, undisturbed: Result) -> None:
    """The same run and the same final fit."""
    assert (again.status, again.best_epoch, again.metrics) == (
        undisturbed.status, undisturbed.best_epoch, undisturbed.metrics,
    )  # fmt: skip
    summaries = [read_summary(result.run_dir) for result in (again, undisturbed)]
    assert summaries[0]["final_fit"] == summaries[1]["final_fit"]
    assert_same_run(again.run_dir, undisturbed.run_dir)
    first, second = again.run_dir / FINAL, undisturbed.run_dir / FINAL
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    for a, b in zip(parameters(first), parameters(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_members_of_a_population_have_final_fits_of_their_own_lengths(fitted: Result, tmp_path: Path) -> None:
    configs = [make_config(tmp_path, final_fit=True, **(LAW | {"seed": seed})) for seed in (1, 2, 3)]
    results = train_population(configs, BARS, show=False)
    assert len({result.best_epoch for result in results}) > 1
    for result in results:
        assert len(read_metrics(result.run_dir / FINAL)) == result.best_epoch
    alone, beside = (r.run_dir / FINAL for r in (fitted, results[0]))
    for a, b in zip(parameters(beside), parameters(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_watch_sees_the_first_fit_alone_and_who_is_pruned_has_no_second(tmp_path: Path) -> None:
    seen: list[int] = []

    def train_watched(reason: str) -> Result:
        def watch(epoch: int, ranking: float | None) -> str:
            seen.append(epoch)
            return reason if epoch == 2 else ""

        config = make_config(tmp_path, num_epochs=3, final_fit=True)
        return Trainer(config, BARS, watch=watch, show=False).train_and_evaluate()

    pruned = train_watched("enough")
    assert pruned.status == "pruned" and seen == [1, 2]
    assert not (pruned.run_dir / FINAL).exists() and "first_fit" not in read_summary(pruned.run_dir)
    finished = train_watched("")
    assert finished.status == "finished" and seen == [1, 2, 2, 3]
    assert (finished.run_dir / FINAL).is_dir()


@pytest.mark.slow
def test_a_search_ranks_by_the_first_fit_and_tests_the_final_one(tmp_path: Path) -> None:
    rates = {"learning_rate": [1e-3, 1e-2]}
    plain, final = (
        searched(tmp_path / str(is_final), rates, 2, population=2, base={"final_fit": is_final, "seeds": 2})
        for is_final in (False, True)
    )
    for row, wanted in zip(final.leaderboard, plain.leaderboard, strict=True):
        assert row["ranking_score"] == wanted["ranking_score"] and row["best_epoch"] == wanted["best_epoch"]
        assert row["test"] != wanted["test"]
    assert (final.best / FINAL).is_dir()


def test_what_diverged_is_not_fitted_again(tmp_path: Path) -> None:
    result = train(tmp_path, num_epochs=2, final_fit=True, learning_rate=1e30, warmup_epochs=0)
    assert result.status == "diverged" and not (result.run_dir / FINAL).exists()


def test_a_final_fit_that_diverges_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = ExperimentConfig.compressed
    monkeypatch.setattr(
        ExperimentConfig, "compressed", lambda *args: replace(compressed(*args), learning_rate=1e30, warmup_epochs=0)
    )
    result = train(tmp_path, num_epochs=2, final_fit=True)
    assert (result.status, result.metrics) == ("diverged", {})
    assert result.message.startswith("the final fit: the loss at step")
    assert read_summary(result.run_dir)["first_fit"]["metrics"]["validation"]["model"]
    with pytest.raises(RunError, match="no model, since its final fit diverged: the final fit: the loss at step"):
        Forecaster.load(result.run_dir)
    assert train(tmp_path, num_epochs=2, final_fit=True) == result
    write_report(result.run_dir, tmp_path / "page.html", bars=BARS)


def test_without_weights_it_is_scored_all_the_same(fitted: Result, tmp_path: Path) -> None:
    result = train(tmp_path, final_fit=True, save_weights=False, **LAW)
    assert result.metrics == fitted.metrics
    assert not list((result.run_dir / FINAL).glob("checkpoints/*/*"))


def test_where_nothing_is_left_to_score_it_is_trained_all_the_same(tmp_path: Path) -> None:
    """As in a backtest, whose test bars are not handed to the training."""
    config = make_config(tmp_path, num_epochs=1, final_fit=True)
    cuts = Cuts(int(BARS["date"].iloc[100].timestamp()), int(BARS["date"].iloc[-1].timestamp()) + 3601)
    result = Trainer(config, BARS, plan=Plan(cuts=cuts), show=False).train_and_evaluate()
    assert result.status == "finished" and result.metrics.keys() == {"validation"}
    windows = read_summary(result.run_dir / FINAL)["data"]["windows"]
    assert windows == {"training": len(BARS) - 6, "validation": 0, "test": 0}


def test_a_refit_has_its_length_and_schedule(fitted: Result, tmp_path: Path) -> None:
    copied = tmp_path / "name" / fitted.run_dir.name
    shutil.copytree(fitted.run_dir, copied)
    again = refit(copied, BARS, show=False)
    assert again.metrics == {} and again.best_epoch == fitted.best_epoch
    assert not (again.run_dir / FINAL).exists()
    rates, finals = ([row["learning_rate"] for row in read_metrics(p)] for p in (again.run_dir, fitted.run_dir / FINAL))
    np.testing.assert_allclose(rates, finals, rtol=0.3)
    assert Forecaster.load(tmp_path / "name").run_dir == again.run_dir


def test_an_ensemble_is_of_final_fits_or_of_none(fitted: Result, plain: Result, tmp_path: Path) -> None:
    other = train(tmp_path, final_fit=True, **(LAW | {"seed": 2, "num_epochs": 1}))
    assert len(Forecaster.load([fitted.run_dir, other.run_dir]).predict(BARS)) == 1
    with pytest.raises(RunError, match="the bars of their training spans"):
        Forecaster.load([fitted.run_dir, plain.run_dir])


def test_the_report_says_which_fit_a_curve_and_a_table_belong_to(fitted: Result, tmp_path: Path) -> None:
    page = write_report(fitted.run_dir, tmp_path / "page.html", bars=BARS).read_text()
    for text in ("Loss, first fit", "Loss, final fit", "The first fit on validation", "The first fit on test"):
        assert text in page
    assert f"{fitted.best_epoch} epochs, 114 training windows" in page
