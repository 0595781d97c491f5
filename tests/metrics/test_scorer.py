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

from nextbar.errors import DataError
from nextbar.metrics import scorer
from nextbar.metrics.comparison import held_against, ranking_score, skill
from nextbar.metrics.reference import baseline_forecast, fit_reference
from nextbar.metrics.scorer import FreeForecast, Scorer
from nextbar.metrics.significance import DieboldMariano
from nextbar.metrics.superiority import Superiority, beats
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes, Reference


def first_test(record: Superiority | None) -> DieboldMariano | None:
    assert record is not None
    return next(iter(record["against"].values()))["test"]


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
        scorer = Scorer(outcomes, fit_reference(outcomes, closes, task), task)
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
            fit_reference(outcomes, closes, task)
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


def test_a_span_without_windows_is_refused() -> None:
    scorer = make_scorer(3, output_mode="mean")
    empty = scorer.outcomes._replace(series_N=np.zeros(0, int))
    with pytest.raises(DataError) as error:
        Scorer(empty, scorer.reference, scorer.task)
    assert str(error.value) == ("there is no window to score: the span is empty. Use more bars or a larger split.")


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_leading_errors_are_those_of_each_window(mode: str) -> None:
    """Averaged over the steps; their mean over a ticker is its leading error."""
    scorer = make_scorer(3, output_mode=mode, edges=EDGES if mode == "discrete_grid" else ())
    forecast = random_bins(scorer) if mode == "discrete_grid" else random_forecast(scorer, df=True)
    error_N, scores = scorer.leading_errors(forecast), scorer.score(forecast)
    for s, name in enumerate(NAMES):
        found = error_N[scorer.outcomes.series_N == s].mean()
        assert found == pytest.approx(scores.by_ticker[name].pooled[scorer.task.leading], rel=1e-12)
    if mode == "mean":
        change_NH = scorer.outcomes.close_NH - scorer.outcomes.last_close_N[:, None]
        np.testing.assert_allclose(error_N, np.abs(change_NH - forecast.location_NH).mean(axis=1), rtol=1e-9)
    if mode == "discrete_grid":
        np.testing.assert_array_equal(error_N, scores.loss_N)


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_a_ranking_is_that_of_the_report(mode: str) -> None:
    scorer = make_scorer(3, output_mode=mode, edges=EDGES if mode == "discrete_grid" else ())
    scores = scorer.score(random_bins(scorer) if mode == "discrete_grid" else random_forecast(scorer))
    assert scorer.ranking(scores) == ranking_score(scorer.report(scores), mode)
    assert scorer.ranking(scorer.baseline) == (0.0 if mode == "distribution" else 1.0)


def test_a_ranking_leaves_out_a_ticker_without_a_baseline() -> None:
    law = make_scorer(1, output_mode="distribution")
    law.reference.move_std_SH[1] = np.nan
    scores = law.score(random_forecast(law))
    gains = [law.baseline.by_ticker[name].pooled["nll"] - scores.by_ticker[name].pooled["nll"] for name in NAMES]
    assert np.isnan(gains[1]) and law.ranking(scores) == pytest.approx(-(gains[0] + gains[2]) / 2)
    report = law.report(scores)
    assert [name for name, node in report["by_ticker"].items() if "no_baseline" in node] == ["cheap"]
    other = law.report_against(scores, scores, "itself")
    assert not any("no_baseline" in node for node in other["by_ticker"].values()), "it is not asked for"


def test_a_report_against_another_says_its_name() -> None:
    scorer = make_scorer(1, output_mode="mean")
    truth_NH = scorer.outcomes.close_NH - scorer.outcomes.last_close_N[:, None]
    good, poor = (scorer.score(Forecast(location_NH=share * truth_NH)) for share in (0.5, 0.25))
    found = scorer.report_against(good, poor, "the other")
    assert found["verdict"].startswith("Beats the other: squared log error ")
    assert found["baseline"] == poor.mean.pooled and found["model"] == good.mean.pooled
    assert found["skill"]["mae"] == pytest.approx(1 - 0.5 / 0.75)
    assert found["diebold_mariano"] == first_test(scorer.tested(good, poor)) != first_test(scorer.tested(good))
    assert scorer.report(good)["verdict"].startswith("Beats persistence: squared log error ")


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_a_report_beside_the_strongest_rival(mode: str) -> None:
    """Skill, verdict and test are over it, that of the direction over always up; the ranking stays."""
    scorer = make_scorer(3, output_mode=mode, edges=EDGES if mode == "discrete_grid" else ())
    make, leading = random_bins if mode == "discrete_grid" else random_forecast, scorer.task.leading
    forecast, other = make(scorer), make(scorer)
    if mode == "discrete_grid":
        other = Forecast(log_probs_NHK=np.full_like(forecast.log_probs_NHK, -np.log(len(EDGES) - 1)))
    else:
        other = forecast._replace(location_NH=0.5 * forecast.location_NH)
    held = scorer.beside(FreeForecast("other", "another model", other))
    report, plain, theirs = held.report(forecast), scorer.report(forecast), held.score(other)
    assert (scorer.strongest, report["strongest_name"]) == (None, "other") and "strongest_name" not in plain
    assert report["verdict"].split(":")[0].endswith("another model")
    assert list(report["tested"]["against"]) == ["other", "baseline"]
    against_theirs = first_test(held.tested(held.score(forecast), theirs))
    assert report["diebold_mariano"] == against_theirs != plain["diebold_mariano"]
    assert report["skill_baseline"] == plain["skill_baseline"] and report["baseline"] == plain["baseline"]
    assert ranking_score(report, mode) == ranking_score(plain, mode) == held.ranking(held.score(forecast))
    for name, value in report["strongest"].items():
        expected = plain["strongest"][name] if name == "acc_dir" else theirs.mean.pooled[name]
        assert value == expected, name
    gains = [by_definition(leading, node["model"][leading], node["strongest"][leading])
             for node in report["by_ticker"].values()]  # fmt: skip
    assert report["skill"][leading] == pytest.approx(np.mean(gains))
    assert report["by_step"]["strongest"][leading] == theirs.mean.by_step[leading]
    assert (held.rival_forecast, scorer.rival_forecast) == (other, scorer.baseline_forecast)


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
        nodes = report["by_ticker"].values()
        change_NH = scorer.outcomes.close_NH - scorer.outcomes.last_close_N[:, None]
        for s, node in enumerate(nodes):
            moved = change_NH[scorer.outcomes.series_N == s]
            assert node["strongest"] == {"acc_dir": pytest.approx(100 * np.mean(moved[moved != 0] > 0))}
        for node in (report, *nodes):
            assert set(node["model"]) == set(node["baseline"])
            assert ("by_step" in node) == (horizon > 1)
            if horizon > 1:
                assert all(len(row) == horizon for side in node["by_step"].values() for row in side.values())
        for name, value in report["skill"].items():
            gains = [by_definition(name, node["model"][name], held_against(node, name)) for node in nodes]
            assert [node["skill"][name] for node in nodes] == pytest.approx(gains)
            assert value == pytest.approx(np.mean(gains))
            for h in range(horizon if horizon > 1 else 0):
                steps = [node["by_step"] for node in nodes]
                gains = [by_definition(name, step["model"][name][h], held_against(step, name)[h]) for step in steps]
                assert [step["skill"][name][h] for step in steps] == pytest.approx(gains)
                assert report["by_step"]["skill"][name][h] == pytest.approx(np.mean(gains))
        pairs = [(node["model"][leading], node["baseline"][leading]) for node in nodes]
        rank = np.mean([m - b if mode == "distribution" else m / b for m, b in pairs])
        assert ranking_score(report, mode) == pytest.approx(rank)


def by_definition(name: str, model: float, baseline: float) -> float:
    """Skill of one ticker."""
    return {"nll": baseline - model, "acc": model - baseline, "acc_dir": model - baseline}.get(
        name, 1 - model / baseline
    )


@pytest.mark.parametrize("mode", ["mean", "distribution"])
def test_the_dearest_ticker_does_not_decide(mode: str) -> None:
    """A little better on one of 60,000, worse on two of 30 and 0.02: no skill, in no metric and at no step."""
    scorer = make_scorer(3, output_mode=mode)
    outcomes = scorer.outcomes
    change_NH = outcomes.close_NH - outcomes.last_close_N[:, None]
    share_N1 = np.array([0.02, -0.05, -0.05])[outcomes.series_N, None]
    scale_NH = baseline_forecast(scorer.reference, outcomes, Task(output_mode="distribution", horizon=3)).scale_NH
    report = scorer.report(Forecast(location_NH=share_N1 * change_NH, scale_NH=scale_NH))
    assert report["model"]["mae"] < report["baseline"]["mae"]
    assert report["skill"]["mae"] == pytest.approx((0.02 - 0.05 - 0.05) / 3)
    square = (1 - 0.98**2 + 2 * (1 - 1.05**2)) / 3
    assert report["skill"]["mse"] == pytest.approx(square) and report["skill"]["rmse"] == pytest.approx(
        report["skill"]["mae"]
    )
    assert report["by_step"]["skill"]["mae"] == pytest.approx([(0.02 - 0.05 - 0.05) / 3] * 3)
    if mode == "mean":
        assert report["tested"]["better_on"] == ["dear"] and ", lower on 1 of 3 tickers" in report["verdict"]


def test_a_baseline_without_error_leaves_no_share_of_it() -> None:
    """A ticker that stands still: skill 0 where the model says so too, else none. A tested loss needs no share."""
    outcomes = make_outcomes(1)
    still = outcomes.series_N == 1
    outcomes.close_NH[still] = outcomes.last_close_N[still, None]
    task = Task(output_mode="mean")
    scorer = Scorer(outcomes, make_scorer(1, output_mode="mean").reference, task)
    half_NH = 0.5 * (outcomes.close_NH - outcomes.last_close_N[:, None])
    good = scorer.report(Forecast(location_NH=half_NH))
    assert good["by_ticker"]["cheap"]["skill"]["mae"] == 0 and good["skill"]["mae"] == pytest.approx(1 / 3)
    assert good["by_ticker"]["cheap"]["skill"]["acc_dir"] is None  # nothing moved: left out, as in the metric
    assert good["skill_baseline"]["acc_dir"] == 50
    assert good["skill"]["acc_dir"] == pytest.approx(100 - good["strongest"]["acc_dir"])
    bad = scorer.report(Forecast(location_NH=np.where(still[:, None], 0.1, half_NH)))
    assert bad["skill"]["mae"] is None and bad["by_ticker"]["dear"]["skill"]["mae"] == pytest.approx(0.5)
    assert bad["verdict"].startswith("Beats persistence: ") and "lower on 2 of 3 tickers" in bad["verdict"]
    assert ranking_score(bad, "mean") == np.inf and ranking_score(good, "mean") == pytest.approx(2 / 3)


@pytest.mark.parametrize("mode", ["distribution", "discrete_grid"])
def test_without_a_baseline_of_its_own_there_is_no_verdict(mode: str) -> None:
    """A ticker that was not trained on, with 99 moves of its own, and with 100."""
    task = Task(output_mode=mode, edges=EDGES if mode == "discrete_grid" else ())
    closes = [np.ones(9)] * 3
    reports = []
    whole = make_outcomes(1, seed=9, sizes=(301, 100, 120))
    for dropped in (1, 0):
        row = np.delete(np.arange(521), np.flatnonzero(whole.series_N == 1)[:dropped])
        history = Outcomes(whole.series_N[row], NAMES, *(array[row] for array in whole[2:]))
        scorer = Scorer(make_outcomes(1), fit_reference(history, closes, task, np.array([True, False, True])), task)
        forecast = random_forecast(scorer) if mode == "distribution" else random_bins(scorer)
        reports.append(json.loads(json.dumps(scorer.report(forecast), allow_nan=False)))
    few, enough = reports
    leading = task.leading
    assert few["by_ticker"]["cheap"]["baseline"][leading] is None and few["baseline"][leading] is None
    assert few["by_ticker"]["dear"]["skill"][leading] == enough["by_ticker"]["dear"]["skill"][leading]
    assert {value for name, value in few["skill"].items() if name != "acc_dir"} == {None}
    assert set(few["skill_baseline"].values()) == {None} and few["diebold_mariano"] is None
    assert few["verdict"] == (
        "No verdict: cheap has no baseline of its own: 99 moves before its first forecast, and it takes 100 that are "
        "not all zero."
    )
    assert enough["skill"][leading] is not None and enough["diebold_mariano"] is not None
    gains = [few["by_ticker"][name]["skill"][leading] for name in ("dear", "penny")]
    assert ranking_score(few, mode) == pytest.approx((mode == "discrete_grid") - np.mean(gains))


def test_a_span_of_few_origins_has_no_verdict() -> None:
    outcomes = make_outcomes(1, sizes=(20, 20, 20))
    task = Task(output_mode="mean")
    scorer = Scorer(outcomes, make_scorer(1, output_mode="mean").reference, task)
    report = scorer.report(Forecast(location_NH=0.5 * (outcomes.close_NH - outcomes.last_close_N[:, None])))
    assert report["origins"] == 20 and report["windows"] == 60 and report["diebold_mariano"] is None
    assert report["verdict"].startswith("No verdict, too few origins to say: 20, and the test takes 21.")
    assert not beats(report, "mae")


def test_skill_has_no_value_without_a_baseline() -> None:
    assert skill("mae", 1.0, 0.0) is None
    assert skill("mae", 0.0, 0.0) == 0.0
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
    assert good["verdict"].startswith("Beats persistence") and "lower on 3 of 3 tickers" in good["verdict"]
    assert "more than luck" in good["verdict"] and good["diebold_mariano"]["statistic"] > 0
    bad = scorer.report(Forecast(location_NH=noise_NH))
    assert bad["verdict"].startswith("Does not beat persistence") and "worse by more than luck" in bad["verdict"]
    lucky = scorer.report(Forecast(location_NH=0.001 * (truth_NH + 9 * noise_NH)))
    assert "cannot be told from luck" in lucky["verdict"] and "p = " in lucky["verdict"]
