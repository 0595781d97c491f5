"""The probability of a rise: that of the law's draws, and of bins the mass above zero."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_bins, random_forecast
from scipy import stats

from nextbar.forecasts.mixture import mixture
from nextbar.metrics.rises import rise_probability
from nextbar.metrics.task import Task
from nextbar.types import Forecast

LAW = Task(output_mode="distribution")


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_a_law_rises_as_often_as_its_draws(target: str) -> None:
    scorer = make_scorer(2, output_mode="distribution", target=target)
    forecast = random_forecast(scorer)
    expected = stats.norm.sf(0, forecast.location_NH, forecast.scale_NH)
    np.testing.assert_allclose(rise_probability(forecast, scorer.task), expected, atol=1e-12)


def test_a_mixture_rises_as_often_as_its_laws_do_on_the_mean() -> None:
    laws = [Forecast(np.full((1, 1), m), np.full((1, 1), s)) for m, s in ((0.01, 0.02), (-0.03, 0.01))]
    expected = np.mean([stats.norm.sf(0, m, s) for m, s in ((0.01, 0.02), (-0.03, 0.01))])
    assert rise_probability(mixture(laws), LAW).item() == pytest.approx(expected, abs=1e-12)


def test_bins_above_zero_rise_and_one_that_straddles_it_half() -> None:
    scorer = make_scorer(2, output_mode="discrete_grid", edges=EDGES)
    forecast = random_bins(scorer)
    probs_NHK = np.exp(forecast.log_probs_NHK)
    expected = probs_NHK[..., 3] + probs_NHK[..., 4] + probs_NHK[..., 2] / 2
    np.testing.assert_allclose(rise_probability(forecast, scorer.task), expected)
    at_zero = Task(output_mode="discrete_grid", edges=(-np.inf, -1.0, 0.0, 0.25, 1.0, np.inf))
    np.testing.assert_allclose(rise_probability(forecast, at_zero), probs_NHK[..., 2:].sum(-1))


def test_a_point_has_no_probability() -> None:
    with pytest.raises(ValueError, match="no probability"):
        rise_probability(Forecast(np.zeros((1, 1))), Task(output_mode="mean"))
