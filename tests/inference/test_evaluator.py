"""A run judged on new bars: by its own cuts, statistics and baselines, and nothing is learnt from them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bar_files import write
from builders import MONDAY, make_bars, make_frame
from made_runs import MadeRun, make_run

from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.checksums import write_json
from nextbar.data.panel import Panel
from nextbar.errors import ConfigError, DataError, RunError
from nextbar.inference.evaluation import Evaluation
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.examined import Examined
from nextbar.metrics.findings import findings
from nextbar.metrics.reference import BASELINE_NAMES
from nextbar.metrics.task import Task
from nextbar.runs.records import read_conformal

TWO = ["aaa", "bbb"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"), tickers=TWO, output_mode="distribution", losses=(0.3, 0.1))


def change(path: Path, **values: Any) -> None:
    write_json(path, json.loads(path.read_text()) | values)


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


EARLIER = MONDAY - dt.timedelta(days=10)


def test_a_series_the_run_did_not_know_has_a_baseline_of_its_own(made: MadeRun) -> None:
    """From its bars up to its first scored origin, whatever the others do; later bars change nothing."""
    run = evaluate(made.run_dir, made.bars).spans["test"].scorer.reference
    wild = make_bars("ccc", n=500, seed=2, start=EARLIER, move=0.05)
    new = evaluate(made.run_dir, [made.bars[0], wild])
    for span, cut in (("validation", made.dataset.cuts.validation), ("test", made.dataset.cuts.test)):
        reference = new.spans[span].scorer.reference
        np.testing.assert_array_equal(reference.move_std_SH[0], run.move_std_SH[0])
        first = int(np.searchsorted(wild.close_time_N, cut)) - 1
        assert len(made.bars[0]) + first in new.spans[span].origin_N
        known_N = wild.columns["close"][: first + 1]
        assert reference.move_std_SH[1] == pytest.approx(np.diff(np.log(known_N)).std(), rel=1e-12)
        scale = reference.center_S[1], reference.spread_S[1]
        assert scale == pytest.approx((known_N.mean(), known_N.std()), rel=1e-12)
        report = new.metrics[span]["by_ticker"]["ccc"]
        assert report["model"]["mse_scaled"] == pytest.approx(report["model"]["mse"] / known_N.var(), rel=1e-9)
        assert all(report["baseline"][name] is not None for name in ("mae", "nll", "crps", "r2_return"))
        columns = {n: np.where(np.arange(500) <= first, v, 3 * v) for n, v in wild.columns.items()}
        later = evaluate(made.run_dir, [made.bars[0], Bars("ccc", "1h", wild.time_N, columns)])
        for one, other in zip(later.spans[span].scorer.reference, reference, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_series_that_the_run_scored_only(tmp_path: Path) -> None:
    """``bbb`` has more of its own bars for test than for validation, and the run remembers those of test."""
    cut = MONDAY + dt.timedelta(hours=96)
    bars = [make_bars("aaa", n=400), make_bars("bbb", n=304, seed=1, start=cut)]
    made = make_run(tmp_path, bars, tickers=["aaa"], test_tickers=["aaa", "bbb"], output_mode="distribution")
    assert made.dataset.learnt == (True, False)
    own = evaluate(made.run_dir, bars)
    first = int(own.spans["test"].origin_N[own.spans["test"].outcomes.series_N == 1][0]) - 400
    spread = np.diff(np.log(bars[1].columns["close"][: first + 1])).std()
    assert own.spans["test"].scorer.reference.move_std_SH[1] == pytest.approx(spread, rel=1e-12)
    late = [bars[0], bars[1].between(initial=int(bars[1].time_N[first - 20]))]
    again = evaluate(made.run_dir, late)
    assert again.spans["test"].scorer.reference.move_std_SH[1] == pytest.approx(spread, rel=1e-12)


def test_a_series_with_too_few_bars_of_its_own_has_no_verdict(made: MadeRun) -> None:
    """``ccc`` begins with the run's training, whose span has 95 moves; with validation they are more."""
    evaluation = evaluate(made.run_dir, [made.bars[0], longer("ccc", 2)])
    assert evaluation.metrics["test"]["skill"]["nll"] is not None
    report = json.loads(json.dumps(evaluation.metrics["validation"], allow_nan=False))
    assert report["verdict"] == (
        "No verdict: ccc has no baseline of its own: 95 moves before its first forecast, and it takes 100 that are not "
        "all zero."
    )
    assert report["by_ticker"]["ccc"]["baseline"]["nll"] is None and report["skill"]["nll"] is None
    assert report["by_ticker"]["aaa"]["skill"]["nll"] is not None
    assert report["by_ticker"]["ccc"]["model"]["mse_scaled"] is None


def test_bins_of_a_series_the_run_did_not_know_are_counted_in_its_own_bars(tmp_path: Path) -> None:
    edges = [-np.inf, -1.0, 0.0, 1.0, np.inf]
    made = make_run(tmp_path, tickers=TWO, output_mode="discrete_grid", discrete_grid_levels=edges)
    wild = make_bars("ccc", n=500, seed=2, start=EARLIER, move=0.05)
    span = evaluate(made.run_dir, [made.bars[0], wild]).spans["test"]
    first = int(np.searchsorted(wild.close_time_N, made.dataset.cuts.test)) - 1
    close_N = wild.columns["close"][: first + 1]
    count_K = np.histogram(100 * (close_N[1:] / close_N[:-1] - 1), [-1e9, -1, 0, 1, 1e9])[0]
    probs_NHK = np.exp(span.scorer.baseline_forecast.log_probs_NHK)
    np.testing.assert_allclose(probs_NHK[span.outcomes.series_N == 1][0, 0], (count_K + 1) / (first + 4))
    run = evaluate(made.run_dir, made.bars).spans["test"].scorer.baseline_forecast.log_probs_NHK
    np.testing.assert_allclose(probs_NHK[span.outcomes.series_N == 0][0], np.exp(run[0]))


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


def test_forecasts_are_tested_beside_the_baseline_by_the_ranges_of_the_bars(made: MadeRun) -> None:
    evaluation = evaluate(made.run_dir, [longer("aaa", 0), longer("bbb", 1)])
    span = evaluation.spans["test"]
    baseline = BASELINE_NAMES["distribution"]
    panel = Panel(evaluation.bars, 1, Naming.of(made.config.dataset_config))
    both = {"the model": span.forecast, baseline: span.scorer.baseline_forecast}
    examined = Examined(span.scorer, both, baseline, panel.realised_variance(span.origin_N))
    assert span.tests == findings(examined) and list(span.tests) == ["variance", "coverage", "pit", "parts"]
    assert span.tests["variance"]["sentence"].endswith("realised variance is that of ranges and opening gaps.")
    assert len(span.tests["coverage"]["figures"]) == 6 and len(span.tests["pit"]["figures"]) == 2


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
