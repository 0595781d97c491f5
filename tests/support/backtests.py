"""A small backtest, predictors of one's own, and a model that needs no training, for the tests of backtests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config

from nextbar.backtesting import Backtest, backtest
from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig


def make_market(n: int = 240) -> list[Bars]:
    """Two tickers that do not begin together."""
    late = make_bars("bbb", n=n, seed=1, price=7.0)
    columns = {name: values[20:] for name, values in late.columns.items()}
    return [make_bars("aaa", n=n), Bars("bbb", "1h", late.time_N[20:], columns)]


def make_experiment(log_dir: Path, **overrides: Any) -> ExperimentConfig:
    fields = {"tickers": ["aaa", "bbb"], "test_split": 0.25, "num_epochs": 1, "log_dir": str(log_dir)}
    return make_config(**fields | overrides)


class Own:
    """The mean of the last ``bars`` closes, and a constant spread: honest."""

    def __init__(self, name: str = "own", bars: int = 3, horizon: int = 1) -> None:
        self.name = name
        self.bars = bars
        self.horizon = horizon
        self.seen: list[pd.DataFrame] = []

    def fit(self, frame: pd.DataFrame) -> None:
        self.seen.append(frame)
        self.scale = float(frame.groupby("ticker")["close"].diff().std())

    def level(self, closes: pd.Series) -> pd.Series:
        return closes.rolling(self.bars, min_periods=1).mean()

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        keys = [name for name in ("ticker", "resolution") if name in frame]
        close = frame.groupby(keys, sort=False)["close"].transform(self.level)
        said = frame[keys].assign(origin=frame["date"], close=close, scale=self.scale)
        return pd.concat([said.assign(step=step) for step in range(1, self.horizon + 1)]).dropna()


class Fake(Own):
    """Stands in for the transformer, without a training."""

    name = "transformer"

    def __init__(self, config: ExperimentConfig, folder: Path, cuts: Any, show: Any = None) -> None:
        super().__init__("transformer", horizon=config.dataset_config.horizon)
        self.forecaster = None
        self.result = SimpleNamespace(run_dir=folder / "run")

    def untrained(self) -> None:
        """It has no start."""


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backtests without a training."""
    monkeypatch.setattr("nextbar.backtesting.fold_work.ModelPredictor", Fake)


def run(log_dir: Path, bars: Any = None, overrides: dict[str, Any] | None = None, **options: Any) -> Backtest:
    options = {"folds": 2, "show": False, "baselines": ["persistence"]} | options
    return backtest(make_experiment(log_dir, **overrides or {}), make_market() if bars is None else bars, **options)


def rows_of(result: Backtest, name: str) -> pd.DataFrame:
    forecasts = result.forecasts
    return forecasts[forecasts["model"] == name].reset_index(drop=True)


def seconds(dates: pd.Series) -> np.ndarray:
    return dates.astype("datetime64[s, UTC]").astype("int64").to_numpy()


def instant(text: str) -> int:
    """Seconds since the epoch of a date in a summary."""
    return int(np.datetime64(text.removesuffix("Z"), "s").astype(np.int64))


FIELDS = {"output_mode": "distribution", "horizon": 2, "learning_rate": 1e-2}
OPTIONS = {"embargo": 1, "conformal": True, "levels": [0.5, 0.8], "baselines": ["persistence", "garch_t", "reversal"]}


def run_whole(log_dir: Path, bars: Any = None, **options: Any) -> Backtest:
    """A backtest with everything in it, trained."""
    return run(log_dir, bars, FIELDS, **OPTIONS | {"predictors": [Own(horizon=2)]} | options)


NAMES = ["transformer", "persistence", "garch_t", "reversal", "own"]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    """One for many tests, none of which may change it."""
    return run_whole(tmp_path_factory.mktemp("whole"))


def run_dirs(result: Backtest) -> list[Path]:
    """Folders of the runs that forecast the folds."""
    return [result.path / fold["run"] for fold in result.folds]


def fold_rows(result: Backtest, rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """Those whose predicted bars close in the k-th fold."""
    fold = result.folds[k]
    closes = seconds(rows["date"]) + 3600
    return rows[(closes >= instant(fold["test_from"])) & (closes < instant(fold["test_until"]))]
