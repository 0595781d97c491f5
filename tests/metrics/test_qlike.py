"""QLIKE against the normal log score, and the order that it gives forecasts by noisy realised variances."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import make_scorer, random_forecast
from scipy import stats

from nextbar.metrics.qlike import qlike, qlike_losses, realised_variance
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

TASK = Task(output_mode="distribution", target="log_return", horizon=2)


def span(n: int = 4000, seed: int = 0) -> tuple[Outcomes, np.ndarray, np.ndarray]:
    """Two steps; outcomes, true variances (squared percent), and noisy ones of log returns by ranges, half as large."""
    rng = np.random.default_rng(seed)
    variance_NH = np.exp(rng.normal(size=(n, 1))) * np.array([1.0, 2.0])
    return_NH = np.sqrt(variance_NH) / 100 * rng.normal(size=(n, 2))
    outcomes = Outcomes(np.arange(n) % 2, ("a", "b"), np.arange(n) // 2, np.full(n, 7.0), 7 * np.exp(return_NH))
    return outcomes, variance_NH, 0.5 * variance_NH / 1e4 * rng.chisquare(5, (n, 2)) / 5


def test_it_is_twice_the_log_score_of_a_normal_law_without_its_constant() -> None:
    variance, move = np.array([0.5, 2.0, 9.0]), np.array([0.1, -3.0, 2.0])
    expected = -2 * stats.norm.logpdf(move, 0, np.sqrt(variance)) - np.log(2 * np.pi)
    np.testing.assert_allclose(qlike(variance, move**2), expected)
    assert qlike(np.array(2.0), np.array(0.0)) == pytest.approx(np.log(2)), "a bar that stood still is no infinite loss"


def test_the_right_variance_scores_lowest_by_ranges_and_by_squares() -> None:
    outcomes, variance_NH, range_NH = span()
    for ranges in (range_NH, None):
        realised_NH, ranged = realised_variance(outcomes, TASK, ranges)
        assert ranged == (ranges is not None)
        losses = {
            factor: qlike_losses(
                outcomes, Forecast(0 * variance_NH, factor * np.sqrt(variance_NH) / 100), TASK, realised_NH
            )
            for factor in (0.8, 1.0, 1.25)
        }
        means = {factor: loss_N.mean() for factor, loss_N in losses.items()}
        assert min(means, key=lambda factor: means[factor]) == 1.0
        assert losses[1.0].shape == (4000,)


def test_ranges_are_brought_to_the_level_of_squared_changes_by_series_and_step() -> None:
    outcomes, _, range_NH = span()
    range_NH = range_NH * np.where(outcomes.series_N == 0, 1.0, 30.0)[:, None]
    realised_NH, _ = realised_variance(outcomes, TASK, range_NH)
    square_NH = (100 * np.log(outcomes.close_NH / 7)) ** 2
    for s in (0, 1):
        row = outcomes.series_N == s
        np.testing.assert_allclose(realised_NH[row].mean(axis=0), square_NH[row].mean(axis=0))
        assert np.ptp(realised_NH[row] / range_NH[row], axis=0) == pytest.approx(0, abs=1e-6)


def test_ranges_tell_two_forecasts_apart_sooner_than_squares() -> None:
    """The statistic of the mean difference to a constant forecast is larger, since there is less noise."""
    outcomes, variance_NH, range_NH = span(1000)
    forecasts = [
        Forecast(0 * variance_NH, scale_NH / 100) for scale_NH in (np.sqrt(variance_NH), np.sqrt(1.6 + 0 * variance_NH))
    ]
    statistic = {}
    for ranges in (range_NH, None):
        realised_NH, ranged = realised_variance(outcomes, TASK, ranges)
        right_N, constant_N = (qlike_losses(outcomes, forecast, TASK, realised_NH) for forecast in forecasts)
        statistic[ranged] = stats.ttest_1samp(constant_N - right_N, 0).statistic
    assert statistic[True] > 1.2 * statistic[False] > 0


def test_a_series_without_ranges_goes_by_squared_changes() -> None:
    outcomes, _, range_NH = span(100)
    range_NH[outcomes.series_N == 1] = np.nan
    realised_NH, ranged = realised_variance(outcomes, TASK, range_NH)
    row = outcomes.series_N == 1
    assert not ranged and np.isfinite(realised_NH).all()
    np.testing.assert_allclose(realised_NH[row], (100 * np.log(outcomes.close_NH[row] / 7)) ** 2)
    still = outcomes._replace(close_NH=np.full((100, 2), 7.0))
    assert not realised_variance(still, TASK, 0 * range_NH)[1]


@pytest.mark.parametrize("df", [False, True])
def test_the_variance_is_that_of_the_law_in_percent(df: bool) -> None:
    """Of a price as a share of the last close; degrees of freedom change nothing, the scale is the deviation."""
    losses = []
    for target in ("close", "log_return"):
        scorer = make_scorer(2, output_mode="distribution", target=target)
        forecast = random_forecast(scorer, df=df)
        realised_NH = np.ones(scorer.outcomes.close_NH.shape)
        losses.append(qlike_losses(scorer.outcomes, forecast, scorer.task, realised_NH))
    np.testing.assert_allclose(*losses)
    assert forecast.scale_NH is not None
    np.testing.assert_allclose(losses[1], qlike((100 * forecast.scale_NH) ** 2, realised_NH).mean(axis=1))
