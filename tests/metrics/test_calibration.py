"""Calibration against scipy, scikit-learn, the scorer's coverage, and laws whose calibration is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_bins, random_forecast
from scipy import stats
from sklearn.calibration import calibration_curve

from nextbar.errors import DataError
from nextbar.metrics.calibration import (
    by_bin,
    calibration_report,
    conformal_in_words,
    coverage,
    direction,
    effective_windows,
    half_width,
    independent,
    pit,
    pit_histogram,
    reliability,
)
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.density import LEVELS
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index
from nextbar.types import Forecast, Outcomes

TASK = Task(output_mode="distribution", target="log_return")


def drawn(n: int, wrong: float = 1.0, df: float | None = None, seed: int = 0) -> tuple[Outcomes, Forecast]:
    """Log returns drawn from the very law that is forecast, times ``wrong``."""
    rng = np.random.default_rng(seed)
    scale_NH = 0.01 * np.exp(0.5 * rng.normal(size=(n, 1)))
    unit = rng.standard_normal((n, 1)) if df is None else rng.standard_t(df, (n, 1)) * np.sqrt((df - 2) / df)
    outcomes = Outcomes(np.zeros(n, int), ("a",), np.arange(n), np.full(n, 50.0), 50 * np.exp(wrong * scale_NH * unit))
    df_NH = None if df is None else np.full((n, 1), df)
    return outcomes, Forecast(location_NH=np.zeros((n, 1)), scale_NH=scale_NH, df_NH=df_NH)


@pytest.mark.parametrize("target", ["close", "log_return"])
@pytest.mark.parametrize("df", [False, True])
def test_pit_is_scipys_distribution_function(target: str, df: bool) -> None:
    scorer = make_scorer(2, output_mode="distribution", target=target)
    forecast, outcomes = random_forecast(scorer, df=df), scorer.outcomes
    last_N1 = outcomes.last_close_N[:, None]
    change_NH = np.log(outcomes.close_NH / last_N1) if target == "log_return" else outcomes.close_NH - last_N1
    if df:
        unit_NH = forecast.scale_NH * np.sqrt((forecast.df_NH - 2) / forecast.df_NH)
        expected_NH = stats.t.cdf(change_NH, forecast.df_NH, forecast.location_NH, unit_NH)
    else:
        expected_NH = stats.norm.cdf(change_NH, forecast.location_NH, forecast.scale_NH)
    np.testing.assert_allclose(pit(outcomes, forecast, scorer.task), expected_NH, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("df", [None, 4.0])
def test_pit_is_uniform_for_the_law_things_are_drawn_from_and_no_other(df: float | None) -> None:
    right, narrow = (pit(*drawn(5000, wrong, df), TASK) for wrong in (1.0, 1.3))
    assert stats.kstest(right[:, 0], "uniform").pvalue > 0.01
    assert stats.kstest(narrow[:, 0], "uniform").pvalue < 1e-6


def test_histogram_counts_everything_and_its_band_is_binomial() -> None:
    pit_NH = np.r_[0.0, 1.0, 0.05, np.random.default_rng(0).uniform(size=997)][:, None]
    found = pit_histogram(pit_NH, 1000)
    assert sum(found["count"]) == 1000 and len(found["count"]) == 20 and found["expected"] == 50
    np.testing.assert_allclose(found["edges"], np.arange(21) / 20)
    assert (found["lo"], found["hi"]) == stats.binom.interval(0.95, 1000, 0.05)
    inside = [found["lo"] <= count <= found["hi"] for count in found["count"]]
    assert 17 <= sum(inside) <= 20
    # a tenth of the values independent: the band is wider, by about the root of ten
    wide = pit_histogram(pit_NH, 100)
    assert (wide["hi"] - wide["lo"]) / (found["hi"] - found["lo"]) == pytest.approx(np.sqrt(10), rel=0.1)


@pytest.mark.parametrize("target", ["close", "log_return"])
@pytest.mark.parametrize("df", [False, True])
def test_coverage_is_the_scorers(target: str, df: bool) -> None:
    """Two ways: the distribution function at the outcome here, quantiles of |z| there."""
    scorer = make_scorer(3, output_mode="distribution", target=target)
    forecast = random_forecast(scorer, df=df)
    report, scores = calibration_report(scorer.outcomes, forecast, scorer.task), scorer.score(forecast)
    for level in LEVELS:
        found = report["coverage"][str(level)]
        assert found["coverage"] == pytest.approx(scores.mean.pooled[f"coverage_{level}"], rel=1e-12)
        np.testing.assert_allclose(found["by_step"], scores.mean.by_step[f"coverage_{level}"])
        for name, score in scores.by_ticker.items():
            assert found["by_ticker"][name] == pytest.approx(score.pooled[f"coverage_{level}"], rel=1e-12)


def test_the_half_width_is_what_luck_explains() -> None:
    n, level, rng = 400, 90, np.random.default_rng(1)
    frequency = 100 * rng.binomial(n, level / 100, 4000) / n
    assert np.mean(np.abs(frequency - level) <= half_width(level, n)) == pytest.approx(0.95, abs=0.02)
    outcomes, _ = drawn(n)
    assert coverage(np.ones((n, 1), bool), outcomes, level)["half_width"] == half_width(level, n)


def test_windows_that_share_labels_or_time_are_not_counted_twice() -> None:
    outcomes, _ = drawn(100)
    assert [independent(outcomes, h) for h in (1, 3, 1000)] == [100, 33, 1]
    twice = outcomes._replace(origin_time_N=np.repeat(np.arange(50), 2))  # two series, the same times
    assert independent(twice, 1) == 50
    days = (24 * np.arange(50)[:, None] + np.arange(7)).ravel()  # seven hours a day: labels of 24 bars last four days
    market = windows([(0, 1, 350)])._replace(origin_time_N=days)
    assert [independent(market, 1), independent(market, 24)] == [350, pytest.approx(350 / 24, rel=0.1)]
    assert [independent(windows(series), 2) for series in ([(7, 1, 1)], [(0, 1, 11), (2, 1, 1)])] == [1, 5]


def windows(series: list[tuple[int, int, int]]) -> Outcomes:
    """Windows of several series: first origin, distance and number of them."""
    time_N = np.concatenate([first + step * np.arange(n) for first, step, n in series])
    names = tuple(f"series {s}" for s in range(len(series)))
    nothing_N = np.ones(len(time_N))
    return Outcomes(
        np.repeat(np.arange(len(series)), [n for *_, n in series]), names, time_N, nothing_N, nothing_N[:, None]
    )


LAYOUTS = {
    "one": ([(0, 1, 400)], 1),
    "overlapping": ([(0, 1, 600)], 5),
    "other spans": ([(0, 1, 2000), (1900, 1, 100)], 1),
    "a few windows": ([(0, 1, 2000), (1980, 1, 20)], 1),
    "days an hour apart": ([(0, 24, 250), (1, 24, 250)], 1),
    "days half a day apart": ([(23, 24, 250), (12, 24, 250)], 1),
    "two resolutions": ([(0, 1, 1000), (3, 4, 250)], 1),
    "all of it": ([(0, 1, 1000), (6, 4, 200), (5, 24, 40)], 3),
}


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "all of it"])
def test_luck_explains_what_right_intervals_miss_95_times_in_100(layout: str) -> None:
    """All series are one walk, which is forecast by its own law: never are too many called wrong."""
    series, horizon = LAYOUTS[layout]
    outcomes, runs = windows(series), 500
    steps = int(outcomes.origin_time_N.max()) + horizon * max(step for _, step, _ in series) + 1
    walk_RT = np.random.default_rng(0).standard_normal((runs, steps), np.float32).cumsum(axis=1)
    share_R = np.zeros(runs)
    for first, step, n in series:
        time_N = first + step * np.arange(n)
        for h in range(1, horizon + 1):
            move_RN = walk_RT[:, time_N + h * step] - walk_RT[:, time_N]
            held_RN = np.abs(move_RN) <= stats.norm.ppf(0.95) * np.sqrt(h * step)
            share_R += 100 * held_RN.mean(axis=1) / (horizon * len(series))
    half = coverage(np.ones((len(outcomes.series_N), horizon), bool), outcomes, 90)["half_width"]
    assert np.mean(np.abs(share_R - 90) > half) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_effective_windows_are_the_pairs_by_the_time_that_their_labels_share(layout: str) -> None:
    """Pair by pair, each window weighing one over the number of those of its series."""
    series, horizon = LAYOUTS[layout]
    series = [(first // 5, step, n // 10) for first, step, n in series]
    outcomes = windows(series)
    weight_N = 1 / np.bincount(outcomes.series_N)[outcomes.series_N] / len(series)
    span_N = horizon * np.array([step for _, step, _ in series])[outcomes.series_N]
    lo_N, hi_N = outcomes.origin_time_N, outcomes.origin_time_N + span_N
    shared_NN = np.maximum(np.minimum(hi_N[:, None], hi_N) - np.maximum(lo_N[:, None], lo_N), 0)
    variance = weight_N @ (shared_NN / np.sqrt(span_N[:, None] * span_N)) @ weight_N
    assert effective_windows(outcomes, horizon, weight_N) == pytest.approx(1 / variance)


def test_reliability_is_scikit_learns_calibration_curve() -> None:
    scorer = make_scorer(2, output_mode="discrete_grid", edges=EDGES)
    forecast, outcomes = random_bins(scorer), scorer.outcomes
    found = reliability(outcomes, forecast, scorer.task)
    prob_NHK = np.exp(forecast.log_probs_NHK)
    bin_NH = bin_index(outcomes.last_close_N[:, None], outcomes.close_NH, EDGES)
    came_NHK = np.eye(len(EDGES) - 1)[bin_NH]
    frequency, said = calibration_curve(came_NHK.ravel(), prob_NHK.ravel(), n_bins=10, strategy="quantile")
    np.testing.assert_allclose([group["forecast"] for group in found], 100 * said)
    np.testing.assert_allclose([group["frequency"] for group in found], 100 * frequency)
    assert sum(group["count"] for group in found) == prob_NHK.size
    share = independent(outcomes, 2) / bin_NH.size
    for group in found:
        assert group["half_width"] == half_width(group["forecast"], group["count"] * share)
    rows = by_bin(outcomes, forecast, scorer.task)
    np.testing.assert_allclose([row["forecast"] for row in rows], 100 * prob_NHK.mean((0, 1)))
    np.testing.assert_allclose([row["frequency"] for row in rows], 100 * came_NHK.mean((0, 1)))


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_directions_are_scikit_learns_calibration_curve_over_the_moves_that_are_not_zero(target: str) -> None:
    scorer = make_scorer(2, output_mode="distribution", target=target)
    forecast, outcomes = random_forecast(scorer, df=True), scorer.outcomes
    found = direction(outcomes, forecast, scorer.task)
    location, scale, df = (a.ravel() for a in (forecast.location_NH, forecast.scale_NH, forecast.df_NH))
    rise = stats.t.sf(0, df, location, scale * np.sqrt((df - 2) / df))
    move = (outcomes.close_NH - outcomes.last_close_N[:, None]).ravel()
    frequency, said = calibration_curve(move[move != 0] > 0, rise[move != 0], n_bins=10, strategy="quantile")
    np.testing.assert_allclose([group["forecast"] for group in found], 100 * said)
    np.testing.assert_allclose([group["frequency"] for group in found], 100 * frequency)
    assert 0 < (move == 0).sum() == move.size - sum(group["count"] for group in found)
    share = independent(outcomes, 2) / move.size
    for group in found:
        assert group["half_width"] == half_width(group["forecast"], group["count"] * share)
    assert calibration_report(outcomes, forecast, scorer.task)["direction"] == found


def test_a_forecast_that_is_no_number_has_no_direction() -> None:
    outcomes, forecast = drawn(60)
    holed = forecast._replace(location_NH=np.where(np.arange(60)[:, None] == 7, np.nan, forecast.location_NH))
    found = direction(outcomes, holed, TASK)
    assert sum(group["count"] for group in found) == sum(g["count"] for g in direction(outcomes, forecast, TASK)) - 1
    assert all(np.isfinite(list(group.values())).all() for group in found)


def test_where_nothing_moves_no_direction_can_be_right() -> None:
    outcomes, forecast = drawn(50)
    still = outcomes._replace(close_NH=outcomes.last_close_N[:, None])
    assert direction(still, forecast, TASK) == []


def test_constant_probabilities_make_one_group_each() -> None:
    scorer = make_scorer(1, output_mode="discrete_grid", edges=EDGES)
    probs_K = np.array([0.1, 0.2, 0.2, 0.2, 0.3])
    shape = (*scorer.outcomes.close_NH.shape, 5)
    found = reliability(scorer.outcomes, Forecast(log_probs_NHK=np.broadcast_to(np.log(probs_K), shape)), scorer.task)
    np.testing.assert_allclose([group["forecast"] for group in found], [10, 20, 30])
    assert [group["count"] for group in found] == [shape[0], 3 * shape[0], shape[0]]


def test_the_report_says_what_conformal_changed() -> None:
    """A law half as wide as what happens: conformal doubles it, and says so."""
    validation, test = drawn(3000, wrong=2.0, seed=1), drawn(3000, wrong=2.0, seed=2)
    report = calibration_report(*test, TASK, Conformal.fit(*validation, TASK))
    for level in LEVELS:
        effect = report["conformal"][str(level)]
        assert effect["before"] == report["coverage"][str(level)]["coverage"] < level - effect["half_width"]
        assert abs(effect["after"] - level) < 2 * effect["half_width"]
        assert effect["width"] == pytest.approx(2.0, rel=0.1)
    words = conformal_in_words(report)
    assert len(words) == len(LEVELS)
    effect = report["conformal"]["90"]
    assert words[2].startswith(f"90 %: covers {effect['after']:.1f} % instead of {effect['before']:.1f} %, closer")
    assert words[2].endswith("% wider.")
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_level_that_validation_is_too_short_for_is_left_as_it_is() -> None:
    report = calibration_report(*drawn(50), TASK, Conformal.fit(*drawn(15), TASK))
    assert report["conformal"]["95"] is None and report["conformal"]["90"] is not None
    assert conformal_in_words(report)[-1] == "95 %: not adjusted, it takes 19 validation windows."


def test_each_mode_has_its_own_report() -> None:
    mean = make_scorer(1, output_mode="mean")
    point = Forecast(location_NH=np.zeros_like(mean.outcomes.close_NH))
    assert set(calibration_report(mean.outcomes, point, mean.task)) == {"windows", "independent"}
    bins = make_scorer(1, output_mode="discrete_grid", edges=EDGES)
    report = calibration_report(bins.outcomes, random_bins(bins), bins.task)
    assert set(report) == {"windows", "independent", "direction", "reliability", "by_bin"}
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    with pytest.raises(DataError, match="'discrete_grid'"):
        calibration_report(bins.outcomes, random_bins(bins), bins.task, Conformal.fit(*drawn(20), TASK))
    with pytest.raises(DataError, match="'mean'"):
        pit(mean.outcomes, point, mean.task)


def test_bins_of_a_histogram_are_those_of_all_probabilities() -> None:
    """Also where no value comes near 0 or 1; one of exactly 1 belongs to the last."""
    found = pit_histogram(np.array([[0.4], [0.45], [0.49]]), 3, bins=4)
    assert found == {**found, "edges": [0.0, 0.25, 0.5, 0.75, 1.0], "count": [0, 3, 0, 0], "expected": 0.75}
    assert pit_histogram(np.array([[0.0], [1.0]]), 2, bins=4)["count"] == [1, 0, 0, 1]


def two_series(seed: int, n: int = 400) -> tuple[Outcomes, Forecast]:
    """Log returns of two series, the second of a hundredth of the spread, drawn from the law that is forecast."""
    rng = np.random.default_rng(seed)
    series_N = np.repeat([0, 1], n)
    scale_NH = 0.02 * np.exp(0.4 * rng.normal(size=(2 * n, 1))) * np.where(series_N, 0.01, 1.0)[:, None]
    close_NH = 100 * np.exp(scale_NH * rng.normal(size=scale_NH.shape))
    outcomes = Outcomes(series_N, ("a", "b"), np.r_[:n, :n], np.full(2 * n, 100.0), close_NH)
    return outcomes, Forecast(location_NH=np.zeros_like(scale_NH), scale_NH=scale_NH)


def test_the_width_is_the_mean_over_series_of_the_factors_share_of_the_laws() -> None:
    outcomes, forecast = two_series(2)
    conformal = Conformal.fit(*two_series(1), TASK)
    report = calibration_report(outcomes, forecast, TASK, conformal)
    for level in (50, 80, 90, 95):
        factor_S = conformal.factor(level / 100, ("a", "b"))[:, 0]
        wanted = np.mean(factor_S / stats.norm.ppf(0.5 + level / 200))
        assert report["conformal"][str(level)]["width"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("before", "after", "width", "words"),
    [
        (80.0, 89.5, 1.25, "closer to what it says (luck explains ± 2.0); the interval is 25.0 % wider."),
        (95.0, 84.0, 0.9, "no closer to what it says (luck explains ± 2.0); the interval is 10.0 % narrower."),
        (85.0, 95.0, 1.0006, "no closer to what it says (luck explains ± 2.0); the interval is 0.1 % wider."),
        (88.0, 92.0, 0.9996, "both as good as what it says (luck explains ± 2.0); the interval is as wide."),
        (88.0, 92.5, 1.0, "no closer to what it says (luck explains ± 2.0); the interval is as wide."),
    ],
)
def test_what_conformal_changed_in_words(before: float, after: float, width: float, words: str) -> None:
    effect = {"before": before, "after": after, "half_width": 2.0, "width": width}
    line = f"90 %: covers {after:.1f} % instead of {before:.1f} %, {words}"
    assert conformal_in_words({"conformal": {"90": effect}}) == [line]
    assert conformal_in_words({}) == []
