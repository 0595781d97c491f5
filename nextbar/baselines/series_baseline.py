"""``SeriesBaseline``: learns from each series by itself; one too young to learn from takes the mean of the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.baselines.base import Baseline
from nextbar.baselines.history import History
from nextbar.baselines.moves import Moves
from nextbar.errors import DataError
from nextbar.metrics.reference import plain_record
from nextbar.types import Forecast

Learnt = TypeVar("Learnt", bound=tuple[Any, ...])


class SeriesBaseline(Baseline, Generic[Learnt]):
    """A baseline that learns from each series by itself, in units of the series' moves.

    A subclass has two methods: ``_learn`` gives the ``parameters`` of a series, ``_forecast`` goes by them.

    A series too young to learn from takes the mean of what the others learnt; so does one that appears after training.
    """

    min_windows = 0
    """training windows, H bars and one more each, that a series must have to be learnt from"""
    parameters: type[tuple[Any, ...]]
    """what is learnt of a series, a NamedTuple of floats and arrays"""

    @abstractmethod
    def _learn(self, moves: Moves) -> Learnt | None:
        """From the training bars of one series; None where nothing can be learnt."""

    @abstractmethod
    def _forecast(self, learnt: Learnt, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        """As ``_ahead``, by what was learnt."""

    def _learn_all(self, series: Sequence[History], calendars: Sequence[Calendar]) -> list[Learnt]:
        needed, enough_S = self.min_windows + self.task.horizon, self._enough(series)
        learnt = [
            self._learn(Moves.of(history, calendar, self._reference_of(history)))
            if enough and len(history.time_N) >= needed
            else None
            for history, calendar, enough in zip(series, calendars, enough_S, strict=True)
        ]
        fitted = [parameters for parameters in learnt if parameters is not None]
        if not fitted:
            longest = max(series, key=lambda history: len(history.time_N))
            raise DataError(
                f"baseline {self.name}: it needs {needed} bars of a ticker before the cutoff, with a close that moves; "
                f"the longest, {longest.name}, has {len(longest.time_N)}. Use more bars, or leave this baseline out"
            )
        typical = type(fitted[0])(*(np.mean(values, axis=0) for values in zip(*fitted, strict=True)))
        has_unit_S = np.isfinite(self._reference.move_std_SH[:, 0])
        return [
            parameters if parameters is not None else typical if has_unit else _zeros(typical)
            for parameters, has_unit in zip([*learnt, None], has_unit_S, strict=True)
        ]

    def _ahead(self, history: History, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        learnt = self._learnt[self._row_of(history)]
        if moves.has_unit:
            return self._forecast(learnt, moves, row_N, date_NH)
        forecast = self._forecast(_zeros(learnt), moves, row_N, date_NH)
        return forecast if forecast.scale_NH is None else forecast._replace(scale_NH=np.full(date_NH.shape, np.nan))

    def _plain(self, learnt: Learnt) -> Any:
        return plain_record(learnt)

    def _from_plain(self, plain: Any) -> Any:
        arrays = {name: np.array(v, float) if isinstance(v, list) else float(v) for name, v in plain.items()}
        return self.parameters(**arrays)


def _zeros(learnt: Learnt) -> Learnt:
    """Parameters of a series without a unit: what others learnt cannot be measured in it."""
    return type(learnt)(*(np.asarray(value) * 0.0 for value in learnt))


class Nothing(NamedTuple):
    """Parameters of a baseline that learns nothing."""


class Untaught(SeriesBaseline[Nothing]):
    """A baseline that learns nothing of a series."""

    parameters = Nothing

    def _learn(self, moves: Moves) -> Nothing:
        return Nothing()
