"""Base of the baselines: learning series by series, fallbacks for young ones, and the forecast table."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_beside, learn_together, shared_zone
from nextbar.baselines.history import History, histories
from nextbar.baselines.moves import Moves, in_target
from nextbar.baselines.reference import reference_of
from nextbar.config.exchanges import is_exchange
from nextbar.errors import DataError
from nextbar.forecasts import Keys, columns
from nextbar.machine.blas import one_thread
from nextbar.metrics.reference import enough_moves, plain_record, reference_from
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference

Learnt = TypeVar("Learnt", bound=tuple[Any, ...])


class Baseline(ABC, Generic[Learnt]):
    """A :class:`~nextbar.baselines.Predictor` for one question.

    Everything is learnt for each series by itself, from its *moves*: log returns, or changes where a training price is
    not above zero. A series too young to learn from takes the mean of what the others learnt, in units of their mean
    standard deviation (:func:`~nextbar.baselines.reference.reference_of`); so does one that appears after training.

    Forecasts are given from the last bar known to :meth:`fit` on: earlier ones would be of bars it has seen.
    """

    name: str
    words = ""
    """its name in a sentence"""
    direction_only = False
    is_law = False
    """whether it has a scale of its own"""
    needs_ranges = False
    """whether it takes open, high and low"""
    min_windows = 0
    """training windows, H bars and one more each, that a series must have to be learnt from"""
    most_bars = math.inf
    """training bars of all series, times steps ahead, that it is fitted on within seconds"""
    parameters: type[tuple[Any, ...]]
    """what is learnt of a series, a NamedTuple of floats and arrays"""

    calendar: str = "auto"
    """as in ``DatasetConfig``, like the next; of series that :meth:`fit` gets in a frame"""
    timezone: str = "auto"

    def __init__(self, task: Task) -> None:
        self.task = task
        self._learnt: list[Learnt] = []

    @property
    def in_words(self) -> str:
        """Its name in a sentence, with the spread that a ``distribution`` lends it."""
        lent = self.task.output_mode == "distribution" and not self.is_law and not self.direction_only
        return f"{self.words or self.name} with a constant spread" if lent else self.words or self.name

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
        self._last = {history.key: int(history.time_N[-1]) for history in series}
        times, steps = [history.time_N for history in series], [history.step for history in series]
        learnt_together = learn_together(times, steps, self.calendar, self.timezone)
        self._calendars = [calendar for calendar in learnt_together if calendar]  # every series of a frame has bars
        return self.learn(series, self._calendars)

    @one_thread
    def learn(self, series: Sequence[History], calendars: Sequence[Calendar]) -> Self:
        """Learn from the bars of series whose calendars are known.

        Raises:
            DataError: as ``fit``.
        """
        self._index = {history.key: s for s, history in enumerate(series)}
        self._reference = reference_of(series, self.task)
        for s, history in enumerate(series):
            self._check_spread(history.name, s)
        self._learnt = self._learn_all(series, calendars)
        return self

    def _learn_all(self, series: Sequence[History], calendars: Sequence[Calendar]) -> list[Learnt]:
        """Parameters of each series, and last those for a series that was not fitted."""
        needed, enough_S = self.min_windows + self.task.horizon, self._enough(series)
        learnt = [
            self._learn(Moves.of(history, calendar, calendar.timezone, self._reference.of_series(s)))
            if enough_S[s] and len(history.time_N) >= needed
            else None
            for s, (history, calendar) in enumerate(zip(series, calendars, strict=True))
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
        return [
            type(fitted[0])(*(value * has_unit for value in mean)) if parameters is None else parameters
            for parameters, has_unit in zip([*learnt, None], has_unit_S, strict=True)
        ]

    def _enough(self, series: Sequence[History]) -> np.ndarray:
        """bool (S,): the series that are learnt from; see ``enough_moves``."""
        return enough_moves([len(history.time_N) - self.task.horizon for history in series], self.task.horizon)

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

    def forecast(
        self, history: History, calendar: Calendar, row_N: np.ndarray, own: Reference | None = None
    ) -> Forecast:
        """Forecasts from some bars of a series, in the unit of the target.

        Args:
            history: the series from its first bar that is known; bars after an origin do not change its forecast.
            calendar: of the series.
            row_N: origins.
            own: the reference of the series alone, for one that was not learnt from: its unit. Without a spread in it
                the series has no law. None: the typical one of those that were.
        """
        row = self._reference.of_series(self._index.get(history.key, len(self._index)))
        if own is not None and history.key not in self._index:
            row = own
        date_NH = calendar.next_times_after(history.time_N[row_N], self.task.horizon)
        return self._forecast_in_target(history, calendar, calendar.timezone, row_N, date_NH, row)

    def _table(self, history: History) -> dict[str, np.ndarray]:
        fitted = history.key in self._index
        s = self._index.get(history.key, len(self._index))
        row_N = np.arange(
            np.searchsorted(history.time_N, self._last.get(history.key, history.time_N[0])), len(history.time_N)
        )
        calendar = self._calendars[s] if fitted else self._unknown(history)
        timezone = calendar.timezone if fitted else shared_zone(self._calendars)
        date_NH = calendar.next_times_after(history.time_N[row_N], self.task.horizon)
        self._check_spread(history.name, s)
        # slots of a week are counted alike in all series of a resolution
        usual = next((other for other in self._calendars if other.step == history.step), calendar)
        row = self._reference.of_series(s)
        forecast = self._forecast_in_target(history, calendar if fitted else usual, timezone, row_N, date_NH, row)
        resolution_N = None if history.resolution is None else np.full(len(row_N), history.resolution)
        keys = Keys(
            np.full(len(row_N), history.ticker), resolution_N, history.time_N[row_N], date_NH, history.close_N[row_N]
        )
        return columns(keys, forecast, self.task, law=True)

    def _unknown(self, history: History) -> Calendar:
        """The calendar of a series that was not learnt from: always open, or that of the exchange."""
        if is_exchange(self.calendar):
            return learn_beside(history.time_N, history.step, self.calendar, self.timezone, self._calendars)
        return Calendar.always(history.step, int(history.time_N[0]))

    def _forecast_in_target(
        self,
        history: History,
        calendar: Calendar,
        timezone: str,
        row_N: np.ndarray,
        date_NH: np.ndarray,
        row: Reference,
    ) -> Forecast:
        moves = Moves.of(history, calendar, timezone, row)
        has_unit = bool(np.isfinite(row.move_std_SH[0, 0]))
        forecast = self._forecast(self._learnt_of(history, has_unit), moves, row_N, date_NH)
        if forecast.scale_NH is not None and not (has_unit or self.needs_ranges):
            forecast = forecast._replace(scale_NH=np.full(date_NH.shape, np.nan))
        if self.task.output_mode == "distribution" and forecast.scale_NH is None:
            forecast = forecast._replace(scale_NH=np.broadcast_to(moves.spread_H, date_NH.shape))
        return in_target(forecast, row, history.close_N[row_N], self.task)

    def _learnt_of(self, history: History, has_unit: bool) -> Learnt:
        """Parameters for a series; zeros without a unit of its own, since those of others cannot be scaled to it."""
        learnt = self._learnt[self._index.get(history.key, -1)]
        return learnt if has_unit else type(learnt)(*(np.asarray(value) * 0.0 for value in learnt))

    def _check_spread(self, name: str, s: int) -> None:
        needs_spread = self.is_law or self.task.output_mode == "distribution"
        if needs_spread and not np.isfinite(self._reference.move_std_SH[s]).all():
            raise DataError(
                f"baseline {self.name}: {name} has no spread, because its close does not move before the cutoff or "
                "has too few bars there. Use more bars, or leave this ticker out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Parameters and references in plain values: of each series, and last for others."""
        return {
            "series": [list(key) for key in self._index],
            "learnt": list(map(self._plain, self._learnt)),
            "reference": plain_record(self._reference),
        }

    def restored(self, plain: Mapping[str, Any]) -> Self:
        """Take what was learnt from plain values, for ``forecast``; the calendars are not among them."""
        self._index = {(ticker, resolution): s for s, (ticker, resolution) in enumerate(plain["series"])}
        self._learnt = list(map(self._from_plain, plain["learnt"]))
        self._reference = reference_from(plain["reference"])
        return self

    def _plain(self, learnt: Learnt) -> Any:
        return plain_record(learnt)

    def _from_plain(self, plain: Any) -> Any:
        arrays = {name: np.array(v, float) if isinstance(v, list) else float(v) for name, v in plain.items()}
        return self.parameters(**arrays)


class Nothing(NamedTuple):
    """Parameters of a baseline that learns nothing."""


class Untaught(Baseline[Nothing]):
    """A baseline that learns nothing of a series."""

    parameters = Nothing

    def _learn(self, moves: Moves) -> Nothing:
        return Nothing()
