"""Forecaster: what it says of the last origin is what the evaluation said of that origin."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from builders import make_bars, make_config, make_frame
from experiments import GRID
from scipy import stats

from nextbar.config import ExperimentConfig
from nextbar.data.bars import Bars
from nextbar.data.dataset import build_dataset
from nextbar.errors import DataError, RunError
from nextbar.forecaster import Forecaster
from nextbar.train.checkpoint import Checkpoints
from nextbar.train.trainer import Trainer
from nextbar.train.training import Training
from nextbar.types import Forecast

TWO = {"tickers": ["aaa", "bbb"]}
RUNS: dict[str, dict[str, Any]] = {
    "mean": {**TWO, "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3"]},
    "distribution": {
        **TWO, "output_mode": "distribution", "tail": "student_t", "target": "log_return", "features": "returns",
        "horizon": 3,
    },
    "discrete_grid": {"tickers": ["aaa"], "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}  # fmt: skip


class Trained:
    """A run, its bars, and the forecasts of its evaluation."""

    def __init__(self, log_dir: Path, **overrides: Any) -> None:
        self.config: ExperimentConfig = make_config(log_dir=str(log_dir), learning_rate=1e-2, **overrides)
        tickers = self.config.dataset_config.tickers
        self.bars = [make_bars(ticker, n=150, seed=i, price=100 * 10**i) for i, ticker in enumerate(tickers)]
        self.frame = make_frame(*self.bars).drop(columns="resolution")
        result = Trainer(self.config, self.frame, show=False).train_and_evaluate()
        self.run_dir = result.run_dir
        self.dataset = build_dataset(self.config, self.bars)
        self.forecaster = Forecaster.load(self.run_dir)
        checkpoints = Checkpoints(log_dir / "unused", enabled=False)
        training = Training(self.config, self.dataset, checkpoints)
        _, forecasts = training.evaluate(self.forecaster.params)
        self.evaluated: Forecast = forecasts["test"]

    def history(self, row: int) -> pd.DataFrame:
        """Bars of one series up to a row of all series end to end, and the other series whole."""
        series = int(self.dataset.series_R[row])
        start = sum(len(b) for b in self.bars[:series])
        return pd.concat(
            [
                make_frame(b).drop(columns="resolution").iloc[: row - start + 1 if i == series else None]
                for i, b in enumerate(self.bars)
            ]
        )


@pytest.fixture(scope="module", params=RUNS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("logs"), **RUNS[request.param])


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    made: dict[str, Trained] = {}

    def find(name: str) -> Trained:
        if name not in made:
            made[name] = Trained(tmp_path_factory.mktemp("logs"), **RUNS[name])
        return made[name]

    return find


def test_prediction_equals_evaluation(trained: Trained) -> None:
    """At the first, a middle and the last origin of the test span of each ticker."""
    rows = trained.dataset.origins["test"]
    horizon = trained.config.dataset_config.horizon
    for n in {0, len(rows) // 4, len(rows) // 2, len(rows) - 1}:
        series = trained.dataset.series_R[rows[n]]
        ticker = trained.bars[series].ticker
        said = trained.forecaster.predict(trained.history(rows[n]))
        said = said[said["ticker"] == ticker]
        assert len(said) == horizon and said["step"].tolist() == list(range(1, horizon + 1))
        last = trained.dataset.close_R[rows[n]]
        told = Forecast(*(None if a is None else a[n].astype(np.float64) for a in trained.evaluated))
        if told.log_probs_NHK is not None:
            probs = said[[c for c in said if c.startswith("p_")]].to_numpy()
            np.testing.assert_allclose(probs, np.exp(told.log_probs_NHK), rtol=1e-5)
            assert [c for c in said if c.startswith("p_")] == ["p_-inf_-0.5", "p_-0.5_0", "p_0_0.5", "p_0.5_inf"]
            continue
        assert told.location_NH is not None and np.abs(told.location_NH).max() > 0
        price = partial(price_after, last, trained.config.dataset_config.target)
        np.testing.assert_allclose(said["close"], price(told.location_NH), rtol=1e-6)
        if told.scale_NH is not None and told.df_NH is not None:
            law = stats.t(told.df_NH, told.location_NH, told.scale_NH * np.sqrt((told.df_NH - 2) / told.df_NH))
            for level in (50, 80, 95):
                low, high = law.interval(level / 100)
                np.testing.assert_allclose(said[f"close-lo-{level}"], price(low), rtol=1e-6)
                np.testing.assert_allclose(said[f"close-hi-{level}"], price(high), rtol=1e-6)


def price_after(last: float, target: str, move: np.ndarray) -> np.ndarray:
    return last * np.exp(move) if target == "log_return" else last + move


def test_only_the_last_bars_count(trained: Trained) -> None:
    """What lies before the last L bars changes nothing (indicators aside, which reach further back)."""
    if trained.config.dataset_config.indicators:
        return
    whole = trained.forecaster.predict(trained.frame)
    short = trained.forecaster.predict(trained.frame.groupby("ticker").tail(6))
    pd.testing.assert_frame_equal(whole, short, rtol=1e-6)


def test_dates_are_those_of_the_next_bars(trained: Trained) -> None:
    said = trained.forecaster.predict(trained.frame)
    last = trained.frame["date"].max()
    assert (said["origin"] == last).all()
    assert (said["date"] == last + pd.to_timedelta(said["step"], unit="h")).all()
    assert str(said["date"].dt.tz) == "UTC"


def test_polars_in_polars_out(trained: Trained) -> None:
    wanted = trained.forecaster.predict(trained.frame)
    said = trained.forecaster.predict(pl.from_pandas(trained.frame))
    assert isinstance(said, pl.DataFrame)
    assert said.columns == list(wanted.columns)
    assert said["date"].dtype == pl.Datetime("ms", "UTC")
    for name in said.columns:
        np.testing.assert_array_equal(
            said[name].to_numpy(), wanted[name].dt.tz_localize(None) if name in ("date", "origin") else wanted[name]
        )


def test_the_order_of_tickers_and_rows_does_not_matter(of: Callable[..., Trained]) -> None:
    trained = of("mean")
    wanted = trained.forecaster.predict(trained.frame).sort_values("ticker", ignore_index=True)
    mixed = trained.frame.sample(frac=1, random_state=0)
    said = trained.forecaster.predict(mixed).sort_values("ticker", ignore_index=True)
    pd.testing.assert_frame_equal(wanted, said, rtol=1e-6)


def test_nothing_but_the_run_folder_is_needed(of: Callable[..., Trained], tmp_path: Path) -> None:
    trained = of("mean")
    moved = shutil.copytree(trained.run_dir, tmp_path / "elsewhere")
    with_path = Forecaster.load(str(moved)).predict(trained.frame)
    pd.testing.assert_frame_equal(with_path, trained.forecaster.predict(trained.frame))


def test_a_frame_of_one_series_needs_no_ticker(of: Callable[..., Trained]) -> None:
    trained = of("discrete_grid")
    wanted = trained.forecaster.predict(trained.frame)
    pd.testing.assert_frame_equal(trained.forecaster.predict(trained.frame.drop(columns="ticker")), wanted)


def test_a_ticker_never_seen_is_fine_where_statistics_are_the_windows(of: Callable[..., Trained]) -> None:
    """The same bars under another name give the same forecast, the calendar being the same."""
    trained = of("discrete_grid")
    renamed = trained.forecaster.predict(trained.frame.assign(ticker="new"))
    wanted = trained.forecaster.predict(trained.frame).assign(ticker="new")
    pd.testing.assert_frame_equal(renamed, wanted)


def test_what_cannot_be_forecast_is_said(of: Callable[..., Trained]) -> None:
    trained = of("mean")
    aaa, bbb = (make_frame(b).drop(columns="resolution") for b in trained.bars)
    cases: dict[str, pd.DataFrame] = {
        r"bbb_1h: 5 bars, but the model needs the last 6": pd.concat([aaa, bbb.tail(5)]),
        r"bbb_1h: bars are missing before 2020-01-12T03:00": pd.concat([aaa, bbb.drop(index=bbb.index[-4])]),
        r"norm_mode global_minmax has no training statistics for it, only for aaa, bbb": aaa.assign(ticker="ccc"),
        r"rsi is not known for all of the last 6 bars; give more history": aaa.tail(8),
        r"volume": aaa.drop(columns="volume"),
        r"no column high|'high'": aaa.drop(columns="high"),
    }
    for message, frame in cases.items():
        with pytest.raises(DataError, match=message):
            trained.forecaster.predict(frame)
    older = bbb.drop(index=bbb.index[-20])  # a hole before the last bars that are needed
    assert len(trained.forecaster.predict(pd.concat([aaa, older]))) == 2


def test_a_weekend_lies_between(tmp_path: Path) -> None:
    """A market open from Monday to Friday: three days after a Thursday are Friday, Monday and Tuesday."""
    weekdays = make_bars("made_up", "1d", n=300)
    keep = (weekdays.time_N // 86_400 + 3) % 7 < 5
    bars = Bars("made_up", "1d", weekdays.time_N[keep], {name: v[keep] for name, v in weekdays.columns.items()})
    frame = make_frame(bars).drop(columns="resolution")
    config = make_config(resolution="1d", horizon=3, num_epochs=1, log_dir=str(tmp_path))
    forecaster = Forecaster.load(Trainer(config, frame, show=False).train_and_evaluate().run_dir)
    until_thursday = frame[frame["date"] <= frame["date"][frame["date"].dt.day_name() == "Thursday"].max()]
    said = forecaster.predict(until_thursday)
    assert said["date"].dt.day_name().tolist() == ["Friday", "Monday", "Tuesday"]
    assert said["origin"].dt.day_name().tolist() == ["Thursday"] * 3
    assert said["date"].diff().dropna().dt.days.tolist() == [3, 1]


def test_what_is_no_run_is_said(tmp_path: Path, of: Callable[..., Trained]) -> None:
    with pytest.raises(RunError, match="no run folder"):
        Forecaster.load(tmp_path)
    run_dir = of("mean").run_dir
    for part, message in {"checkpoints": "no checkpoint", "normalisation.json": "cannot be read"}.items():
        broken = shutil.copytree(run_dir, tmp_path / part)
        target = broken / part
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        with pytest.raises(RunError, match=message):
            Forecaster.load(broken)


def test_a_run_without_weights_cannot_be_loaded(tmp_path: Path) -> None:
    config = make_config(log_dir=str(tmp_path), num_epochs=1, save_weights=False)
    result = Trainer(config, make_frame(make_bars(n=150)), show=False).train_and_evaluate()
    with pytest.raises(RunError, match="save_weights: false"):
        Forecaster.load(result.run_dir)


def test_prices_below_zero_where_training_took_them(tmp_path: Path) -> None:
    """With features and target close any finite number is a price, in prediction too."""
    frame = pd.DataFrame(
        {
            "date": pd.date_range("2020-01-06", periods=150, freq="h", tz="UTC"),
            "close": np.random.default_rng(0).normal(size=150).cumsum(),
        }
    )
    assert frame["close"].tail(6).min() < 0 or frame["close"].min() < 0
    config = make_config(log_dir=str(tmp_path), features="close", num_epochs=1)
    forecaster = Forecaster.load(Trainer(config, frame, show=False).train_and_evaluate().run_dir)
    shifted = frame.assign(close=frame["close"] - frame["close"].iloc[-1])
    assert np.isfinite(forecaster.predict(shifted)["close"]).all()


def test_prices_below_zero_are_refused_where_returns_are_asked_for(tmp_path: Path) -> None:
    frame = make_frame(make_bars(n=150))[["date", "close"]]
    config = make_config(log_dir=str(tmp_path), features="close", target="log_return", num_epochs=1)
    forecaster = Forecaster.load(Trainer(config, frame, show=False).train_and_evaluate().run_dir)
    with pytest.raises(DataError, match="close"):
        forecaster.predict(frame.assign(close=frame["close"] - frame["close"].max()))
