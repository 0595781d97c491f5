from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, with_columns
from scipy import stats

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.preparation import Preparation
from nextbar.engine.engine import Engine
from nextbar.errors import ConfigError, DataError
from nextbar.types import Forecast

EDGES = (-np.inf, -2.0, -0.5, 0.0, 0.5, 2.0, np.inf)
DAILY: dict[str, Any] = {"resolution": "1d", "norm_mode": "window_meanstd", "output_mode": "distribution"}


def make(n: int = 320, **overrides: Any) -> tuple[ExperimentConfig, Dataset]:
    config = make_config(**DAILY | overrides)
    tickers = dict.fromkeys((*config.dataset_config.tickers, *config.scored_tickers))
    bars = [make_bars(t, "1d", n - 10 * i, seed=i, price=50.0, move=0.02) for i, t in enumerate(tickers)]
    return config, build_dataset(config, bars)


def untrained(config: ExperimentConfig, dataset: Dataset) -> Forecast:
    engine = Engine(config, dataset)
    return engine.evaluate(engine.start(None).params, dataset.origins["test"]).forecast


def law_of(dataset: Dataset, s: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Location, standard deviation and degrees of freedom of log returns, from the saved fit, by its formulas."""
    start = dataset.preparation.start
    assert start is not None
    bars, rows = dataset.bars[s], dataset.panel.within(dataset.origins["test"], s)
    har = start.of(bars.ticker, bars.resolution)
    law = har.law(bars, dataset.calendars[s])
    return law.location_NH[rows], np.exp(law.log_scale_NH[rows]), np.broadcast_to(law.df_H, (len(rows), 2))


def test_an_untrained_skewed_model_is_the_skewed_range_har() -> None:
    config, dataset = make(target="log_return", tail="skew_t", horizon=2)
    forecast = untrained(config, dataset)
    location, scale, df = law_of(dataset)
    np.testing.assert_allclose(forecast.location_NH, location, rtol=1e-5)
    np.testing.assert_allclose(forecast.scale_NH, scale, rtol=1e-5)
    np.testing.assert_allclose(forecast.df_NH, df, rtol=1e-5)
    assert dataset.preparation.start is not None
    skew_H = [law.skew for law in dataset.preparation.start.of("made_up", "1d").laws]
    assert forecast.skew_NH is not None and np.abs(skew_H).min() > 1e-3  # type: ignore[type-var]
    np.testing.assert_allclose(forecast.skew_NH, np.broadcast_to(skew_H, df.shape), rtol=1e-5)


@pytest.mark.parametrize("tail", ["normal", "student_t"])
@pytest.mark.parametrize(
    ("norm_mode", "start"),
    [
        ("window_meanstd", "range_har"),
        ("window_minmax", "range_har"),
        ("global_meanstd", "range_har_trailing"),
        ("none", "range_har"),
    ],
)
def test_an_untrained_model_is_the_range_har_of_log_returns(tail: str, norm_mode: str, start: str) -> None:
    config, dataset = make(target="log_return", tail=tail, horizon=2, norm_mode=norm_mode, start=start)
    forecast = untrained(config, dataset)
    location, scale, df = law_of(dataset) if tail == "student_t" else (*law_of_normal(dataset), None)
    np.testing.assert_allclose(forecast.location_NH, location, rtol=1e-5)
    np.testing.assert_allclose(forecast.scale_NH, scale, rtol=1e-5)
    if df is None:
        assert forecast.df_NH is None
    else:
        np.testing.assert_allclose(forecast.df_NH, df, rtol=1e-5)


def law_of_normal(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    start, rows = dataset.preparation.start, dataset.origins["test"]
    assert start is not None
    law = start.of("made_up", "1d").law(dataset.bars[0], dataset.calendars[0])
    assert law.df_H.size == 0
    return law.location_NH[rows], np.exp(law.log_scale_NH[rows])


def test_in_prices_it_is_the_same_law_carried_over() -> None:
    config, dataset = make(tail="student_t", horizon=2)
    forecast = untrained(config, dataset)
    location, scale, df = law_of(dataset)
    close = dataset.bars[0].columns["close"][dataset.origins["test"]][:, None]
    np.testing.assert_allclose(forecast.location_NH, close * np.expm1(location), rtol=1e-5)
    np.testing.assert_allclose(forecast.scale_NH, close * scale, rtol=1e-5)
    np.testing.assert_allclose(forecast.df_NH, df, rtol=1e-5)


def test_of_bins_it_has_the_probabilities() -> None:
    config, dataset = make(output_mode="discrete_grid", discrete_grid_levels=EDGES, horizon=2)
    forecast = untrained(config, dataset)
    assert forecast.log_probs_NHK is not None
    location, scale, df = law_of(dataset)
    unit = scale * np.sqrt((df - 2) / df)
    below = [stats.t.cdf(np.log1p(np.array(edge) / 100), df, location, unit) for edge in EDGES[1:-1]]
    expected = np.diff(np.stack([np.zeros_like(df), *below, np.ones_like(df)], axis=-1))
    np.testing.assert_allclose(np.exp(forecast.log_probs_NHK), expected, atol=1e-5)


def test_a_series_that_was_not_trained_starts_at_the_pooled_law() -> None:
    config, dataset = make(
        target="log_return", tickers=["aaa", "bbb"], test_tickers=["ccc"], tail="student_t", horizon=2
    )
    start = dataset.preparation.start
    assert start is not None
    assert set(start.own) == {("aaa", "1d"), ("bbb", "1d")}
    assert start.of("ccc", "1d") is start.pooled["1d"]
    forecast = untrained(config, dataset)
    np.testing.assert_allclose(forecast.scale_NH, law_of(dataset, 2)[1], rtol=1e-5)


def test_the_head_sees_the_level_and_how_short_variances_stand_to_it() -> None:
    _, dataset = make(target="log_return", horizon=2)
    start, bars = dataset.preparation.start, dataset.bars[0]
    assert start is not None
    har = start.of("made_up", "1d")
    means = har.units.log_means(bars, dataset.calendars[0])
    assert har.units.unit is not None
    expected = np.column_stack([means[:, :-1] - means[:, -1:], means[:, -1] - 2 * np.log(har.units.unit)])
    np.testing.assert_allclose(dataset.tape().regressors_RK, expected, rtol=1e-6, atol=1e-6)


def test_the_head_sees_the_trailing_level() -> None:
    (_, plain), (_, trailing) = (
        make(target="log_return", start=start) for start in ("range_har", "range_har_trailing")
    )
    start, bars = trailing.preparation.start, trailing.bars[0]
    assert start is not None
    level = start.of("made_up", "1d").law(bars, trailing.calendars[0]).level_N
    assert np.abs(level[100:]).max() > 1e-3
    expected = np.column_stack([plain.tape().regressors_RK, level])
    np.testing.assert_allclose(trailing.tape().regressors_RK, expected, rtol=1e-6, atol=1e-6)
    moved = trailing.tape().start_RHX[:, 0, 1] - plain.tape().start_RHX[:, 0, 1]
    np.testing.assert_allclose(moved, level, atol=1e-6)


def test_resolutions_with_different_lags_have_as_many_numbers() -> None:
    config = make_config(**DAILY | {"resolution": ["1h", "1d"], "target": "log_return"})
    bars = [make_bars("made_up", "1h", 3000, start=MONDAY + dt.timedelta(200)), make_bars("made_up", "1d", 320)]
    dataset = build_dataset(config, bars)
    tape, spec = dataset.tape(), dataset.preparation.spec
    assert spec.regressors == 4 and tape.regressors_RK.shape == (3320, 4)
    assert (tape.regressors_RK[3000:, 2] == 0).all() and (tape.regressors_RK[:3000, 2] != 0).any()
    forecast = untrained(config, dataset)
    assert forecast.scale_NH is not None and np.isfinite(forecast.scale_NH).all()


def test_it_survives_a_file() -> None:
    _, dataset = make(target="log_return", tickers=["aaa", "bbb"], horizon=2)
    preparation = dataset.preparation
    again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    for mine, other in zip(
        preparation.tape(dataset.bars, preparation.series), again.tape(dataset.bars, again.series), strict=True
    ):
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    "overrides",
    [{"start": "constant"}, {"features": "close"}, {"output_mode": "mean"}, {"n": 110}],
    ids=["asked for", "closes alone", "a mean", "few bars"],
)
def test_there_is_none(overrides: dict[str, Any]) -> None:
    _, dataset = make(**overrides)
    assert dataset.preparation.start is None
    assert dataset.tape().start_RHX.shape[2] == 0 and dataset.tape().regressors_RK.shape[1] == 0


def test_asked_for_and_impossible_is_refused() -> None:
    with pytest.raises(DataError, match="found 'range_har', but no series has enough training bars"):
        make(110, start="range_har")
    with pytest.raises(ConfigError, match="found 'range_har' with output_mode 'mean', needs one of distribution"):
        make_config(start="range_har")
    with pytest.raises(ConfigError, match="found 'range_har' with features 'close', needs all four prices"):
        make_config(start="range_har", output_mode="distribution", features="close")


def test_a_price_of_zero_after_training_leaves_a_law() -> None:
    config = make_config(**DAILY | {"tail": "student_t"})
    bars = make_bars("made_up", "1d", 320)
    low = np.where(np.arange(320) > 300, 0.0, bars.columns["low"])
    dataset = build_dataset(config, [with_columns(bars, low=low)])
    assert np.isfinite(dataset.tape().start_RHX).all()


def test_a_forecast_looks_back_on_the_longest_lag() -> None:
    _, dataset = make(target="log_return")
    preparation, calendar = dataset.preparation, dataset.calendars[0]
    bars: Bars = dataset.bars[0]
    assert preparation.history("made_up", "1d") == 23
    assert preparation.start is not None
    whole, _ = preparation.start.columns(bars, calendar, preparation.spec)
    recent, _ = preparation.start.columns(bars.last(23), calendar, preparation.spec)
    np.testing.assert_array_equal(recent[-1], whole[-1])
    less, _ = preparation.start.columns(bars.last(10), calendar, preparation.spec)
    assert np.isfinite(less).all() and (less[-1] != whole[-1]).any()
    assert make(target="log_return", start="range_har_trailing")[1].preparation.history("made_up", "1d") == 523
    assert preparation.history("unknown", "1d") > len(bars)  # its unit is the mean over all of them
    assert dataclasses.replace(preparation, start=None).history("made_up", "1d") == 6
