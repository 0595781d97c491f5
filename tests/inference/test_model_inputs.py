"""What a forecaster sees of a frame: tickers it knows and does not know, and bars that nothing can be forecast from."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from experiments import GRID
from made_runs import MadeRun, make_run
from markets import MARKETS, opening_times

from nextbar.bars.bars import Bars
from nextbar.bars.present import Present
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import ConfigError, DataError
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.model_inputs import ModelInputs, read_model_inputs


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    """Global statistics, indicators, two tickers."""
    return make_run(
        tmp_path_factory.mktemp("global"),
        tickers=["aaa", "bbb"],
        norm_mode="global_meanstd",
        indicators=["rsi", "ema_3"],
    )


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    """Statistics of the window, bars of four hours."""
    return make_run(
        tmp_path_factory.mktemp("window"), resolution="4h", output_mode="discrete_grid", discrete_grid_levels=GRID
    )


def parts(run: MadeRun) -> list[pd.DataFrame]:
    return [make_frame(b).drop(columns="resolution") for b in run.bars]


def refusal(forecaster: Forecaster, frame: Any, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        forecaster.predict(frame, **options)
    return str(error.value)


def test_keys_are_those_of_each_series_one_after_the_other(known: MadeRun) -> None:
    preparation = known.dataset.preparation
    options: dict[str, Any] = {"present": Present(None), "last_only": False}
    inputs = read_model_inputs(known.frame, known.config.dataset_config, preparation, **options)
    assert [b.name for b in inputs.bars] == ["aaa_1h", "bbb_1h"] and len(set(map(len, inputs.origins))) == 1
    np.testing.assert_array_equal(np.bincount(inputs.series_N), list(map(len, inputs.origins)))
    alone = [ModelInputs([series]).keys(preparation.spec, with_resolution=True) for series in inputs.each]
    for whole, *parts in zip(inputs.keys(preparation.spec, with_resolution=True), *alone, strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert inputs.keys(preparation.spec).resolution_N is None


def test_what_cannot_be_forecast_is_said(known: MadeRun) -> None:
    forecaster = known.load()
    aaa, bbb = parts(known)
    empty = bbb.assign(volume=bbb["volume"].where(bbb.index != bbb.index[-2]))
    cases: dict[str, Any] = {
        "bbb_1h: 5 bars, but the model needs the last 6": pd.concat([aaa, bbb.tail(5)]),
        "bbb_1h: bars are missing before 2020-01-12T03:00:00Z, within the last 6; fill them in": pd.concat(
            [aaa, bbb.drop(index=bbb.index[-4])]
        ),
        "rsi is not known for all of the last 6 bars; give more history": aaa.tail(8),
        "volume is not known for all of the last 6 bars": empty,
        "aaa_1h: no column volume, which the model was trained with": aaa.drop(columns="volume"),
        "no column 'high'": aaa.drop(columns="high"),
        "no rows": aaa.head(0),
        "record 3: high 1.0 is below": aaa.assign(high=aaa["high"].where(aaa.index != 2, 1.0)),
        "found str, should be a pandas or polars frame": "bars.csv",
        "no resolution '1h'; there are 4h": aaa.assign(resolution="4h"),
    }
    for message, frame in cases.items():
        assert message in refusal(forecaster, frame)
    assert "the model was trained on bars at 1h, features ohlcv" in refusal(forecaster, aaa.drop(columns="high"))
    older = bbb.drop(index=bbb.index[-20])  # a hole before the last bars that are needed
    assert len(forecaster.predict(pd.concat([aaa, older]))) == 2
    for last_only in (True, False):
        assert "5 bars, but" in refusal(forecaster, pd.concat([aaa, bbb.tail(5)]), last_only=last_only)


@pytest.mark.parametrize("last_only", [True, False])
@pytest.mark.parametrize("resolution", ["30m", "1h", "1d"])
def test_another_resolution_is_refused(windowed: MadeRun, resolution: str, last_only: bool) -> None:
    """By the distance of the bars, whether the ticker is known or not; also by the least history there may be."""
    forecaster, said = windowed.load(), set()
    for ticker in ("made_up", "new"):
        frame = make_frame(make_bars(ticker, resolution)).drop(columns="resolution")
        for bars in (frame, frame.tail(6)):
            message = refusal(forecaster, bars, last_only=last_only)
            assert "mostly" in message and "apart, but the resolution is 4h" in message
            said.add(message.splitlines()[-1].strip())
    assert said == {"the model was trained on bars at 4h, features ohlcv"}


def test_a_ticker_never_seen_is_fine_where_statistics_are_the_windows(windowed: MadeRun) -> None:
    """The same bars under another name give the same forecast but for rounding, the calendar being the same."""
    forecaster = windowed.load()
    for last_only in (True, False):
        renamed = forecaster.predict(windowed.frame.assign(ticker="new"), last_only=last_only)
        wanted = forecaster.predict(windowed.frame, last_only=last_only).assign(ticker="new")
        pd.testing.assert_frame_equal(renamed, wanted, rtol=1e-5)


def test_a_ticker_never_seen_needs_statistics_in_global_modes(known: MadeRun) -> None:
    """Fitted on all its bars when asked for; a known one keeps those of its training."""
    forecaster = known.load()
    aaa, bbb = parts(known)
    new = bbb.assign(ticker="new")
    message = refusal(forecaster, new)
    assert "new_1h: norm_mode global_meanstd has no training statistics for it, only for aaa, bbb" in message
    assert "fit_scaler=True (--fit-scaler)" in message

    said = forecaster.predict(pd.concat([aaa, new]), fit_scaler=True)
    pd.testing.assert_frame_equal(said.iloc[:1], forecaster.predict(aaa))
    spec, series = known.dataset.preparation.spec, known.dataset.bars[1]
    fit = SeriesFit.fit(series, len(series), spec, known.dataset.calendars[1])
    forecast = forecaster.forecast([series], [fit], np.array([len(series) - 1]))
    assert forecast.location_NH is not None
    assert said["close"].iloc[1] == series.columns["close"][-1] + np.float64(forecast.location_NH[0, 0])
    assert said["close"].iloc[1] != forecaster.predict(bbb)["close"].iloc[0]

    nothing = with_columns(make_bars("new", n=150), volume=np.full(150, np.nan))
    assert "needs statistics of volume, which the first 150 of its bars do not give" in refusal(
        forecaster, [nothing], fit_scaler=True
    )


def test_a_ticker_never_seen_has_the_time_zone_the_model_learnt(tmp_path: Path) -> None:
    """A few of its dates cannot tell it; the hours of its bars are then those of the trained market."""
    time_N = opening_times(MARKETS["currencies"], 3_600, dt.date(2020, 1, 6), 280)
    bars = Bars("made_up", "1h", time_N, make_bars(n=len(time_N)).columns)
    forecaster = make_run(tmp_path, [bars]).load()
    assert forecaster.preparation.series[0].calendar.timezone == "America/New_York"
    few = make_frame(bars).tail(80)
    pd.testing.assert_frame_equal(
        forecaster.predict(few.assign(ticker="new"), last_only=False).assign(ticker="made_up"),
        forecaster.predict(few, last_only=False),
        rtol=1e-5,
    )


def test_now_is_a_date_with_bars_before_it(known: MadeRun) -> None:
    forecaster = known.load()
    for given in (known.frame, known.bars):
        assert "no bar has closed by now, 2019-12-31T00:00:00Z" in refusal(forecaster, given, now="2019-12-31")
    with pytest.raises(ConfigError, match="found 'yesterday', which is not a date"):
        forecaster.predict(known.frame, now="yesterday")


def test_old_bars_are_not_even_looked_at(windowed: MadeRun) -> None:
    """What no forecast depends on cannot forbid it, where dates tell the last bars at a glance."""
    forecaster = windowed.load()
    spoilt = windowed.frame.assign(high=windowed.frame["high"].where(windowed.frame.index > 20, -1.0))
    pd.testing.assert_frame_equal(forecaster.predict(spoilt), forecaster.predict(windowed.frame))
    assert "high -1.0 is not above 0" in refusal(forecaster, spoilt, last_only=False)


def test_prices_below_zero_are_refused_where_returns_are_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = make_run(tmp_path_factory.mktemp("returns"), features="close", target="log_return")
    below = run.frame.assign(close=run.frame["close"] - run.frame["close"].max())
    assert "is not above 0, as target log_return needs" in refusal(run.load(), below)


def test_too_few_bars_for_the_start_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, n=320, resolution="1d", output_mode="distribution", target="log_return", start="range_har")
    forecaster = run.load()
    forecaster.predict(run.frame.tail(22))
    assert "looks back" not in caplog.text
    forecaster.predict(run.frame.tail(21))
    assert "made_up_1d: 21 bars, but the range HAR that the model starts at looks back on 22" in caplog.text


def test_an_unknown_ticker_has_one_forecast_from_a_bar(tmp_path: Path) -> None:
    """Its unit is the mean of all its ranges so far, also where it alone is asked for the last bar."""
    run = make_run(tmp_path, n=320, resolution="1d", output_mode="distribution", target="log_return", start="range_har")
    frame = make_frame(make_bars("unknown", "1d", n=200, seed=9))
    last = run.load().predict(frame)
    every = run.load().predict(frame, last_only=False)
    pd.testing.assert_frame_equal(last, every.tail(1).reset_index(drop=True), check_exact=True)
