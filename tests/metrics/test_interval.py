"""The interval of a loss difference: the inverted test, how often it holds the truth, and its sentence."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import make_scorer, random_bins, random_forecast
from scipy import stats

from nextbar.metrics.interval import loss_interval
from nextbar.metrics.significance import cosine_averages, diebold_mariano
from nextbar.types import Forecast

QUESTIONS = ({"output_mode": "mean"}, {"output_mode": "distribution"}, {"output_mode": "discrete_grid"})


def test_it_holds_the_differences_that_the_test_does_not_reject() -> None:
    rng = np.random.default_rng(3)
    for n in (60, 300, 1000):
        model_T, baseline_T = rng.exponential(size=n), rng.exponential(1.1, size=n)
        test = diebold_mariano(model_T, baseline_T, 1)
        assert test is not None
        for shift in np.linspace(-0.4, 0.4, 41):
            moved = diebold_mariano(model_T, baseline_T - shift, 1)
            assert moved is not None
            assert (moved["p_value"] >= 0.05) == (test["low"] <= shift <= test["high"])
        assert test["high"] - test["difference"] == pytest.approx(
            stats.t(cosine_averages(n, 1)).ppf(0.975) * test["difference"] / test["statistic"], rel=1e-9
        )


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    """1,500 draws of correlated losses with heavy tails, whose expected difference is known: 93 to 97 %."""
    rng, expected = np.random.default_rng(0), 0.1 * stats.t(5).expect(np.abs)
    for n, horizon in ((80, 1), (300, 1), (600, 6)):
        held, draws = 0, 1_500
        for _ in range(draws):
            shock_KT = rng.standard_t(5, (2, n + horizon - 1))
            model_T, baseline_T = (np.convolve(np.abs(row), np.ones(horizon) / horizon, "valid") for row in shock_KT)
            test = diebold_mariano(0.9 * model_T, baseline_T, horizon)
            assert test is not None
            held += test["low"] <= expected <= test["high"]
        assert 0.93 <= held / draws <= 0.97, (n, horizon, held / draws)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_scorers_interval_is_that_of_the_loss_of_its_verdict(question: dict[str, str]) -> None:
    edges = {"edges": (-np.inf, -1.0, -0.25, 0.25, 1.0, np.inf)} if question["output_mode"] == "discrete_grid" else {}
    scorer = make_scorer(1, **question, **edges)
    forecast = random_bins(scorer) if edges else random_forecast(scorer)
    interval, report = loss_interval(scorer, forecast), scorer.report(forecast)
    assert interval is not None and interval.loss == report["tested"]["loss"]
    held = next(iter(report["tested"]["against"].values()))
    assert interval.difference == pytest.approx(held["loss"] - report["tested"]["model"], rel=1e-9)
    assert (interval.low > 0 or interval.high < 0) == (held["test"]["p_value"] < 0.05)
    assert f"{interval.loss[0].upper()}{interval.loss[1:]}" in interval.in_words()
    assert ("lower" if interval.difference > 0 else "higher") in interval.in_words()


def test_there_is_none_where_there_is_no_test() -> None:
    scorer = make_scorer(1, output_mode="mean")
    assert loss_interval(scorer, scorer.baseline_forecast) is None
    broken = random_forecast(scorer)
    location_NH = broken.location_NH.copy()
    location_NH[3] = np.nan
    assert loss_interval(scorer, Forecast(location_NH=location_NH)) is None
