"""Columns of an experiment: those that its configuration asks for and its series have in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nextbar.bars.columns import AMOUNTS, price_columns
from nextbar.config import DatasetConfig
from nextbar.logger import get_logger

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars


@dataclass(frozen=True)
class FeatureSet:
    """The columns that an experiment asks for."""

    prices: tuple[str, ...]
    """price columns of the bar itself, the close last; indicators may add others"""
    volumes: tuple[str, ...]
    """volume and trades"""
    indicators: tuple[str, ...]
    """in the order asked for"""

    @classmethod
    def of(cls, config: DatasetConfig) -> FeatureSet:
        """What a configuration asks for."""
        volumes = AMOUNTS if config.features in ("ohlcv", "returns") else ()
        return cls(price_columns(config.features), volumes, tuple(config.indicators or ()))

    def of_source(self, bars: Bars) -> Bars:
        """The bars of a source with the columns alone that these features come from, without its notices."""
        names = {*self.prices, *self.volumes, *(name.lower() for name in self.indicators)}
        columns = {name: values for name, values in bars.columns.items() if name in names}
        return replace(bars, columns=columns, notices=())


def empty_features(config: DatasetConfig, bars: Sequence[Bars], n_train: Sequence[int]) -> dict[str, list[str]]:
    """Volume and trades that the feature set asks for and some series lack: name -> the series without it.

    A series lacks a column that is not there or is empty in all of its first ``n_train`` bars, whatever comes later.
    A series without any bar in the training span lacks nothing.
    """
    learners = [(b, n) for b, n in zip(bars, n_train, strict=True) if n]
    lacking = {name: [b.name for b, n in learners if _empty(b, name, n)] for name in FeatureSet.of(config).volumes}
    return {name: names for name, names in lacking.items() if names}


def with_all_columns(bars: Bars, volumes: Sequence[str], empty: Mapping[str, Sequence[str]]) -> Bars:
    """The bars with all of ``volumes``, and a notice of each column that is there and not used.

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
    absent = {name: np.full(len(bars), np.nan) for name in volumes if name not in bars.columns}
    return replace(bars, columns=bars.columns | absent, notices=bars.notices + notices)


def _empty(bars: Bars, name: str, n: int) -> bool:
    return name not in bars.columns or bool(np.isnan(bars.columns[name][:n]).all())
