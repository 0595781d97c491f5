"""Windows in plain float64 NumPy, one at a time, written from the definitions, not from nextbar's code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from nextbar.bars.bars import Bars
from nextbar.config import DatasetConfig
from nextbar.config.choices import NORM_MODES
from nextbar.data.windows import gather

gather_all = jax.jit(jax.vmap(gather, in_axes=(None, None, None, 0, None)), static_argnums=4)
"""``gather`` of one batch in all six modes at once: a leading axis of six, in the order of ``NORM_MODES``"""

MODES = np.arange(len(NORM_MODES), dtype=np.int32)

OF_LONGER: dict[str, Callable[[np.ndarray], float]] = {
    "open": lambda v: v[0], "high": np.max, "low": np.min, "close": lambda v: v[-1], "volume": np.mean,
    "trades": np.mean,
}  # fmt: skip
"""what a longer bar's column is of its bars'"""


class Window(NamedTuple):
    """What the model should see and be asked at one origin."""

    x_LF: np.ndarray
    spread_G: np.ndarray
    """in the group's own units"""
    y_H: np.ndarray
    change_H: np.ndarray
    percent_H: np.ndarray
    clock_HC: np.ndarray
    clock_LC: np.ndarray
    """of the context's own bars"""


def normalise(value: np.ndarray, known: np.ndarray, norm_mode: str) -> tuple[np.ndarray, float]:
    """(normalised values, price units of one normalised unit) with the statistics of ``known``."""
    if norm_mode == "none":
        return value, 1.0
    if norm_mode == "window_mean":
        offset, scale = 0.0, known.mean()
    elif norm_mode.endswith("minmax"):
        offset, scale = known.min(), known.max() - known.min()
    else:
        offset, scale = known.mean(), known.std()
    return (value - offset) / scale, scale


def reference_window(
    config: DatasetConfig, bars: Bars, n_train: int, run_times: tuple[int, int], i: int, next_times: list[int]
) -> Window:
    """The window of ``bars`` (with its indicators) that ends at row ``i``.

    ``n_train`` bars of the series close before the validation cut; ``run_times`` are the first and last
    closing times of the training bars of the whole run; ``next_times`` the opens of the predicted bars.
    """
    mode, length, horizon = config.norm_mode, config.seq_len, config.horizon
    context, known = slice(i - length + 1, i + 1), slice(0, n_train)
    column = bars.columns
    own = ["close"] if config.features == "close" else ["open", "high", "low", "close"]

    def scaled(names: list[str], by: list[str]) -> tuple[np.ndarray, float]:
        span = known if mode.startswith("global") else context
        values = np.stack([column[name][context] for name in names], axis=1)
        return normalise(values, np.stack([column[name][span] for name in by]), mode)

    prices_LC, price_scale = scaled(own, own)
    close = column["close"]
    spans = {"window": context, "global": known}
    deviation = np.std(np.diff(np.log(close[spans[mode.split("_")[0]]]))) if mode != "none" else 1.0
    groups = [prices_LC]
    spreads = [np.std(np.diff(np.log(close[context])))]
    if config.features == "close" and config.target == "close" and config.output_mode != "discrete_grid":
        spreads = [np.std(close[context])]
    if config.features == "returns":
        o, h, low, c = (np.log(column[name][context]) for name in own)
        before = np.concatenate([o[:1], c[:-1]])  # the close before the context is not known: its first open
        path = (c - c[-1]) / np.sqrt(length)
        groups = [np.stack([c - before, h - before, low - before, o - before, h - low, path], axis=1) / deviation]
    if config.features in ("ohlcv", "returns"):
        for name in ("volume", "trades"):
            if name not in column:
                continue
            amount, amount_mode = column[name], mode
            if config.features == "returns":
                amount, amount_mode = (
                    np.log1p(amount),
                    mode if mode == "none" else mode.split("_")[0] + "_meanstd",
                )
            span = known if mode.startswith("global") else context
            groups.append(normalise(amount[context, None], amount[span], amount_mode)[0])
            spreads.append(np.std(amount[context]))
    closes_at = bars.time_N + bars.step
    times = {
        "none": [],
        "position": [np.arange(length)[:, None] / (length - 1)],
        "span": [(closes_at[context, None] - run_times[0]) / (run_times[1] - run_times[0])],
    }[config.time_feature]
    indicators = [
        scaled([name], own)[0] if name.startswith(("bb_", "ema_")) else column[name][context, None]
        for name in config.indicators or ()
    ]
    future_H = close[i + 1 : i + 1 + horizon]
    if config.target == "log_return":
        y_H = np.log(future_H / close[i]) / deviation
    else:
        y_H = (future_H - close[i]) / price_scale
    return Window(
        x_LF=np.concatenate([*groups, *times, *indicators], axis=1),
        spread_G=np.array(spreads),
        y_H=y_H,
        change_H=future_H - close[i],
        percent_H=100 * (future_H - close[i]) / close[i],
        clock_HC=clock(next_times, bars.step),
        clock_LC=clock(bars.time_N[context].tolist(), bars.step),
    )


def clock(times: list[int], step: int) -> np.ndarray:
    """(H, C) clock of bars that open at ``times``."""
    rows = []
    for time in times:
        date = dt.datetime.fromtimestamp(time, dt.UTC)
        angles = [2 * np.pi * date.weekday() / 7]
        if step < 86_400:
            angles.append(2 * np.pi * (date.hour + date.minute / 60) / 24)
        rows.append([*np.sin(angles), *np.cos(angles)])
    return np.array(rows)
