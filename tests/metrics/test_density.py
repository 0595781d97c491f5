"""Predictive laws: their quantiles, and float64 computations whatever type a forecast comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_bins, random_forecast
from scipy import stats

from nextbar.metrics.calibration import by_bin, pit, reliability
from nextbar.metrics.conformal import Conformal, standardised
from nextbar.metrics.density import quantile
from nextbar.metrics.task import Task
from nextbar.types import Forecast

TASK = Task(output_mode="distribution", target="log_return")


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("df", [False, True], ids=["normal", "student_t"])
def test_quantiles_are_scipys(share: float, df: bool) -> None:
    forecast = random_forecast(make_scorer(2, output_mode="distribution", target="log_return"), df=df)
    if df:
        unit_NH = forecast.scale_NH * np.sqrt((forecast.df_NH - 2) / forecast.df_NH)
        wanted = stats.t.ppf(share, forecast.df_NH, forecast.location_NH, unit_NH)
    else:
        wanted = stats.norm.ppf(share, forecast.location_NH, forecast.scale_NH)
    np.testing.assert_allclose(quantile(forecast, share), wanted, rtol=1e-9, atol=1e-15)


def single(forecast: Forecast) -> Forecast:
    return Forecast(*(None if part is None else np.asarray(part, np.float32) for part in forecast))


def double(forecast: Forecast) -> Forecast:
    return Forecast(*(None if part is None else np.asarray(part, np.float64) for part in forecast))


def flat(value: Any) -> list[float]:
    """All numbers of a nested value, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    return [number for one in value for number in flat(one)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("df", [False, True], ids=["normal", "student_t"])
@pytest.mark.parametrize("target", ["close", "log_return"])
def test_what_a_model_says_in_float32_is_judged_in_float64(df: bool, target: str) -> None:
    """As if the same numbers had come in float64, to the last bit but one."""
    scorer = make_scorer(2, output_mode="distribution", target=target)
    said = single(random_forecast(scorer, df=df))
    for judged in (
        lambda forecast: quantile(forecast, 0.9),
        lambda forecast: pit(scorer.outcomes, forecast, scorer.task),
        lambda forecast: standardised(scorer.outcomes, forecast, scorer.task),
        lambda forecast: np.stack(
            Conformal.fit(scorer.outcomes, forecast, scorer.task).interval(
                0.8, scorer.outcomes.series_N, scorer.outcomes.names, forecast
            )
        ),
        lambda forecast: np.array([*scorer.score(forecast).mean.pooled.values()], float),
    ):
        found, wanted = judged(said), judged(double(said))
        assert found.dtype == wanted.dtype == np.float64
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_what_bins_say_in_float32_is_judged_in_float64() -> None:
    scorer = make_scorer(2, output_mode="discrete_grid", edges=EDGES)
    said = single(random_bins(scorer))
    for judge in (reliability, by_bin):
        found, wanted = (flat(judge(scorer.outcomes, one, scorer.task)) for one in (said, double(said)))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
        assert {type(value) for value in found} <= {int, float, np.float64}
    found, wanted = (scorer.score(one).mean.pooled for one in (said, double(said)))
    assert found == pytest.approx(wanted, rel=1e-14)
