"""Sums over a span, what is undefined or broken, and the report beside the baseline."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_spans import (
    EDGES,
    NAMES,
    make_outcomes,
    make_scorer,
    random_bins,
    random_forecast,
)
from scipy import stats

from nextbar import baselines
from nextbar.errors import DataError
from nextbar.metrics import scorer
from nextbar.metrics.comparison import ranking_score, skill
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes, Reference


def test_sums_do_not_depend_on_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last batch is short for every size tried."""
    for question, make in (
        ({"output_mode": "distribution"}, random_forecast),
        ({"output_mode": "discrete_grid", "edges": EDGES}, random_bins),
    ):
        whole = make_scorer(3, **question)
        expected = whole.score(make(whole))
        for size in (1, 7 * 15, 100 * 15):
            monkeypatch.setattr(scorer, "CHUNK", size)
            found = make_scorer(3, **question).score(make(whole))
            monkeypatch.undo()
            assert found.mean.pooled == pytest.approx(expected.mean.pooled, rel=1e-12)
            np.testing.assert_allclose(found.loss_N, expected.loss_N, rtol=1e-12)


def test_ticker_order_and_interleaving_do_not_matter() -> None:
    one = make_scorer(3, output_mode="mean")
    forecast, order = random_forecast(one), np.random.default_rng(0).permutation(len(one.outcomes.series_N))
    moved = one.outcomes._replace(
        **{f: getattr(one.outcomes, f)[order] for f in ("series_N", "origin_time_N", "last_close_N", "close_NH")}
    )
    other = Scorer(moved, one.reference, one.task)
    expected, found = one.report(forecast), other.report(Forecast(location_NH=forecast.location_NH[order]))
    assert found["model"] == pytest.approx(expected["model"], rel=1e-12)
    assert found["diebold_mariano"] == pytest.approx(expected["diebold_mariano"], rel=1e-9)


def test_a_series_with_negative_prices_leaves_percentages_out() -> None:
    outcomes = make_outcomes(1)
    sunk = outcomes.series_N == 1
    outcomes.close_NH[sunk] -= 30
    outcomes.last_close_N[sunk] -= 30
    closes = [np.linspace(5e4, 7e4, 9), np.linspace(-3, 3, 9), np.linspace(0.01, 0.03, 9)]
    for mode in ("mean", "distribution"):
        task = Task(output_mode=mode)
        scorer = Scorer(outcomes, baselines.fit(outcomes, closes, task), task)
        scores = scorer.score(random_forecast(make_scorer(1, output_mode="mean")))
        sick, well = scores.by_ticker["cheap"].pooled, scores.by_ticker["penny"].pooled
        assert sick["mape"] is None and sick["r2_return"] is None and sick["mae"] > 0
        assert scores.mean.pooled["mape"] == np.mean([scores.by_ticker["dear"].pooled["mape"], well["mape"]])
        if mode == "distribution":
            baseline = scorer.baseline.by_ticker["cheap"].pooled
            change = (outcomes.close_NH - outcomes.last_close_N[:, None])[sunk]
            assert baseline["nll"] == pytest.approx(-stats.norm(0, change.std()).logpdf(change).mean())
    for question in ({"output_mode": "mean", "target": "log_return"}, {"output_mode": "discrete_grid"}):
        task = Task(edges=EDGES, **question)
        with pytest.raises(DataError, match=r"cheap: .* needs every price above zero"):
            baselines.fit(outcomes, closes, task)
        with pytest.raises(DataError, match=r"cheap: .* needs every price above zero"):
            Scorer(outcomes, make_scorer(1, output_mode="mean").reference, task)


def test_undefined_is_none_and_a_broken_forecast_is_never_averaged_away() -> None:
    still = Outcomes(np.zeros(5, int), ("a",), np.arange(5), np.full(5, 0.1), np.full((5, 1), 0.1))
    reference = Reference(np.array([0.1]), np.array([0.0]), np.array([[0.01]]), np.array([True]))
    pooled = Scorer(still, reference, Task(output_mode="mean")).baseline.mean.pooled
    assert pooled["mae"] == 0
    assert [k for k, v in pooled.items() if v is None] == [
        "r2",
        "r2_return",
        "mse_scaled",
        "mae_scaled",
        "acc_dir",
    ]

    scorer = make_scorer(3, output_mode="distribution")
    for field, value in (("location_NH", np.nan), ("location_NH", np.inf), ("scale_NH", 0.0), ("df_NH", 2.0)):
        forecast = random_forecast(scorer, df=True)
        getattr(forecast, field)[4, 1] = value
        scores = scorer.score(forecast)
        assert all(np.isnan(v) for v in scores.mean.pooled.values())
        report = scorer.report(scores)
        json.dumps(report, allow_nan=False)
        assert set(report["model"].values()) == {None} and report["verdict"].startswith("No verdict")
        assert ranking_score(report, "distribution") == np.inf
    for value in (0.0, -1.0, np.inf):
        forecast = random_forecast(scorer)
        forecast.scale_NH[4, 1] = value
        assert np.isnan(scorer.score(forecast).mean.pooled["coverage_90"])
    bins = make_scorer(1, output_mode="discrete_grid", edges=EDGES)
    forecast = random_bins(bins)
    forecast.log_probs_NHK[3, 0, 2] = np.nan
    assert np.isnan(bins.score(forecast).mean.pooled["acc"])


def test_a_price_below_zero_ruins_the_log_errors_without_breaking_them() -> None:
    scorer = make_scorer(1, output_mode="mean")
    forecast = random_forecast(scorer)
    forecast.location_NH[7] = -3 * scorer.outcomes.last_close_N[7]
    name = NAMES[scorer.outcomes.series_N[7]]
    assert -1e6 < scorer.score(forecast).by_ticker[name].pooled["r2_return"] < -100


def test_a_forecast_of_the_wrong_shape_is_refused() -> None:
    scorer = make_scorer(3, output_mode="mean")
    with pytest.raises(ValueError, match=r"location_NH of shape \(458, 3\), got \(458, 1\)"):
        scorer.score(Forecast(location_NH=np.zeros((458, 1))))
    with pytest.raises(ValueError, match="distribution needs scale_NH"):
        make_scorer(3, output_mode="distribution").score(Forecast(location_NH=np.zeros((458, 3))))
    with pytest.raises(DataError, match="no window"):
        empty = scorer.outcomes._replace(series_N=np.zeros(0, int))
        Scorer(empty, scorer.reference, scorer.task)


@pytest.mark.parametrize("horizon", [1, 3])
def test_report_sets_model_baseline_and_skill_side_by_side(horizon: int) -> None:
    for mode, make, leading in (
        ("mean", random_forecast, "mae"),
        ("distribution", random_forecast, "nll"),
        ("discrete_grid", random_bins, "log_loss"),
    ):
        scorer = make_scorer(horizon, output_mode=mode, edges=EDGES if mode == "discrete_grid" else ())
        report = json.loads(json.dumps(scorer.report(make(scorer)), allow_nan=False))
        assert report["windows"] == 458
        assert {name: node["windows"] for name, node in report["by_ticker"].items()} == dict(
            zip(NAMES, (301, 37, 120), strict=True)
        )
        for node in (report, *report["by_ticker"].values()):
            assert set(node["model"]) == set(node["baseline"])
            assert ("by_step" in node) == (horizon > 1)
            for name, value in node["skill"].items():
                model, baseline = node["model"][name], node["baseline"][name]
                expected = {"nll": baseline - model, "acc": model - baseline, "acc_dir": model - baseline}
                assert value == pytest.approx(expected.get(name, 1 - model / baseline))
            if horizon > 1:
                assert all(len(row) == horizon for side in node["by_step"].values() for row in side.values())
        nodes = report["by_ticker"].values()
        pairs = [(node["model"][leading], node["baseline"][leading]) for node in nodes]
        rank = np.mean([m - b if mode == "distribution" else m / b for m, b in pairs])
        assert ranking_score(report, mode) == pytest.approx(rank)


def test_skill_has_no_value_without_a_baseline() -> None:
    assert skill("mae", 1.0, 0.0) is None
    assert skill("mae", None, 1.0) is None
    assert skill("nll", float("inf"), 1.0) is None


def test_the_verdict_says_in_words_what_was_learnt() -> None:
    scorer = make_scorer(1, output_mode="mean")
    truth_NH = scorer.outcomes.close_NH - scorer.outcomes.last_close_N[:, None]
    noise_NH = np.random.default_rng(0).permutation(truth_NH / scorer.outcomes.last_close_N[:, None])
    noise_NH *= scorer.outcomes.last_close_N[:, None]
    flat = scorer.report(Forecast(location_NH=np.zeros_like(truth_NH)))
    assert flat["verdict"].startswith("Does not beat persistence: it forecasts the same")
    assert flat["diebold_mariano"] is None and flat["skill"]["mae"] == 0
    good = scorer.report(Forecast(location_NH=0.5 * truth_NH))
    assert good["verdict"].startswith("Beats persistence") and "better on 3 of 3 tickers" in good["verdict"]
    assert "more than luck" in good["verdict"] and good["diebold_mariano"]["statistic"] > 0
    bad = scorer.report(Forecast(location_NH=noise_NH))
    assert bad["verdict"].startswith("Does not beat persistence") and "worse by more than luck" in bad["verdict"]
    lucky = scorer.report(Forecast(location_NH=0.001 * (truth_NH + 9 * noise_NH)))
    assert "cannot be told from luck" in lucky["verdict"] and "p = " in lucky["verdict"]
