"""Moves of one series in units of their deviation, which baselines are fitted on, and the way back to the target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.baselines.history import History
from nextbar.metrics.bins import law_log_probs
from nextbar.metrics.reference import target_unit
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference


class Moves(NamedTuple):
    """The past of one series, N bars. One unit is the standard deviation of its moves in training."""

    time_N: np.ndarray
    """opening times, seconds since the epoch"""
    timezone: str
    """of the market's hours"""
    move_N: np.ndarray
    """the move into each bar, 0 for the first"""
    spread_H: np.ndarray
    """standard deviation of the h-step moves in training; NaN where there is none"""
    price_N: np.ndarray
    """a move as large as the price, above zero"""
    calendar: Calendar | None = None
    """of the bars"""
    unit: float = 1.0
    """what the moves are in units of"""

    @classmethod
    def of(cls, history: History, calendar: Calendar, row: Reference) -> Moves:
        """The moves of a series in units of its reference; unscaled where that has no spread."""
        unit, positive = unit_of(row), bool(row.positive_S[0])
        move_N = history.moves(positive, float(row.center_S[0])) / unit
        price_N = np.ones(len(move_N)) if positive else np.abs(history.close_N)
        spread_H, price_N = row.move_std_SH[0] / unit, np.maximum(price_N, unit) / unit
        return cls(history.time_N, calendar.timezone, move_N, spread_H, price_N, calendar, unit)

    @property
    def has_unit(self) -> bool:
        """False where the series has no spread, so that its moves are unscaled."""
        return bool(np.isfinite(self.spread_H[0]))


def unit_of(row: Reference) -> float:
    """Standard deviation of the moves of a series in training; 1 where it has none."""
    unit = float(row.move_std_SH[0, 0])
    return unit if np.isfinite(unit) else 1.0


def in_target(forecast: Forecast, row: Reference, last_close_N: np.ndarray, task: Task) -> Forecast:
    """Moves as changes in the unit of the target, a law as the probabilities of its bins where those are asked for.

    In prices the location is that of the log return carried over, c (e^m - 1), so that a symmetrical law keeps its
    median, and the scale that of the log return times c, its first order.
    """
    if forecast.location_NH is None:
        return forecast
    unit = unit_of(row)
    location_NH = forecast.location_NH * unit
    scale_NH = None if forecast.scale_NH is None else forecast.scale_NH * unit
    if task.output_mode == "discrete_grid" and scale_NH is not None:
        law = forecast._replace(location_NH=location_NH, scale_NH=scale_NH)
        return Forecast(log_probs_NHK=law_log_probs(law, task.edges))
    unit_N1 = target_unit(row, np.zeros(len(last_close_N), int), last_close_N, task)[:, None]
    if task.target == "close" and row.positive_S[0]:
        location_NH = np.expm1(location_NH)
    scale_NH = None if scale_NH is None else scale_NH * unit_N1
    return forecast._replace(location_NH=location_NH * unit_N1, scale_NH=scale_NH)
