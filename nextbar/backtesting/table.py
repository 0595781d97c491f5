"""All out-of-sample forecasts in one frame: the forecast table with the predictor, its cutoff and the actual close."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.backtesting.folds import Fold
from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.frames import frame_like
from nextbar.forecasts import columns
from nextbar.forecasts.table import KEYS, OUTCOMES
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.task import Task
from nextbar.types import Forecast

FIRST = (*KEYS, *OUTCOMES)
LAW = ("close", "scale", "df", "skew")


def fold_table(
    name: str,
    forecast: Forecast,
    panel: BacktestPanel,
    fold: Fold,
    row_N: np.ndarray,
    task: Task,
    levels: tuple[float, ...],
    conformal: Conformal | None = None,
) -> Any:
    """The forecasts of one predictor in one fold, as a pandas frame.

    Args:
        name: the predictor.
        forecast: of N windows.
        panel: all bars.
        fold: the fold.
        row_N: origins of the windows, rows of the panel.
        task: the question that they answer.
        levels: central intervals of a law.
        conformal: residuals to adjust them by.
    """
    keys, outcomes = panel.keys(row_N), panel.outcomes(row_N)
    interval = None
    if conformal is not None:
        adjusted = conformal

        def interval(level: float) -> tuple[np.ndarray, np.ndarray]:
            return adjusted.interval(level, outcomes.series_N, panel.names, forecast)

    table = columns(keys, forecast, task, levels, law=True, interval=interval)
    size = len(table["step"])
    table |= {
        "model": np.full(size, name, object),
        "cutoff": np.full(size, fold.cutoff),
        "last_close": np.repeat(keys.last_close_N, task.horizon),
        "actual": outcomes.close_NH.reshape(-1),
    }
    return frame_like(table, dates=("cutoff", "origin", "date"))


def joined(tables: list[Any]) -> Any:
    """The tables one below the other; columns that a predictor does not have are empty."""
    import pandas as pd

    whole = pd.concat(tables, ignore_index=True)
    ordered = [name for name in (*FIRST, *LAW) if name in whole.columns]
    return whole[[*ordered, *(name for name in whole.columns if name not in ordered)]]
