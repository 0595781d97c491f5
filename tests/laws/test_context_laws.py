"""Closed longer bars from bars to forecast: nothing too early, the same with more history, fewer where that lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame
from builders import make_config as builders_config
from made_runs import MadeRun, make_run

from nextbar import evaluate
from nextbar.bars.bars import Bars
from nextbar.data.closed_bars import reach
from nextbar.data.dataset import build_dataset
from nextbar.data.preparation import Preparation
from nextbar.errors import RunError
from nextbar.exporting.exporter import export_run
from nextbar.inference.forecaster import Forecaster
from nextbar.train.announcement import announce
from nextbar.train.trainer import Trainer

N = 240
CONTEXT: dict[str, Any] = {"context_resolutions": ["4h", "12h"], "context_len": 2}
REACH = reach("12h", "1h", 2)  # 48 bars


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "nextbar")
    return caplog


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    bars = [make_bars("aaa", n=N, seed=1), make_bars("bbb", n=N, seed=2, holes=range(80, 90))]
    return make_run(
        tmp_path_factory.mktemp("run"), bars, tickers=["aaa", "bbb"], features="returns", target="log_return", seeds=2,
        **CONTEXT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def forecaster(run: MadeRun) -> Forecaster:
    return run.load()


@pytest.fixture(scope="module")
def whole(run: MadeRun, forecaster: Forecaster) -> pd.DataFrame:
    return forecaster.predict(run.frame, last_only=False)


def assert_same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True)


def until(frame: pd.DataFrame, time: pd.Timestamp, n: int = N) -> pd.DataFrame:
    """The last ``n`` bars of each series until a time."""
    return frame[frame["date"] <= time].groupby("ticker").tail(n).reset_index(drop=True)


def test_a_forecast_is_the_same_with_other_bars_after_it_or_none_and_with_more_history(
    run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame, log: pytest.LogCaptureFixture
) -> None:
    times = run.frame["date"].unique()
    others = make_frame(*(make_bars(b.ticker, n=N, seed=99, price=7.0, move=0.2) for b in run.bars))
    for n in (100, 143, 144, N - 2):
        wanted = whole[whole["origin"] == times[n]]
        assert len(wanted) == 2
        assert_same(forecaster.predict(until(run.frame, times[n])), wanted)
        assert_same(forecaster.predict(until(run.frame, times[n], REACH)), wanted)
        assert_same(forecaster.predict(run.frame, now=times[n] + pd.Timedelta("1h")), wanted)
        changed = pd.concat([until(run.frame, times[n]), others[others["date"] > times[n]]])
        said = forecaster.predict(changed, last_only=False)
        assert_same(said[said["origin"] <= times[n]], whole[whole["origin"] <= times[n]])
    assert "give more history" not in log.text


def test_what_a_closed_bar_was_counts_and_nothing_before_the_reach(run: MadeRun, forecaster: Forecaster) -> None:
    """Hours 0 to 11 make a bar; the window of hour 23 begins at hour 18."""
    times, frame = run.frame["date"].unique(), run.frame[run.frame["ticker"] == "aaa"].reset_index(drop=True)
    end = 4 * 24 + 23
    plain = forecaster.predict(until(frame, times[end]))

    def moved(row: int) -> bool:
        changed = frame.copy()
        changed.loc[row, "high"] = 2 * frame["high"].max()
        return bool((forecaster.predict(until(changed, times[end]))["close"] != plain["close"]).all())

    assert moved(4 * 24 + 5) and moved(4 * 24 + 13) and moved(end - 2)
    assert not moved(end - REACH)


def test_longer_bars_that_the_history_does_not_give_are_left_out_and_that_is_said(
    run: MadeRun, forecaster: Forecaster, log: pytest.LogCaptureFixture
) -> None:
    frame, times = run.frame[run.frame["ticker"] == "aaa"], run.frame["date"].unique()
    plain = forecaster.predict(until(frame, times[143]))
    short = forecaster.predict(until(frame, times[143], 17))
    assert np.isfinite(short["close"]).all() and (short["close"] != plain["close"]).all()
    assert (
        "aaa_1h: 17 bars, which make up 1 of the last 2 closed bars of 12h that the model looks at; the others "
        "are left out, which is another forecast: give more history (48 bars are always enough)"
    ) in log.text
    assert "closed bars of 4h" not in log.text
    forecaster.predict(until(frame, times[143], 17))
    assert log.text.count("which make up") == 1  # a loop of forecasts need not tell it each time
    forecaster.warned_short.clear()
    fewest = forecaster.predict(until(frame, times[143], 6))
    assert np.isfinite(fewest["close"]).all() and "which make up 0 of the last 2 closed bars of 12h" in log.text


def test_a_run_is_evaluated_and_takes_tickers_that_it_did_not_know(
    run: MadeRun, forecaster: Forecaster, whole: pd.DataFrame
) -> None:
    rows = run.dataset.origins["test"]
    forecast = evaluate(run.run_dir, run.frame).spans["test"].forecast
    said = whole.set_index(["ticker", "origin"])["close"]
    panel = run.dataset.panel
    keys = zip(panel.series_R[rows], pd.to_datetime(panel.time_R[rows], unit="s", utc=True), strict=True)
    close = np.array([said[run.bars[s].ticker, time] for s, time in keys])
    np.testing.assert_allclose(np.log(close / panel.close_R[rows]), forecast.location_NH[:, 0], rtol=1e-6, atol=1e-12)
    other = make_frame(Bars("ccc", "1h", run.bars[0].time_N, run.bars[0].columns))
    assert len(forecaster.predict(other, last_only=False)) == N - 5


def test_a_preparation_is_read_as_it_was_written(run: MadeRun) -> None:
    saved = run.dataset.preparation.to_dict()
    again = Preparation.from_dict(saved)
    assert again.spec.contexts == ("4h", "12h") and again.to_dict() == saved
    for wrong in ({"contexts": ["4x"]}, {"context_len": 0}, {"contexts": []}):
        with pytest.raises(ValueError, match="contexts that no run has"):
            Preparation.from_dict(saved | {"spec": saved["spec"] | wrong})


def test_an_export_is_refused_by_name(run: MadeRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"context_resolutions \(4h, 12h\) are longer bars.*train without them") as error:
        export_run(run.run_dir, tmp_path / "out")
    assert "context_len" not in str(error.value)


def test_how_many_windows_have_fewer_is_said(log: pytest.LogCaptureFixture) -> None:
    config = builders_config(context_resolutions=["12h", "1w"], context_len=2)
    announce([], build_dataset(config, [make_bars(n=150)]).describe())
    lines = [(r.levelname, r.getMessage()) for r in log.records if r.getMessage().startswith("context:")]
    assert lines == [
        ("INFO", "context: the last 2 closed bars of 12h beside each window; 30 of 90 training windows have fewer"),
        ("WARNING", "context: the last 2 closed bars of 1w beside each window; 90 of 90 training windows have fewer"),
    ]


@pytest.mark.slow
def test_what_a_closed_bar_says_is_learnt(tmp_path: Path) -> None:
    """Each of eight hours drifts against the eight before them by half a deviation, which is a fifth of the variance;
    the last two hours say little of it."""
    rng, eight = np.random.default_rng(0), 8
    drift, returns = 0.0, []
    for _ in range(500):
        returns.append(drift + rng.standard_normal(eight))
        drift = -0.5 * np.sign(returns[-1].sum())
    close = 100 * np.exp(0.01 * np.cumsum(np.concatenate(returns)))
    plain = make_bars(n=len(close))
    opens = np.append(100.0, close[:-1])
    columns = {"open": opens, "high": np.maximum(opens, close), "low": np.minimum(opens, close), "close": close}
    bars = Bars("made_up", "1h", plain.time_N, columns)

    def share(name: str, **fields: Any) -> float:
        config = builders_config(
            log_dir=str(tmp_path / name), features="returns", target="log_return", norm_mode="global_meanstd",
            seq_len=2, d_model=16, dim_feedforward=32, num_epochs=8, batch_size=64, learning_rate=3e-3, **fields,
        )  # fmt: skip
        metrics = Trainer(config, [bars], show=False).train_and_evaluate().metrics
        return float(metrics["test"]["model"]["r2_return"])

    without, beside = share("without"), share("beside", context_resolutions=["8h"], context_len=2)
    assert beside > without + 0.05
