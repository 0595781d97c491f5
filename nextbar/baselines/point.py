"""Point forecasts without a model: persistence, drift, the season of the week."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.bars.slots import HOUR, MONDAY, WEEK
from nextbar.bars.zone import local_time
from nextbar.baselines.moves import Moves
from nextbar.baselines.series_baseline import Nothing, SeriesBaseline, Untaught
from nextbar.types import Forecast

HOURS = WEEK // HOUR


class Mean(NamedTuple):
    """The mean move of one bar."""

    move: float


class Season(NamedTuple):
    """The mean move into the bars that open in each hour of the market's week, Monday 00:00 first."""

    move_W: np.ndarray


class Persistence(Untaught):
    """The next close equals the last."""

    name = "persistence"
    words = "persistence"

    def _forecast(self, learnt: Nothing, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        return Forecast(location_NH=np.zeros(date_NH.shape))


class Drift(SeriesBaseline[Mean]):
    """h times the mean move of a bar in training."""

    name = "drift"
    words = "the mean move of training"
    parameters = Mean
    min_windows = 1

    def _learn(self, moves: Moves) -> Mean:
        return Mean(float(moves.move_N[1:].mean()))

    def _forecast(self, learnt: Mean, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        steps = np.arange(1, date_NH.shape[1] + 1)
        return Forecast(location_NH=np.broadcast_to(learnt.move * steps, date_NH.shape))


class Seasonal(SeriesBaseline[Season]):
    """The sum of the mean moves, in training, of the hours of the week that lie ahead; of the weekdays for daily bars.

    Hours are those of the market's time zone, which the dates of training tell, so that a session opens at one hour all
    year. An hour without a bar in training has the mean move of all bars.
    """

    name = "seasonal"
    words = "the mean move of the hour of the week"
    parameters = Season
    min_windows = 1

    def _learn(self, moves: Moves) -> Season:
        hour_N, move_N = hour_of_week(moves.time_N[1:], moves.timezone), moves.move_N[1:]
        count_W = np.bincount(hour_N, minlength=HOURS)
        total_W = np.bincount(hour_N, move_N, minlength=HOURS)
        return Season(np.where(count_W > 0, total_W / np.maximum(count_W, 1), move_N.mean()))

    def _forecast(self, learnt: Season, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        return Forecast(location_NH=learnt.move_W[hour_of_week(date_NH, moves.timezone)].cumsum(axis=1))


def hour_of_week(time: np.ndarray, timezone: str) -> np.ndarray:
    """Whole hours since Monday 00:00 of a time zone's clock, 0 ... 167, of seconds since the epoch, any shape."""
    return (local_time(time, timezone) - MONDAY) % WEEK // HOUR
