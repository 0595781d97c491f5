"""``LibraryRival``: a forecaster of another library as a participant, its answer in the terms of the experiment."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from nextbar.baselines.history import History, histories
from nextbar.errors import ConfigError, DataError, NextbarError, first_line
from nextbar.forecasts import Keys, columns
from nextbar.metrics.bins import law_log_probs
from nextbar.metrics.task import Task
from nextbar.rivals.scaled_series import ScaledSeries
from nextbar.types import Forecast

SHARES = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""quantiles asked of a library that gives whichever one wants"""


class Ahead(NamedTuple):
    """Forecasts from N origins of a series: changes from the origin's value, in its units."""

    location_NH: np.ndarray
    scale_NH: np.ndarray | None = None
    """standard deviation of a normal law"""
    quantiles_NHQ: np.ndarray | None = None
    """ascending, at the rival's ``shares``"""


class LibraryRival(ABC):
    """A :class:`~nextbar.baselines.Predictor` that asks another library.

    It answers what the library gives: a normal law (``is_law``), quantiles (``shares``), or closes alone. Where an
    experiment forecasts a ``distribution``, a law is scored like any other, quantiles by the quantile score, and closes
    alone by their errors; where it forecasts a ``discrete_grid``, whoever has no law is scored by its direction.

    It is fitted on the bars before a cutoff, series by series or all at once, as the library does it.

    Args:
        name: in tables; None: library and model.
    """

    library: ClassVar[str]
    """the package that is imported"""
    extra: ClassVar[str]
    """the extra of nextbar that installs it"""

    is_law = False
    """whether it gives a normal law"""
    shares: tuple[float, ...] = ()
    """the shares whose quantiles it gives"""

    def __init__(self, name: str | None, model_name: str) -> None:
        self.name = name or f"{self.extra}:{model_name}"
        self.task: Task | None = None
        self._series: dict[tuple[str, str | None], ScaledSeries] = {}

    @classmethod
    def called(cls, model: str, parameters: Mapping[str, Any]) -> Self:
        """The rival that a model's name, or the folder it lies in, and its parameters stand for.

        Raises:
            ConfigError: no such model, folder or parameter, or the library is not installed.
        """
        return cls(model, **parameters)

    def for_task(self, task: Task) -> Self:
        """Take the question, and look whether the library can answer it.

        Raises:
            ConfigError: the library is not installed, or the model cannot answer.
        """
        self.require_library()
        self.task = task
        if getattr(self, "context", 1) < 1:
            raise ConfigError(f"{self.name}: context: found {self.context}, should be a number of bars")  # type: ignore[attr-defined]
        with redirect_stdout(sys.stderr):  # libraries print, but standard output is for what a command answers
            try:
                self._prepare(task)
            except NextbarError:
                raise
            except Exception as error:  # whatever a library or a damaged file raises
                raise ConfigError(
                    f"{self.name}: it cannot be opened: {type(error).__name__}: {first_line(error)}"
                ) from error
        return self

    @classmethod
    def require_library(cls) -> None:
        """Check that the library is there, without importing it.

        Raises:
            ConfigError: it is not; says what to install.
        """
        if find_spec(cls.library) is None:
            raise ConfigError(
                f"rivals of {cls.extra} need the package {cls.library}: pip install 'nextbar[{cls.extra}]'"
            )

    @property
    def closes_only(self) -> bool:
        """Whether it has neither a law nor quantiles."""
        return not (self.is_law or self.shares)

    @property
    def direction_only(self) -> bool:
        """Whether nothing but its direction is scored: where bins are asked for and it has no law to give them."""
        return self.task is not None and self.task.output_mode == "discrete_grid" and not self.is_law

    def fit(self, frame: Any) -> Self:
        """Fit the library's model on all bars of ``frame``.

        Raises:
            DataError: too few bars of a series for the model.
        """
        self._series = {history.key: ScaledSeries.learnt(history) for history in histories(frame)}
        with redirect_stdout(sys.stderr):
            self._fit(list(self._series.values()))
        return self

    def predict(self, frame: Any, keys: Keys | None = None) -> Any:
        """Forecasts from the origins of ``keys``; without them from the last bar known to :meth:`fit` on.

        Returns:
            The forecast table without ``date``, a frame of the same library.

        Raises:
            DataError: not fitted; a series that :meth:`fit` did not know, or too few bars before an origin.
        """
        from nextbar.bars.frames import frame_like

        with redirect_stdout(sys.stderr):
            tables = [self._table(series, row_M) for series, row_M in self._series_and_rows(frame, keys)]
        whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        return frame_like(whole, frame, dates=("origin",))

    @abstractmethod
    def _prepare(self, task: Task) -> None:
        """Make the model ready for the question, before anything is fitted."""

    @abstractmethod
    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        """Fit the model on the values of all series."""

    @abstractmethod
    def _ahead(self, series: ScaledSeries, row_M: np.ndarray, horizon: int) -> Ahead:
        """Forecasts from some rows of a series, from no value after them."""

    def _series_and_rows(self, frame: Any, keys: Keys | None) -> Iterator[tuple[ScaledSeries, np.ndarray]]:
        """Series with the rows to forecast from."""
        if self.task is None or not self._series:
            raise DataError(f"{self.name} is asked for forecasts before for_task(task) and fit(frame); call them first")
        for history in histories(frame):
            if keys is None and history.key not in self._series:
                continue
            row_M = self._rows(history, keys)
            if not len(row_M):
                continue
            if history.key not in self._series:
                raise DataError(f"{history.name} has no bars before the cutoff, so {self.name} cannot be fitted on it")
            yield self._series[history.key].continued(history), row_M

    def _rows(self, history: History, keys: Keys | None) -> np.ndarray:
        if keys is None:
            fitted_until = self._series[history.key].history.time_N[-1]
            return np.arange(np.searchsorted(history.time_N, fitted_until), len(history.time_N))
        own_N = keys.ticker_N == history.ticker
        if keys.resolution_N is not None:
            own_N &= keys.resolution_N == history.resolution
        return np.searchsorted(history.time_N, np.sort(keys.origin_N[own_N]))

    def _table(self, series: ScaledSeries, row_M: np.ndarray) -> dict[str, np.ndarray]:
        assert self.task is not None
        history, task = series.history, self.task
        last_M = history.close_N[row_M]
        forecast = in_target(self._ahead(series, row_M, task.horizon), series, last_M, task)
        resolution_M = None if history.resolution is None else np.full(len(row_M), history.resolution)
        time_M = history.time_N[row_M]
        unknown_MH = np.zeros((len(row_M), task.horizon), np.int64)  # whoever asks knows which bars follow
        keys = Keys(np.full(len(row_M), history.ticker), resolution_M, time_M, unknown_MH, last_M)
        table = columns(keys, forecast, replace(task, shares=self.shares), law=True)
        return {name: values for name, values in table.items() if name != "date"}


def in_target(ahead: Ahead, series: ScaledSeries, last_M: np.ndarray, task: Task) -> Forecast:
    """Forecasts of a series in the unit of the target: as the law, its quantiles, or the probabilities of its bins.

    In prices the location is that of the log return carried over, c (e^m - 1), as are quantiles, and the scale that of
    the log return times c, its first order; so a normal law keeps its median.

    Raises:
        DataError: log returns, or bins, of prices that are not above zero.
    """
    if task.needs_positive_prices and not series.positive:
        raise DataError(f"{series.history.name}: a close that is not above zero before the cutoff has no log return")
    location, scale, quantiles = (None if values is None else values * series.unit for values in ahead)
    assert location is not None
    if task.output_mode == "discrete_grid" and scale is not None:
        return Forecast(log_probs_NHK=law_log_probs(Forecast(location, scale), task.edges))
    if task.target == "close" and series.positive:
        last_M1 = last_M[:, None]
        location = np.expm1(location) * last_M1
        scale = None if scale is None else scale * last_M1
        quantiles = None if quantiles is None else np.expm1(quantiles) * last_M1[..., None]
    if task.output_mode != "distribution":  # closes alone
        return Forecast(location)
    return Forecast(location, scale, quantiles_NHQ=quantiles)
