"""Frames whose columns have other names: the same answers wherever a frame goes; names without a frame are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from backtests import make_experiment, make_market
from builders import make_frame
from trainings import BARS, make_config, train

import nextbar
from nextbar import Forecaster, Trainer
from nextbar.bars.bars import Bars
from nextbar.errors import ConfigError
from nextbar.train.refit import refit
from nextbar.train.trainer import Result

NAMES: Any = {"id_col": "unique_id", "time_col": "ds", "target_col": "y"}
OTHER = BARS.rename(columns={"ticker": "unique_id", "date": "ds", "close": "y"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("names"), num_epochs=1)


def test_a_training_is_the_same(run: Result, tmp_path: Path) -> None:
    result = Trainer(make_config(tmp_path, num_epochs=1), OTHER, show=False, **NAMES).train_and_evaluate()
    assert result.run_dir.name == run.run_dir.name and result.metrics == run.metrics


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).lazy()])
def test_a_forecast_is_the_same_and_has_the_standard_names(run: Result, library: Callable[[Any], Any]) -> None:
    forecaster = Forecaster.load(run.run_dir)
    usual, other = (forecaster.predict(library(frame), **names) for frame, names in ((BARS, {}), (OTHER, NAMES)))
    assert list(other.columns) == list(usual.columns) and {"ticker", "origin", "date", "close"} <= set(other.columns)
    assert usual.equals(other)


def test_scores_and_refits_are_the_same(run: Result) -> None:
    usual, other = (
        nextbar.evaluate(run.run_dir, frame, **names).metrics for frame, names in ((BARS, {}), (OTHER, NAMES))
    )
    assert usual == other
    usual, other = (
        refit(run.run_dir, frame, show=False, **names).run_dir for frame, names in ((BARS, {}), (OTHER, NAMES))
    )
    assert usual == other


def test_a_backtest_is_the_same(tmp_path: Path) -> None:
    frame, config = make_frame(*make_market()), make_experiment(tmp_path)
    renamed = frame.rename(columns={"ticker": "unique_id", "date": "ds", "close": "y"})
    usual, other = (
        nextbar.backtest(config, one, folds=2, baselines=False, show=False, **names)
        for one, names in ((frame, {}), (renamed, NAMES))
    )
    assert usual.path == other.path


def series(folder: Path) -> list[Bars]:
    return Trainer(make_config(folder), BARS).read()


CALLS: dict[str, Callable[[Result, Path], Any]] = {
    "Trainer, files": lambda run, folder: Trainer(make_config(folder), time_col="ds").read(),
    "Trainer, Bars": lambda run, folder: Trainer(make_config(folder), series(folder), time_col="ds").read(),
    "evaluate, own": lambda run, folder: nextbar.evaluate(run.run_dir, time_col="ds"),
    "evaluate, data": lambda run, folder: nextbar.evaluate(run.run_dir, data=folder / "x.csv", time_col="ds"),
    "predict, Bars": lambda run, folder: Forecaster.load(run.run_dir).predict(series(folder), time_col="ds"),
}


@pytest.mark.parametrize("where", CALLS)
def test_names_without_a_frame_are_refused(where: str, run: Result, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"time_col: names of a frame's columns, but the bars do not come as a frame"):
        CALLS[where](run, tmp_path)


def test_a_name_that_is_not_there_is_told(run: Result) -> None:
    with pytest.raises(nextbar.NextbarError, match="no column 'when'"):
        Forecaster.load(run.run_dir).predict(BARS, time_col="when")
