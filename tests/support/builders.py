"""Made-up bars, frames and small experiments, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from nextbar.bars.bars import Bars
from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config.base import field_names
from nextbar.resolution import seconds

MONDAY = dt.datetime(2020, 1, 6, tzinfo=dt.UTC)


def make_bars(
    ticker: str = "made_up",
    resolution: str = "1h",
    n: int = 200,
    seed: int = 0,
    start: dt.datetime = MONDAY,
    volume: bool = True,
    trades: bool = False,
    holes: Collection[int] = (),
    price: float = 100.0,
    move: float = 0.01,
) -> Bars:
    """A random walk of the log price over ``n`` slots from ``start``; the slots in ``holes`` have no bar.

    ``price`` is where it begins, ``move`` the standard deviation of a bar's log return.
    """
    rng = np.random.default_rng(seed)
    close_N = price * np.exp(np.cumsum(move * rng.standard_normal(n)))
    open_N = np.concatenate([[price], close_N[:-1]])
    top_N, bottom_N = np.maximum(open_N, close_N), np.minimum(open_N, close_N)
    columns = {
        "open": open_N,
        "high": top_N * np.exp(0.5 * move * rng.exponential(size=n)),
        "low": bottom_N * np.exp(-0.5 * move * rng.exponential(size=n)),
        "close": close_N,
    }
    if volume:
        columns["volume"] = 1000 * rng.lognormal(size=n)
    if trades:
        columns["trades"] = rng.poisson(50, size=n).astype(np.float64)
    keep_N = ~np.isin(np.arange(n), list(holes))
    time_N = int(start.timestamp()) + seconds(resolution) * np.arange(n, dtype=np.int64)
    return Bars(ticker, resolution, time_N[keep_N], {name: values[keep_N] for name, values in columns.items()})


def with_columns(bars: Bars, **columns: np.ndarray) -> Bars:
    """The bars with other values in some columns."""
    return Bars(bars.ticker, bars.resolution, bars.time_N, bars.columns | columns, bars.notices)


def make_frame(*series: Bars) -> pd.DataFrame:
    """Bars as a long pandas frame with ``ticker``, ``resolution`` and ``date``, as users hand them over."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "ticker": bars.ticker,
                    "resolution": bars.resolution,
                    "date": pd.to_datetime(bars.time_N, unit="s", utc=True),
                    **bars.columns,
                }
            )
            for bars in series
        ],
        ignore_index=True,
    )


def make_config(**overrides: Any) -> ExperimentConfig:
    """A small experiment that trains to its end: d_model 8, one layer, ``seq_len`` 6, one ticker ``made_up`` at ``1h``.

    Overrides are fields of any of the three configs by their plain names; one that two configs share
    (``output_mode``) goes to both, and ``max_seq_len`` follows ``seq_len``. ``tickers`` may be one name.
    """
    if isinstance(overrides.get("tickers"), str):
        overrides["tickers"] = [overrides["tickers"]]
    model: dict[str, Any] = {
        "d_model": 8, "num_layers": 1, "head_layers": 1, "n_heads": 2, "dim_feedforward": 16, "dropout": 0.0,
        "max_seq_len": overrides.get("seq_len", 6),
    }  # fmt: skip
    data: dict[str, Any] = {"datapath": "bars", "tickers": ["made_up"], "resolution": "1h", "seq_len": 6}
    run: dict[str, Any] = {
        "log_dir": "runs", "experiment_name": "test", "num_epochs": 2, "batch_size": 16,
        "learning_rate": 1e-3, "warmup_epochs": 1, "test_split": 0.2, "validation_split": 0.2,
        "early_stopper": 0,
    }  # fmt: skip
    unknown = set(overrides)
    for config, values in ((ModelConfig, model), (DatasetConfig, data), (ExperimentConfig, run)):
        own = {name: value for name, value in overrides.items() if name in field_names(config)}
        values.update(own)
        unknown -= set(own)
    assert not unknown, f"no such fields: {sorted(unknown)}"
    return ExperimentConfig(model_config=ModelConfig(**model), dataset_config=DatasetConfig(**data), **run)
