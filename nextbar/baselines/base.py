"""``Baseline``: fitted once, on a frame or on series, and then run forward; from a frame, the forecast table."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

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


class Baseline(ABC):
    """A :class:`~nextbar.baselines.Predictor` for one question.

    A subclass has four methods: ``_learn_all`` learns, ``_ahead`` forecasts, ``_plain`` and ``_from_plain`` write down
    what was learnt; no other method is overridden. Most learn from each series by itself, and are a
    :class:`~nextbar.baselines.series_baseline.SeriesBaseline`, which has all but what is learnt and what is forecast.

    Everything is learnt from *moves*: log returns, or changes where a training price is not above zero. The unit of a
    series too young to learn from is the mean standard deviation of the others
    (:func:`~nextbar.baselines.reference.reference_of`); so is that of one that appears after training.

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
    most_bars = math.inf
    """training bars of all series, times steps ahead, that it is fitted on within seconds"""

    calendar: str = "auto"
    """as in ``DatasetConfig``, like the next; of series that :meth:`fit` gets in a frame"""
    timezone: str = "auto"

    def __init__(self, task: Task) -> None:
        self.task = task
        self._learnt: list[Any] = []
        """of each series, and last of those that were not learnt from"""

    @property
    def in_words(self) -> str:
        """Its name in a sentence, with the spread that a ``distribution`` lends it."""
        lent = self.task.output_mode == "distribution" and not self.is_law and not self.direction_only
        return f"{self.words or self.name} with a constant spread" if lent else self.words or self.name

    @abstractmethod
    def _learn_all(self, series: Sequence[History], calendars: Sequence[Calendar]) -> list[Any]:
        """What is learnt of each series, and last what those that were not learnt from are forecast by.

        Raises:
            DataError: too few bars, or bars that cannot be used.
        """

    @abstractmethod
    def _ahead(self, history: History, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        """Moves to come of a series, in units of ``moves``, for the origins ``row_N``; ``date_NH`` are the predicted
        bars' opening times."""

    @abstractmethod
    def _plain(self, learnt: Any) -> Any:
        """One of what ``_learn_all`` gives, in values that JSON knows."""

    @abstractmethod
    def _from_plain(self, plain: Any) -> Any:
        """The same from such values."""

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
        for history in series:
            self._require_spread(history)
        self._learnt = self._learn_all(series, calendars)
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
        reference = self._reference_of(history) if own is None or history.key in self._index else own
        date_NH = calendar.next_times_after(history.time_N[row_N], self.task.horizon)
        return self._in_target(history, Moves.of(history, calendar, reference), reference, row_N, date_NH)

    def knows(self, key: tuple[str, str | None]) -> bool:
        """Whether a series, by ticker and resolution, is one of those that it was fitted on."""
        return key in self._index

    def _table(self, history: History) -> dict[str, np.ndarray]:
        """Forecasts from the last bar known to ``fit`` on, or from the first, as columns of the forecast table."""
        first = np.searchsorted(history.time_N, self._last.get(history.key, history.time_N[0]))
        row_N = np.arange(first, len(history.time_N))
        calendar, reference = self._calendar_of(history), self._reference_of(history)
        date_NH = calendar.next_times_after(history.time_N[row_N], self.task.horizon)
        self._require_spread(history)
        moves = Moves.of(history, calendar, reference)
        if history.key not in self._index:  # slots of a week are counted alike in all series of a resolution
            slots = next((known for known in self._calendars if known.step == history.step), calendar)
            moves = moves._replace(calendar=slots, timezone=shared_zone(self._calendars))
        forecast = self._in_target(history, moves, reference, row_N, date_NH)
        resolution_N = None if history.resolution is None else np.full(len(row_N), history.resolution)
        keys = Keys(
            np.full(len(row_N), history.ticker), resolution_N, history.time_N[row_N], date_NH, history.close_N[row_N]
        )
        return columns(keys, forecast, self.task, law=True)

    def _in_target(
        self, history: History, moves: Moves, reference: Reference, row_N: np.ndarray, date_NH: np.ndarray
    ) -> Forecast:
        """What is ahead, in the unit of the target; without a scale a ``distribution`` has the spread of training."""
        forecast = self._ahead(history, moves, row_N, date_NH)
        if self.task.output_mode == "distribution" and forecast.scale_NH is None:
            forecast = forecast._replace(scale_NH=np.broadcast_to(moves.spread_H, date_NH.shape))
        return in_target(forecast, reference, history.close_N[row_N], self.task)

    def _calendar_of(self, history: History) -> Calendar:
        """That of a series that was not learnt from is always open, or the exchange's."""
        if history.key in self._index:
            return self._calendars[self._row_of(history)]
        if is_exchange(self.calendar):
            return learn_beside(history.time_N, history.step, self.calendar, self.timezone, self._calendars)
        return Calendar.always(history.step, int(history.time_N[0]))

    def _reference_of(self, history: History) -> Reference:
        return self._reference.of_series(self._row_of(history))

    def _row_of(self, history: History) -> int:
        """Row of a series in what was learnt and in the reference: the last for one that was not learnt from."""
        return self._index.get(history.key, len(self._index))

    def _enough(self, series: Sequence[History]) -> np.ndarray:
        """bool (S,): the series that are learnt from; see ``enough_moves``."""
        return enough_moves([len(history.time_N) - self.task.horizon for history in series], self.task.horizon)

    def _require_spread(self, history: History) -> None:
        """Raises DataError: a law is asked for, and the series has no spread."""
        needs_spread = self.is_law or self.task.output_mode == "distribution"
        if needs_spread and not np.isfinite(self._reference_of(history).move_std_SH).all():
            raise DataError(
                f"baseline {self.name}: {history.name} has no spread, because its close does not move before the "
                "cutoff or has too few bars there. Use more bars, or leave this ticker out"
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
