"""What all baselines share: series by series, fallbacks for the young ones, and the way into the forecast table."""

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
        """A NamedTuple of floats and arrays from the training bars of one series; None where they tell nothing."""

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
        self._index = {one.key: s for s, one in enumerate(series)}
        self._last = {one.key: int(one.time_N[-1]) for one in series}
        learnt_together = learn_together([one.time_N for one in series], [one.step for one in series])
        self._calendars = [calendar for calendar in learnt_together if calendar]  # every series of a frame has bars
        self._reference = _reference(series, self.task)
        self._check_spread({one.name: s for s, one in enumerate(series)})
        needed = self.min_windows + self.task.horizon
        learnt = [
            self._learn(self._moves(one, s)) if len(one.time_N) >= needed else None for s, one in enumerate(series)
        ]
        known = [one for one in learnt if one is not None]
        if not known:
            longest = max(series, key=lambda one: len(one.time_N))
            raise DataError(
                f"baseline {self.name}: it needs {needed} bars of a ticker before the cutoff, with a close that moves; "
                f"the longest, {longest.name}, has {len(longest.time_N)}. Use more bars, or leave this baseline out"
            )
        mean = [np.mean(values, axis=0) for values in zip(*known, strict=True)]
        has_unit_S = np.isfinite(self._reference.move_std_SH[:, 0])  # without one there is nothing to measure in
        self._learnt = [
            type(known[0])(*(value * has_unit for value in mean)) if one is None else one
            for one, has_unit in zip([*learnt, None], has_unit_S, strict=True)
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
        tables = [self._table(one) for one in histories(frame)]
        whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return frame_like(whole, frame, dates=("origin", "date"))

    def _table(self, one: History) -> dict[str, np.ndarray]:
        s = self._index.get(one.key, len(self._index))
        row_N = np.arange(np.searchsorted(one.time_N, self._last.get(one.key, one.time_N[0])), len(one.time_N))
        calendar = self._calendars[s] if one.key in self._index else Calendar.always(one.step, int(one.time_N[0]))
        date_NH = calendar.next_times_after(one.time_N[row_N], self.task.horizon)
        self._check_spread({one.name: s})
        moves = self._moves(one, s)
        forecast = self._forecast(self._learnt[s], moves, row_N, date_NH)
        if self.task.output_mode == "distribution" and forecast.scale_NH is None:
            forecast = forecast._replace(scale_NH=np.broadcast_to(moves.spread_H, date_NH.shape))
        resolution_N = None if one.resolution is None else np.full(len(row_N), one.resolution)
        keys = Keys(np.full(len(row_N), one.ticker), resolution_N, one.time_N[row_N], date_NH, one.close_N[row_N])
        return columns(keys, self._in_target(forecast, s, keys.last_close_N), self.task, law=True)

    def _check_spread(self, rows: Mapping[str, int]) -> None:
        for name, s in rows.items() if self.task.output_mode == "distribution" else ():
            if not np.isfinite(self._reference.move_std_SH[s]).all():
                raise DataError(
                    f"baseline {self.name}: {name} has no spread, because its close does not move before the cutoff or "
                    "has too few bars there. Use more bars, or leave this ticker out"
                )

    def _moves(self, one: History, s: int) -> Moves:
        """The moves of a series in units of the ``s``-th of training; unscaled where that has no spread."""
        reference, unit = self._reference, self._unit(s)
        positive = bool(reference.positive_S[s])
        move_N = one.moves(positive, float(reference.center_S[s])) / unit
        price_N = np.ones(len(move_N)) if positive else np.abs(one.close_N)
        timezone = self._calendars[s].timezone if s < len(self._calendars) else shared_zone(self._calendars)
        return Moves(one.time_N, timezone, move_N, reference.move_std_SH[s] / unit, np.maximum(price_N, unit) / unit)

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
    """What training says about each series, and in one row more about those that are not there yet."""
    n_windows = [max(len(one.close_N) - task.horizon, 0) for one in series]
    steps = np.arange(1, task.horizon + 1)
    training = Outcomes(
        series_N=np.repeat(np.arange(len(series)), n_windows),
        names=(*(one.name for one in series), "a series without training bars"),
        origin_time_N=np.concatenate([one.time_N[:n] + one.step for one, n in zip(series, n_windows, strict=True)]),
        last_close_N=np.concatenate([one.close_N[:n] for one, n in zip(series, n_windows, strict=True)]),
        close_NH=np.concatenate(
            [one.close_N[np.arange(n)[:, None] + steps] for one, n in zip(series, n_windows, strict=True)]
        ),
    )
    reference = fit_reference(training, [*(one.close_N for one in series), np.empty(0)], task)
    young_S = np.isnan(reference.move_std_SH).any(axis=1)
    if (reference.positive_S & ~young_S).any():  # log returns of different series share a unit, changes do not
        typical_H = reference.move_std_SH[reference.positive_S & ~young_S].mean(axis=0)
        reference.move_std_SH[reference.positive_S & young_S] = typical_H
    return reference
