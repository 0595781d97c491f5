"""A run judged on new bars: by its own cuts, statistics and baselines, and nothing is learnt from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bar_files import write
from builders import make_bars, make_frame
from made_runs import MadeRun, make_run

from nextbar.data.bars import Bars
from nextbar.errors import ConfigError, DataError, RunError
from nextbar.evaluation import Evaluation, evaluate
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.task import Task
from nextbar.train.records import read_conformal

TWO = ["aaa", "bbb"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"), tickers=TWO, output_mode="distribution", losses=(0.3, 0.1))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def longer(ticker: str, seed: int, n: int = 250, **options: Any) -> Bars:
    """The bars of ``make_run`` and more of them."""
    return make_bars(ticker, n=n, seed=seed, price=100 * 10**seed, **options)


def origins_of(evaluation: Evaluation, span: str) -> np.ndarray:
    return np.concatenate([b.close_time_N for b in evaluation.bars])[evaluation.spans[span].origin_N]


def test_later_bars_are_test(made: MadeRun) -> None:
    """Labels from the run's test cut on, whatever was trained and whatever the new bars are."""
    evaluation = evaluate(made.run_dir, [longer("aaa", 0), longer("bbb", 1)])
    cuts = made.dataset.cuts
    assert evaluation.cuts == cuts and evaluation.epoch == 2
    assert origins_of(evaluation, "test").min() + 3600 == cuts.test
    assert origins_of(evaluation, "test").max() + 3600 == evaluation.bars[0].close_time_N[-1]
    assert len(evaluation.spans["test"].origin_N) == len(made.dataset.origins["test"]) + 200
    np.testing.assert_array_equal(
        evaluation.spans["validation"].outcomes.close_NH, made.dataset.outcomes("validation").close_NH
    )
    alone = [b.between(initial=cuts.test) for b in (longer("aaa", 0), longer("bbb", 1))]
    assert list(evaluate(made.run_dir, alone).spans) == ["test"]


def test_nothing_is_fitted_on_new_bars(made: MadeRun) -> None:
    """The baseline is the training's, and scores of early windows stay when later bars change."""
    plain = evaluate(made.run_dir, [longer("aaa", 0), longer("bbb", 1)])
    wild = [longer("aaa", 0, move=0.3), longer("bbb", 1)]
    tame = plain.bars[0]
    columns = {n: np.where(np.arange(250) < 200, tame.columns[n], wild[0].columns[n]) for n in tame.columns}
    changed = evaluate(made.run_dir, [Bars("aaa", "1h", tame.time_N, columns), wild[1]])
    assert changed.metrics["validation"] == plain.metrics["validation"]
    early = plain.spans["test"].origin_N < 199
    for a, b in zip(plain.spans["test"].forecast, changed.spans["test"].forecast, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a[early], b[early])
    assert plain.spans["test"].scorer.reference.move_std_SH[0] == changed.spans["test"].scorer.reference.move_std_SH[0]


def test_a_series_the_run_did_not_know(made: MadeRun) -> None:
    """Its baseline spread is the mean of the known ones'; errors in units of training are left out."""
    known = evaluate(made.run_dir, made.bars).spans["test"].scorer.reference
    new = evaluate(made.run_dir, [made.bars[0], longer("ccc", 2)])
    reference = new.spans["test"].scorer.reference
    np.testing.assert_array_equal(reference.move_std_SH[0], known.move_std_SH[0])
    np.testing.assert_allclose(reference.move_std_SH[1], known.move_std_SH.mean(axis=0), rtol=1e-12)
    report = new.metrics["test"]["by_ticker"]
    assert report["ccc"]["model"]["mse_scaled"] is None and report["aaa"]["model"]["mse_scaled"] is not None
    assert all(report["ccc"]["baseline"][name] is not None for name in ("mae", "nll", "crps", "r2_return"))


def test_a_series_without_global_statistics(tmp_path: Path) -> None:
    """They may be fitted on its bars before the first cut: those after it change nothing."""
    made = make_run(tmp_path, norm_mode="global_meanstd")
    with pytest.raises(DataError, match=r"no training statistics for it, only for made_up; .*fit_scaler=True"):
        evaluate(made.run_dir, [longer("ccc", 2)])
    series = longer("ccc", 2)
    late = series.close_time_N >= made.dataset.cuts.validation + 3600 * 40
    columns = {name: np.where(late, values * 3, values) for name, values in series.columns.items()}
    first, second = (
        evaluate(made.run_dir, [b], fit_scaler=True) for b in (series, Bars("ccc", "1h", series.time_N, columns))
    )
    a, b = (e.spans["validation"].forecast.location_NH for e in (first, second))
    assert a is not None and b is not None
    np.testing.assert_array_equal(a, b)
    with pytest.raises(DataError, match=r"needs statistics of price, volume, which the first 1 of its bars do not"):
        cut = made.dataset.cuts.validation
        evaluate(made.run_dir, [series.between(initial=cut - 3601)], fit_scaler=True)


def test_conformal_intervals_and_epochs(made: MadeRun) -> None:
    plain, adjusted = (evaluate(made.run_dir, made.bars, conformal=wanted) for wanted in (False, True))
    assert adjusted.metrics == plain.metrics
    assert "conformal" not in plain.spans["test"].calibration
    span, kept = adjusted.spans["test"], read_conformal(made.run_dir)
    assert kept is not None
    wanted = calibration_report(span.outcomes, span.forecast, Task.of(made.config), kept[1])
    assert span.calibration == wanted and "conformal" in wanted
    assert "conformal" not in adjusted.spans["validation"].calibration
    first = evaluate(made.run_dir, made.bars, epoch=1)
    assert first.epoch == 1 and first.metrics != plain.metrics
    with pytest.raises(RunError, match="are those of epoch 2, not of 1"):
        evaluate(made.run_dir, made.bars, epoch=1, conformal=True)


def test_bars_from_a_folder_or_a_file(made: MadeRun, tmp_path: Path) -> None:
    wanted = evaluate(made.run_dir, made.bars)
    for b in made.bars:
        write(tmp_path, make_frame(b).drop(columns=["ticker", "resolution"]), "parquet", b.ticker)
    assert evaluate(made.run_dir, data=tmp_path).metrics == wanted.metrics
    of_one = evaluate(made.run_dir, data=tmp_path, tickers=["bbb"])
    assert of_one.names == ("bbb",)
    assert of_one.metrics["test"]["by_ticker"]["bbb"] == wanted.metrics["test"]["by_ticker"]["bbb"]
    path = tmp_path / "long.parquet"
    made.frame.to_parquet(path)
    assert evaluate(made.run_dir, data=path).metrics == wanted.metrics


def test_what_cannot_be_scored_is_said(made: MadeRun, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no test window: the test span of the run begins at .*aaa_1h until 2020-01-08"
    ):
        evaluate(made.run_dir, [made.bars[0].between(final="2020-01-07")])
    with pytest.raises(DataError, match=r"the run's own bars: no folder 'bars'"):
        evaluate(made.run_dir)
    with pytest.raises(DataError, match=r"no ticker ccc; there are aaa, bbb"):
        evaluate(made.run_dir, made.bars, tickers=["ccc"])
    with pytest.raises(ConfigError, match="give bars or data: one of the two"):
        evaluate(made.run_dir, made.bars, data=tmp_path)
    with pytest.raises(DataError, match="no column volume, which the model was trained with"):
        evaluate(made.run_dir, made.frame.drop(columns="volume"))
    damaged = shutil.copytree(made.run_dir, tmp_path / "damaged")
    (damaged / "reference.json").unlink()
    with pytest.raises(RunError, match=r"reference\.json cannot be read .*was the run folder copied whole"):
        evaluate(damaged, made.bars)


def test_a_refitted_run_is_scored_on_later_bars_alone(made: MadeRun, tmp_path: Path) -> None:
    """Its cuts lie after its last bar."""
    refitted = shutil.copytree(made.run_dir, tmp_path / "refitted")
    end = int(made.bars[0].close_time_N[-1]) + 1
    change(refitted / "normalisation.json", cuts={"validation": end, "test": end})
    change(refitted / "summary.json", refit_of="the-original")
    with pytest.raises(RunError, match=r"was refitted on all bars until .*evaluate the-original"):
        evaluate(refitted, made.bars)
    later = evaluate(refitted, [longer("aaa", 0, n=170)])
    assert list(later.spans) == ["test"]
    assert origins_of(later, "test").tolist() == [end - 1 + 3600 * i for i in range(20)]
