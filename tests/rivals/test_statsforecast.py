"""Models of statsforecast: what each answers, held against the library asked directly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rivals_of import CUT, instants, keys_between, obeys, options, panel
from scipy import stats

from nextbar.errors import ConfigError, DataError
from nextbar.rivals.statsforecast import NORMAL_MODELS, StatsForecastRival

models = pytest.importorskip("statsforecast.models", reason="statsforecast is not installed")


def called(name: str, **parameters: Any) -> StatsForecastRival:
    return StatsForecastRival.called(name, parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "kind"),
    [
        ("AutoETS", {}, "law"),
        ("ARIMA", {"order": (1, 0, 1)}, "law"),
        ("RandomWalkWithDrift", {}, "law"),
        ("Theta", {}, "quantiles"),
        ("WindowAverage", {"window_size": 5}, "closes"),
    ],
)
def test_the_laws_of_a_rival(name: str, parameters: dict[str, Any], kind: str) -> None:
    rival = called(name, **parameters)
    assert (rival.is_law, bool(rival.shares), rival.closes_only) == tuple(
        kind == other for other in ("law", "quantiles", "closes")
    )
    obeys(lambda: called(name, **parameters), options())


@pytest.mark.parametrize("name", sorted(NORMAL_MODELS))
def test_the_intervals_of_normal_models_are_normal(name: str) -> None:
    """Two intervals about the same mean, as wide as those of one normal law."""
    y = np.cumsum(np.random.default_rng(3).standard_normal(120))
    parameters: dict[str, Any] = {"SeasonalNaive": {"season_length": 5}, "AutoRegressive": {"lags": 2},
                                  "HoltWinters": {"season_length": 5}}.get(name, {})  # fmt: skip
    answer = getattr(models, name)(**parameters).forecast(y=y - y[-1], h=3, level=[50, 95])
    mean = np.asarray(answer["mean"])
    for level in (50, 95):
        np.testing.assert_allclose((answer[f"hi-{level}"] + answer[f"lo-{level}"]) / 2, mean, atol=1e-9)
    narrow, wide = (np.asarray(answer[f"hi-{level}"] - answer[f"lo-{level}"]) for level in (50, 95))
    np.testing.assert_allclose(wide / narrow, stats.norm.ppf(0.975) / stats.norm.ppf(0.75), rtol=1e-6)


def test_a_fit_of_the_cutoff_goes_forward() -> None:
    """An AR(1) of log prices with the coefficients of the cutoff, computed by hand from each origin."""
    whole = panel(1)
    cutoff, end = instants(whole)
    keys = keys_between(whole, cutoff, end)
    rival = called("ARIMA", order=(1, 1, 0)).for_task(options(horizon=1))
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end), keys)
    log_N = np.log(whole.bars[0].columns["close"])
    fitted = models.ARIMA(order=(1, 1, 0)).fit(log_N[:CUT])
    ar = float(fitted.model_["coef"]["ar1"])
    rows = np.flatnonzero((whole.bars[0].close_time_N >= cutoff) & (whole.bars[0].close_time_N < end))
    expected = np.exp(log_N[rows] + ar * (log_N[rows] - log_N[rows - 1]))
    own = table[table["ticker"] == "aaa"]
    np.testing.assert_allclose(own["close"], expected, rtol=1e-5)
    np.testing.assert_allclose(own["scale"], np.sqrt(fitted.model_["sigma2"]), rtol=1e-3)


def test_conformal_intervals_are_quantiles_of_the_experiments_horizon() -> None:
    from statsforecast.utils import ConformalIntervals

    rival = StatsForecastRival(models.WindowAverage(5, prediction_intervals=ConformalIntervals(n_windows=5, h=2)))
    assert rival.shares and not rival.is_law
    obeys(lambda: StatsForecastRival(rival.model), options())
    with pytest.raises(ConfigError, match=r"prediction_intervals are for h=2, and the experiment's horizon is 3"):
        rival.for_task(options(horizon=3))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="found type, should be a model"):
        StatsForecastRival(models.AutoETS)
    with pytest.raises(ConfigError, match="no model 'AutoETZ'; did you mean AutoETS"):
        called("AutoETZ")
    with pytest.raises(ConfigError, match=r"AutoETS\(seasons=2\): TypeError"):
        called("AutoETS", seasons=2)
    with pytest.raises(ConfigError, match="GARCH: its forecasts are drawn anew"):
        called("GARCH")


def test_a_model_that_fails_names_its_series() -> None:
    whole = panel(1)
    cutoff, _ = instants(whole)

    class Broken:
        alias = "Broken"

        def new(self) -> Broken:
            return self

        def forecast(self, **arguments: Any) -> None:
            raise ZeroDivisionError("by nought\nand more")

    rival = StatsForecastRival(Broken()).for_task(options(horizon=1))
    rival.fit(whole.frame(0, cutoff))
    with pytest.raises(DataError, match=r"^statsforecast:Broken cannot forecast aaa: ZeroDivisionError, by nought$"):
        rival.predict(whole.frame(0, cutoff), keys_between(whole, 0, cutoff))
