"""A forecast depends on what came before its origin, and on nothing else: bit by bit the same in any company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame
from experiments import GRID
from made_runs import MadeRun, make_run

from nextbar.inference.forecaster import Forecaster

RUNS: dict[str, dict[str, Any]] = {
    "global, indicators, two tickers": {
        "tickers": ["aaa", "bbb"], "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3", "bb_upper"],
    },
    "returns, student_t, horizon 3": {
        "features": "returns", "target": "log_return", "output_mode": "distribution", "tail": "student_t",
        "norm_mode": "global_meanstd", "horizon": 3, "tickers": ["aaa", "bbb"],
    },
    "grid": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "tickers": ["aaa", "bbb"]},
    "start at a range HAR": {
        "target": "log_return", "output_mode": "distribution", "tail": "student_t", "tickers": ["aaa", "bbb"],
        "norm_mode": "window_meanstd", "start": "range_har", "resolution": "1d", "n": 320,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("run"), **RUNS[request.param])


@pytest.fixture(scope="module")
def forecaster(run: MadeRun) -> Forecaster:
    return run.load()


@pytest.fixture(scope="module")
def whole(run: MadeRun, forecaster: Forecaster) -> pd.DataFrame:
    """Forecasts from every origin, all bars being known."""
    return forecaster.predict(run.frame, last_only=False)


def until(frame: pd.DataFrame, time: pd.Timestamp) -> pd.DataFrame:
    column = "origin" if "origin" in frame else "date"
    return frame[frame[column] <= time].reset_index(drop=True)


def assert_same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True)


def test_later_bars_need_not_be_there(run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame) -> None:
    for time in run.frame["date"].unique()[[25, 40, 41, 99, 148]]:
        assert_same(forecaster.predict(until(run.frame, time), last_only=False), until(whole, time))


def test_later_bars_may_be_any(run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame) -> None:
    """From a bar on another market altogether."""
    time = run.frame["date"].unique()[90]
    others = make_frame(*(make_bars(b.ticker, b.resolution, n=len(b), seed=99, price=7.0, move=0.2) for b in run.bars))
    changed = run.frame.where(run.frame["date"] <= time, others)
    said = forecaster.predict(changed, last_only=False)
    assert_same(until(said, time), until(whole, time))
    later = said["origin"] > time
    assert (said[later].iloc[:, 4:] != whole[later].iloc[:, 4:]).any(axis=1).all()


def test_the_last_bar_alone_says_what_it_says_among_all(
    run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame
) -> None:
    """Also when a ticker is asked alone, and when bars are left out by ``now``."""
    times = run.frame["date"].unique()
    for n in range(24, len(times), 5):
        wanted = whole[whole["origin"] == times[n]]
        assert_same(forecaster.predict(until(run.frame, times[n])), wanted)
        for ticker, own in until(run.frame, times[n]).groupby("ticker"):
            assert_same(forecaster.predict(own), wanted[wanted["ticker"] == ticker])
        closed = times[n] + pd.Timedelta(run.bars[0].step, "s")
        assert_same(forecaster.predict(run.frame, now=closed), wanted)


def test_earlier_bars_count_only_through_indicators(run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame) -> None:
    """And through the lags of a start at a range HAR, as far as they reach."""
    time = run.frame["date"].unique()[60]
    said = forecaster.predict(run.frame[run.frame["date"] >= time], last_only=False)
    length = max(forecaster.preparation.history(b.ticker, b.resolution) for b in run.bars)
    first = time + pd.Timedelta((length - 1) * run.bars[0].step, "s")
    after, said = whole[whole["origin"] >= first], said[said["origin"] >= first]
    if run.config.dataset_config.indicators:
        assert len(said) < len(after)
        assert not np.array_equal(said["close"], after["close"].tail(len(said)))
    else:
        assert_same(said, after)
