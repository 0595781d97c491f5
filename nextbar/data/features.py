"""Which columns the windows of an experiment have: what was asked for, as far as its series have it in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.config import DatasetConfig
from nextbar.data.indicators import price_valued
from nextbar.data.windows import LAYOUT, WindowSpec
from nextbar.logger import get_logger

DAY = 86_400


def empty_features(config: DatasetConfig, bars: Sequence[Bars], n_train: Sequence[int]) -> dict[str, list[str]]:
    """Volume and trades that the feature set wants and some series lack: name -> the series without it.

    A series lacks a column that is not there or is empty in all of its first ``n_train`` bars, whatever comes later.
    A series without any bar in the training span lacks nothing.
    """
    learners = [(b, n) for b, n in zip(bars, n_train, strict=True) if n]
    lacking = {name: [b.name for b, n in learners if _empty(b, name, n)] for name in asked_volumes(config)}
    return {name: names for name, names in lacking.items() if names}


def window_spec(
    config: DatasetConfig, bars: Sequence[Bars], empty: Mapping[str, Sequence[str]], layout: int = LAYOUT
) -> WindowSpec:
    """What the windows of these series consist of: not of the features that are ``empty_features``."""
    own = own_prices(config)
    indicators = tuple(config.indicators or ())
    edges = config.discrete_grid_levels
    return WindowSpec(
        seq_len=config.seq_len,
        horizon=config.horizon,
        target=config.target,
        edges=tuple(edges) if edges else None,
        returns=config.features == "returns",
        prices=own + tuple(name for name in indicators if price_valued(name)),
        own_prices=len(own),
        volumes=tuple(name for name in asked_volumes(config) if name not in empty),
        plain=tuple(name for name in indicators if not price_valued(name)),
        indicators=indicators,
        clock=0 if not config.clock else 2 if all(b.step >= DAY for b in bars) else 4,
        time_feature=config.time_feature,
        layout=layout,
    )


def own_prices(config: DatasetConfig) -> tuple[str, ...]:
    """Price columns of the feature set; indicators may add others."""
    return ("close",) if config.features == "close" else PRICES


def asked_volumes(config: DatasetConfig) -> tuple[str, ...]:
    """Columns beside the prices that the feature set wants."""
    return AMOUNTS if config.features in ("ohlcv", "returns") else ()


def with_all_columns(bars: Bars, spec: WindowSpec, empty: Mapping[str, Sequence[str]]) -> Bars:
    """The bars with every column of the windows, and a notice of each column that is there and not used.

    A series whose bars all come after the training span has no say in the choice of features. Where it lacks one, the
    column is empty, so that it has no windows.
    """
    notices = tuple(
        f"{name} is empty in the training span and left out"
        for name, lacking in empty.items()
        if bars.name in lacking and name in bars.columns
    )
    for notice in notices:
        get_logger().warning("%s: %s", bars.name, notice)
    absent = {name: np.full(len(bars), np.nan) for name in spec.volumes if name not in bars.columns}
    return replace(bars, columns=bars.columns | absent, notices=bars.notices + notices)


def device_column(bars: Bars, name: str, spec: WindowSpec) -> np.ndarray:
    """A column as the device keeps it: with features ``returns`` volume and trades as ln(1 + v), else as it is."""
    values = bars.columns[name]
    return np.log1p(values) if spec.returns and name in spec.volumes else values


def _empty(bars: Bars, name: str, n: int) -> bool:
    return name not in bars.columns or bool(np.isnan(bars.columns[name][:n]).all())
