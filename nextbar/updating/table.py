"""Forecasts of a log as the forecast table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar import forecasts
from nextbar.bars.dates import from_iso
from nextbar.config import ExperimentConfig
from nextbar.metrics.task import Task
from nextbar.updating.contents import LogContents, MadeForecast
from nextbar.updating.law_values import forecast_of


def keys_of(made: Sequence[MadeForecast], state: LogContents, config: ExperimentConfig) -> forecasts.Keys:
    """Which bars some forecasts are about."""
    bars = [state.known[f.key.series].later for f in made]
    several = len(config.dataset_config.resolutions) > 1
    return forecasts.Keys(
        np.array([b.ticker for b in bars], object),
        np.array([b.resolution for b in bars], object) if several else None,
        np.array([f.key.origin for f in made], np.int64),
        np.array([[from_iso(date) for date in f.line["dates"]] for f in made], np.int64),
        np.array([f.line["close"] for f in made], np.float64),
    )


def forecast_columns(
    made: Sequence[MadeForecast], state: LogContents, config: ExperimentConfig, levels: Sequence[float]
) -> dict[str, np.ndarray]:
    """Columns of the forecast table for one or more forecasts, see :mod:`nextbar.forecasts`."""
    laws = forecast_of([f.line["law"] for f in made])
    return forecasts.columns(keys_of(made, state, config), laws, Task.of(config), levels)
