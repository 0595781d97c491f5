"""Base of the baselines: learning series by series, fallbacks for young ones, and the forecast table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from nextbar.bars.calendar import Calendar, learn_together, shared_zone
from nextbar.baselines.history import History, histories
from nextbar.errors import DataError
from nextbar.forecasts import Keys, columns
from nextbar.metrics.reference import fit_reference, target_unit
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes, Reference


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


Learnt = TypeVar("Learnt", bound=tuple[Any, ...])


class Baseline(ABC, Generic[Learnt]):
    """A :class:`~nextbar.baselines.Predictor` for one question.

    Everything is learnt for each series by itself, from its *moves*: log returns, or changes where a training price is
    not above zero. A series too young to learn from takes the mean of what the others learnt, in units of the standard
    deviation of its own moves; so does one that appears after training.

    Forecasts are given from the last bar known to :meth:`fit` on: earlier ones would be of bars it has seen.
    """

    name: str
    direction_only = False
    min_windows = 0
    """training windows, H bars and one more each, that a series must have to be learnt from"""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._learnt: list[Learnt] = []

    @abstractmethod
    def _learn(self, moves: Moves) -> Learnt | None:
        """A NamedTuple of floats and arrays from the training bars of one series; None where nothing can be learnt."""

    @abstractmethod
    def _forecast(self, learnt: Learnt, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        """Moves to come, in units of ``moves``, for the origins ``row_N``; ``date_NH`` are the predicted bars' opening
        times. Without a scale a ``distribution`` gets the constant spread of training."""

    def fit(self, frame: Any) -> Self:
        """Learn from all bars of ``frame``.

        Raises:
            DataError: no series is long enough; a series has no spread and a ``distribution`` is asked for; returns are
                asked of prices that are not above zero.
        """
        series = histories(frame)
        self._index = {history.key: s for s, history in enumerate(series)}
        self._last = {history.key: int(history.time_N[-1]) for history in series}
        learnt_together = learn_together([history.time_N for history in series], [history.step for history in series])
        self._calendars = [calendar for calendar in learnt_together if calendar]  # every series of a frame has bars
        self._reference = _reference(series, self.task)
        self._check_spread({history.name: s for s, history in enumerate(series)})
        needed = self.min_windows + self.task.horizon
        learnt = [
            self._learn(self._moves(history, s)) if len(history.time_N) >= needed else None
            for s, history in enumerate(series)
        ]
        fitted = [parameters for parameters in learnt if parameters is not None]
        if not fitted:
            longest = max(series, key=lambda history: len(history.time_N))
            raise DataError(
                f"baseline {self.name}: it needs {needed} bars of a ticker before the cutoff, with a close that moves; "
                f"the longest, {longest.name}, has {len(longest.time_N)}. Use more bars, or leave this baseline out"
            )
        mean = [np.mean(values, axis=0) for values in zip(*fitted, strict=True)]
        has_unit_S = np.isfinite(self._reference.move_std_SH[:, 0])  # without one there is nothing to measure in
        self._learnt = [
            type(fitted[0])(*(value * has_unit for value in mean)) if parameters is None else parameters
            for parameters, has_unit in zip([*learnt, None], has_unit_S, strict=True)
        ]
        return self

    def predict(self, frame: Any) -> Any:
        """Forecasts from the last bar known to :meth:`fit` on, of a ticker it did not know from the first.

        Returns:
            The forecast table, with ``scale`` (and ``df``) for a ``distribution``; a frame of the same library.

        Raises:
            DataError: not fitted; a ticker without a spread, where a ``distribution`` is asked for.
        """
        from nextbar.bars.frames import frame_like

        if not self._learnt:
            raise DataError(f"baseline {self.name} is asked for forecasts before it is fitted; call fit(frame) first")
        tables = [self._table(history) for history in histories(frame)]
        whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return frame_like(whole, frame, dates=("origin", "date"))

    def _table(self, history: History) -> dict[str, np.ndarray]:
        s = self._index.get(history.key, len(self._index))
        row_N = np.arange(
            np.searchsorted(history.time_N, self._last.get(history.key, history.time_N[0])), len(history.time_N)
        )
        calendar = (
            self._calendars[s] if history.key in self._index else Calendar.always(history.step, int(history.time_N[0]))
        )
        date_NH = calendar.next_times_after(history.time_N[row_N], self.task.horizon)
        self._check_spread({history.name: s})
        moves = self._moves(history, s)
        forecast = self._forecast(self._learnt[s], moves, row_N, date_NH)
        if self.task.output_mode == "distribution" and forecast.scale_NH is None:
            forecast = forecast._replace(scale_NH=np.broadcast_to(moves.spread_H, date_NH.shape))
        resolution_N = None if history.resolution is None else np.full(len(row_N), history.resolution)
        keys = Keys(
            np.full(len(row_N), history.ticker), resolution_N, history.time_N[row_N], date_NH, history.close_N[row_N]
        )
        return columns(keys, self._in_target(forecast, s, keys.last_close_N), self.task, law=True)

    def _check_spread(self, rows: Mapping[str, int]) -> None:
        for name, s in rows.items() if self.task.output_mode == "distribution" else ():
            if not np.isfinite(self._reference.move_std_SH[s]).all():
                raise DataError(
                    f"baseline {self.name}: {name} has no spread, because its close does not move before the cutoff or "
                    "has too few bars there. Use more bars, or leave this ticker out"
                )

    def _moves(self, history: History, s: int) -> Moves:
        """The moves of a series in units of the ``s``-th of training; unscaled where that has no spread."""
        reference, unit = self._reference, self._unit(s)
        positive = bool(reference.positive_S[s])
        move_N = history.moves(positive, float(reference.center_S[s])) / unit
        price_N = np.ones(len(move_N)) if positive else np.abs(history.close_N)
        timezone = self._calendars[s].timezone if s < len(self._calendars) else shared_zone(self._calendars)
        return Moves(
            history.time_N, timezone, move_N, reference.move_std_SH[s] / unit, np.maximum(price_N, unit) / unit
        )

    def _unit(self, s: int) -> float:
        unit = float(self._reference.move_std_SH[s, 0])
        return unit if np.isfinite(unit) else 1.0

    def _in_target(self, forecast: Forecast, s: int, last_close_N: np.ndarray) -> Forecast:
        """Moves as changes in the unit of the target.

        In prices a law keeps its median: the location is that of the log return carried over, c (e^m - 1), and the
        scale that of the log return times c, its first order.
        """
        if forecast.location_NH is None:
            return forecast
        reference, task = self._reference, self.task
        unit_N1 = target_unit(reference, np.full(len(last_close_N), s), last_close_N, task)[:, None]
        location_NH = forecast.location_NH * self._unit(s)
        if task.target == "close" and reference.positive_S[s]:
            location_NH = np.expm1(location_NH)
        scale_NH = None if forecast.scale_NH is None else forecast.scale_NH * self._unit(s) * unit_N1
        return forecast._replace(location_NH=location_NH * unit_N1, scale_NH=scale_NH)


def _reference(series: Sequence[History], task: Task) -> Reference:
    """The reference of each series, and in a last row that of series without training bars."""
    n_windows = [max(len(history.close_N) - task.horizon, 0) for history in series]
    steps = np.arange(1, task.horizon + 1)
    training = Outcomes(
        series_N=np.repeat(np.arange(len(series)), n_windows),
        names=(*(history.name for history in series), "a series without training bars"),
        origin_time_N=np.concatenate(
            [history.time_N[:n] + history.step for history, n in zip(series, n_windows, strict=True)]
        ),
        last_close_N=np.concatenate([history.close_N[:n] for history, n in zip(series, n_windows, strict=True)]),
        close_NH=np.concatenate(
            [history.close_N[np.arange(n)[:, None] + steps] for history, n in zip(series, n_windows, strict=True)]
        ),
    )
    reference = fit_reference(training, [*(history.close_N for history in series), np.empty(0)], task)
    young_S = np.isnan(reference.move_std_SH).any(axis=1)
    if (reference.positive_S & ~young_S).any():  # log returns of different series share a unit, changes do not
        typical_H = reference.move_std_SH[reference.positive_S & ~young_S].mean(axis=0)
        reference.move_std_SH[reference.positive_S & young_S] = typical_H
    return reference
