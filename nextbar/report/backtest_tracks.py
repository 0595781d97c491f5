"""Tracks of a backtest: the model's out-of-sample forecasts of each series, from the table of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.bars.frames import epoch_seconds
from nextbar.config import ExperimentConfig
from nextbar.forecasts import bin_columns, interval_column
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index, bin_labels
from nextbar.report.explorer import Explorer, captions
from nextbar.report.run_tracks import LEVEL
from nextbar.report.tracks import Step, Track, placed
from nextbar.resolution import seconds


def backtest_explorer(frame: Any, bars: Sequence[Bars], config: ExperimentConfig, conformal: bool) -> Explorer:
    """The explorer of every series, with the forecasts of steps 1 and H.

    Args:
        frame: the model's rows of a backtest's ``forecasts``, pandas.
        bars: the series; others are drawn from the forecasts' own ``actual``.
        config: of the backtest.
        conformal: whether the intervals have been adjusted.
    """
    task = Task.of(config)
    several = "resolution" in frame.columns
    by_series = {(b.ticker, b.resolution): b for b in bars}
    tracks = []
    for key, rows in frame.groupby(["ticker", "resolution"] if several else ["ticker"], sort=False, observed=True):
        ticker, resolution = key if several else (key[0], config.dataset_config.resolutions[0])
        name = f"{ticker}_{resolution}" if several else str(ticker)
        tracks.append(_track(name, rows, by_series.get((ticker, resolution)), seconds(resolution), task))
    return Explorer.of(tracks, LEVEL, bin_labels(task.edges), captions(task.output_mode, LEVEL, conformal))


def _track(name: str, rows: Any, bars: Bars | None, width: int, task: Task) -> Track:
    date_R = epoch_seconds(rows["date"])
    columns: dict[str, np.ndarray] = {}
    if bars is not None:
        inside = (bars.time_N >= date_R.min()) & (bars.time_N <= date_R.max())
        time_N = bars.time_N[inside]
        columns = {price: bars.columns[price][inside] for price in PRICES if price in bars.columns}
    if bars is None or not np.isin(date_R, time_N).all():
        time_N, first = np.unique(date_R, return_index=True)
        columns = {"close": rows["actual"].to_numpy(np.float64)[first]}
    steps = []
    for h in sorted({1, task.horizon}):
        part = rows[rows["step"] == h]
        steps.append(_step(part, np.searchsorted(time_N, epoch_seconds(part["date"])), h, len(time_N), task))
    return Track(name, width, time_N, columns, tuple(steps))


def _step(part: Any, at_M: np.ndarray, h: int, n: int, task: Task) -> Step:
    def column(name: str) -> np.ndarray | None:
        return placed(n, at_M, part[name].to_numpy(np.float64)) if name in part.columns else None

    if task.edges:
        probs_MK = part[bin_columns(task.edges)].to_numpy(np.float64)
        last_M, close_M = (part[price].to_numpy(np.float64) for price in ("last_close", "actual"))
        bin_M = bin_index(last_M, close_M, task.edges)
        came_N = np.nan_to_num(placed(n, at_M, bin_M), nan=len(task.edges) - 1)
        return Step(h, probs_NK=placed(n, at_M, probs_MK), bin_N=came_N)
    return Step(h, column("close"), column(interval_column("lo", LEVEL)), column(interval_column("hi", LEVEL)))
