"""Own columns from file to forecast: what is known ahead is asked for, used, and the same whichever way it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from builders import make_config as builders_config
from made_runs import MadeRun, make_run
from trainings import assert_same_run, interrupt, make_config

from nextbar import audit, evaluate, refit
from nextbar.backtesting import backtest
from nextbar.bars.bars import Bars
from nextbar.errors import DataError, TrainingInterrupted
from nextbar.inference.forecaster import Forecaster
from nextbar.train.population import train_population
from nextbar.train.trainer import Trainer

N, HORIZON = 150, 2
OWN: dict[str, Any] = {"indicators": ["event", "gaps"], "known_ahead": ["event"]}
LONGER: dict[str, Any] = {"context_resolutions": ["4h"], "context_len": 2}
PRICES = ["open", "high", "low", "close", "volume"]


def market(ticker: str, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(N) < 0.2, np.nan, rng.normal(20, 5, N))
    gaps[40:75] = np.nan  # longer than any context
    return with_columns(
        make_bars(ticker, n=N, seed=seed),
        event=(np.arange(N) % 7 == 3).astype(float),
        gaps=gaps,
    )


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "nextbar")
    return caplog


@pytest.fixture(scope="module", params=["last", "mean"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    bars = [market("aaa", 1), market("bbb", 2)]
    return make_run(
        tmp_path_factory.mktemp("run"), bars, tickers=["aaa", "bbb"], indicators=["event", "gaps"], horizon=HORIZON,
        known_ahead=["event"], empty_values=request.param, target="log_return",
    )  # fmt: skip


@pytest.fixture(scope="module")
def forecaster(run: MadeRun) -> Forecaster:
    return run.load()


@pytest.fixture(scope="module")
def whole(run: MadeRun, forecaster: Forecaster) -> pd.DataFrame:
    return forecaster.predict(run.frame, last_only=False)


def bare(frame: pd.DataFrame, time: pd.Timestamp, **others: Any) -> pd.DataFrame:
    """The bars until a time and, of the two after it, the event alone."""
    times = frame["date"].unique()
    kept = frame[frame["date"] <= times[np.searchsorted(times, time) + HORIZON]].copy()
    kept.loc[kept["date"] > time, [*PRICES, "gaps"]] = np.nan
    return kept.assign(**others).reset_index(drop=True)


def assert_same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True)


def test_bars_without_their_next_ones_have_no_forecast(run: MadeRun, whole: pd.DataFrame) -> None:
    times = run.frame["date"].unique()
    assert sorted(whole["origin"].unique()) == list(times[5 : N - HORIZON])


def test_a_forecast_is_the_same_from_rows_ahead_as_from_bars_that_followed(
    run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame
) -> None:
    """Also by ``now``, from ``Bars``, and within the long gap, whose last value lies before any context."""
    times = run.frame["date"].unique()
    for n in (6, 60, 74, 90, N - HORIZON - 1):
        wanted = whole[whole["origin"] == times[n]]
        assert len(wanted) == 2 * HORIZON
        assert_same(forecaster.predict(bare(run.frame, times[n])), wanted)
        now = times[n] + pd.Timedelta("1h")
        assert_same(forecaster.predict(run.frame, now=now), wanted)
        assert_same(forecaster.predict(bare(run.frame, times[n]), now=now), wanted)
        assert_same(forecaster.predict(list(run.bars), now=now), wanted)
        only = bare(run.frame, times[n])
        assert_same(forecaster.predict(only[only["ticker"] == "bbb"]), wanted[wanted["ticker"] == "bbb"])


def test_prices_of_bars_to_come_change_nothing(run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame) -> None:
    time = run.frame["date"].unique()[90]
    others = make_frame(*(make_bars(b.ticker, n=N, seed=99, price=7.0, move=0.2) for b in run.bars))
    others = others.assign(event=run.frame["event"], gaps=1e6)
    changed = run.frame.where(run.frame["date"] <= time, others)
    said = forecaster.predict(changed, last_only=False)
    assert_same(said[said["origin"] <= time], whole[whole["origin"] <= time])
    moved = changed.assign(event=changed["event"].where(changed["date"] <= time, 5.0))
    said = forecaster.predict(moved, last_only=False)
    last = run.frame["date"].unique()[88]
    assert_same(said[said["origin"] <= last], whole[whole["origin"] <= last])
    assert (
        said[said["origin"] == time]["close"].to_numpy() != whole[whole["origin"] == time]["close"].to_numpy()
    ).all()


def test_what_is_not_known_ahead_is_asked_for(run: MadeRun, forecaster: Forecaster) -> None:
    times = run.frame["date"].unique()
    known = bare(run.frame, times[90])
    due = "2020-01-09T19:00:00Z, 2020-01-09T20:00:00Z"
    cases = {
        "found none": known[known["date"] <= times[90]],
        "found 2020-01-09T19:00:00Z, of which some are empty or not the next": known[known["date"] <= times[91]],
        "found 2020-01-09T20:00:00Z, of": known[known["date"] != times[91]],
        "20:00:00Z, of which": known.assign(gaps=1.0, event=known["event"].where(known["date"] != times[92])),
    }
    for end, frame in cases.items():
        with pytest.raises(DataError) as error:
            forecaster.predict(frame)
        start = (
            "aaa_1h: event must be known ahead of the last bar, that of 2020-01-09T18:00:00Z: give rows with the dates"
        )
        assert f"{start} {due}, with event and without prices; " in str(error.value) and end in str(error.value)
    assert len(forecaster.predict(known.drop(columns="ticker").head(93).assign(ticker="aaa"))) == HORIZON


def test_a_ticker_that_training_did_not_know(run: MadeRun, forecaster: Forecaster) -> None:
    """Its own columns are standardised with what all series had in training."""
    other = make_frame(Bars("ccc", "1h", run.bars[0].time_N, run.bars[0].columns))
    said = forecaster.predict(other, last_only=False)
    assert len(said) == HORIZON * (N - HORIZON - 5) and np.isfinite(said["close"]).all()
    assert set(forecaster.predict(bare(other, other["date"][90]))["ticker"]) == {"ccc"}


def test_a_run_is_evaluated_on_bars_with_rows_ahead(run: MadeRun, whole: pd.DataFrame) -> None:
    first, second = (
        evaluate(run.run_dir, frame)
        for frame in (run.frame, bare(run.frame, run.frame["date"].max() - pd.Timedelta("2h")))
    )
    assert len(first.spans["test"].origin_N) == len(second.spans["test"].origin_N) + 2 * HORIZON


def test_an_empty_value_that_training_had_no_case_of_is_said(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    bars = with_columns(make_bars(n=N), mood=np.random.default_rng(0).normal(size=N))
    run = make_run(tmp_path, [bars], indicators=["mood"])
    frame = run.frame.assign(mood=run.frame["mood"].where(run.frame.index != N - 2))
    filled = run.frame.assign(mood=run.frame["mood"].where(run.frame.index != N - 2, run.frame["mood"][N - 3]))
    forecaster = run.load()
    assert_same(forecaster.predict(frame), forecaster.predict(filled))
    said = "made_up_1h: mood is empty in 1 of the last 6 bars, which it never was in training; filled as empty_values"
    assert log.text.count(said) == 1


def test_rows_ahead_are_passed_over_by_a_model_that_knows_nothing_ahead(tmp_path: Path) -> None:
    run = make_run(tmp_path, [market("made_up", 1)])
    frame = bare(run.frame, run.frame["date"][100])
    assert_same(run.load().predict(frame), run.load().predict(run.frame.head(101)))
    late = frame.assign(date=frame["date"] + (pd.Timestamp.now("UTC").floor("h") - frame["date"][100]))
    assert len(run.load().predict(late)) == 1


@pytest.mark.slow
def test_a_training_with_all_kinds_of_input_is_continued_shared_refitted_and_backtested(tmp_path: Path) -> None:
    """Interrupted and continued it is the run that nothing interrupted, and so is a member of a population."""
    fields = OWN | LONGER
    frame = make_frame(market("made_up", 1)).drop(columns=["ticker", "resolution"])
    config = make_config(tmp_path / "whole", **fields, horizon=HORIZON)
    whole = Trainer(config, frame, show=False).train_and_evaluate()
    again = make_config(tmp_path / "again", **fields, horizon=HORIZON)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(TrainingInterrupted):
            Trainer(again, frame, show=False).train_and_evaluate()
    assert_same_run(Trainer(again, frame, show=False).train_and_evaluate().run_dir, whole.run_dir)
    pair = [make_config(tmp_path / "pair", **fields, horizon=HORIZON, seed=seed) for seed in (0, 1)]
    first, _ = train_population(pair, frame, show=False)
    assert first.metrics["test"]["model"] == pytest.approx(whole.metrics["test"]["model"], rel=1e-4)
    assert evaluate(whole.run_dir, frame).metrics["test"]["model"] == pytest.approx(whole.metrics["test"]["model"])
    time = frame["date"].iloc[-HORIZON - 1]
    bars = bare(frame.assign(ticker="made_up"), time)
    assert len(Forecaster.load(refit(whole.run_dir, frame, show=False).run_dir).predict(bars)) == HORIZON
    result = backtest(
        make_config(tmp_path / "back", **fields, num_epochs=1), bars, folds=2, baselines=False, show=False
    )
    assert set(result.forecasts["model"]) == {"transformer"}


def test_an_audit_takes_what_is_declared_to_be_known_ahead_for_known() -> None:
    """And finds nothing in longer bars beside the windows."""
    bars = with_columns(
        make_bars(n=400, seed=3), event=(np.random.default_rng(0).random(400) < 0.2).astype(float),
        gaps=np.where(np.arange(400) % 5 == 0, np.nan, np.random.default_rng(1).normal(size=400)),
    )  # fmt: skip
    found = audit(builders_config(**OWN, context_resolutions=["4h"]), [bars], cuts=1)
    assert found.clean, [leak.text for leak in found.leaks]
