"""Statistical models of statsforecast, fitted series by series at each cutoff."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError, DataError, first_line
from nextbar.metrics.standard_laws import Normal
from nextbar.metrics.task import Task
from nextbar.rivals.base import SHARES, Ahead, LibraryRival
from nextbar.rivals.contexts import from_quantiles
from nextbar.rivals.parameters import model_class
from nextbar.rivals.scaled_series import ScaledSeries

NORMAL_MODELS = frozenset(
    {"ARIMA", "AutoARIMA", "AutoETS", "AutoRegressive", "HistoricAverage", "Holt", "HoltWinters", "Naive",
     "RandomWalkWithDrift", "SeasonalNaive"}
)  # fmt: skip
"""models whose intervals are those of a normal law"""
SIMULATED_MODELS = frozenset(
    {"AutoCES", "AutoTheta", "DynamicOptimizedTheta", "DynamicTheta", "OptimizedTheta", "Theta"}
)
"""models whose intervals are quantiles of paths drawn with a fixed seed"""
REFUSED = ("ARCH", "GARCH")
"""models whose forecasts cannot be repeated"""
LEVEL = 90
"""the interval, in percent, that a normal law's scale is read from"""


@strict_arguments
class StatsForecastRival(LibraryRival):
    """A model of ``statsforecast.models``, such as ``AutoETS(season_length=24)``.

    It is fitted on the log prices before each cutoff. A model that can be run forward from its fit (``forward``) is,
    over the ``context`` bars up to each origin; any other is fitted anew at each origin on those bars, which is more
    than other participants may learn, and takes its time.

    A normal law for the models whose intervals are normal; quantiles of models that draw paths, and of conformal
    ``prediction_intervals``; closes alone otherwise.

    Args:
        model: the model, not fitted.
        context: bars up to an origin that it is run over.
        name: in tables; None: ``statsforecast:`` and the model's alias.

    Raises:
        ConfigError: an object that is none, or whose forecasts cannot be repeated.
    """

    library = "statsforecast"
    extra = "statsforecast"

    def __init__(self, model: Any, *, context: int = 1000, name: str | None = None) -> None:
        kind = type(model).__name__
        if isinstance(model, type) or not callable(getattr(model, "forecast", None)):
            raise ConfigError(f"StatsForecastRival: found {kind}, should be a model such as AutoETS(season_length=24)")
        if kind in REFUSED:
            raise ConfigError(
                f"statsforecast's {kind}: its forecasts are drawn anew each time; garch is among nextbar's own "
                "baselines"
            )
        super().__init__(name, str(getattr(model, "alias", kind)))
        self.model, self.context = model, context
        conformal = getattr(model, "prediction_intervals", None) is not None
        self.is_law = kind in NORMAL_MODELS and not conformal
        self.shares = self._own_shares = SHARES if conformal or kind in SIMULATED_MODELS else ()
        self._goes_forward = callable(getattr(model, "forward", None))

    @classmethod
    def called(cls, model: str, parameters: Mapping[str, Any]) -> StatsForecastRival:
        """The rival that a name and its parameters stand for.

        Raises:
            ConfigError: the library is not installed, or has no such model or parameter.
        """
        cls.require_library()
        from statsforecast import models

        return cls(model_class(models, model, "statsforecast.models", "forecast")(**parameters))

    def _prepare(self, task: Task) -> None:
        intervals = getattr(self.model, "prediction_intervals", None)
        if intervals is not None and intervals.h != task.horizon:
            raise ConfigError(
                f"{self.name}: its prediction_intervals are for h={intervals.h}, and the experiment's horizon is "
                f"{task.horizon}; give them that h"
            )
        self.shares = () if task.output_mode == "mean" else self._own_shares  # intervals that nobody scores cost time

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        self._fitted: dict[tuple[str, str | None], tuple[Any, float]] = {}
        for series in all_series if self._goes_forward else ():
            # a value of 0 in it keeps ETS from multiplicative errors, whose law is not normal
            model, level = self.model.new(), float(series.value_N[-1])
            with _named(self.name, series.history.name, "fit"):
                model.fit(series.value_N - level)
            self._fitted[series.history.key] = model, level

    def _ahead(self, series: ScaledSeries, row_M: np.ndarray, horizon: int) -> Ahead:
        answers, levels = [], self._levels
        # a fitted model goes on at the level that it was fitted at; any other is given changes from the origin
        model, level = self._fitted.get(series.history.key, (None, None))
        last_M1 = np.zeros((len(row_M), 1)) if level is None else series.value_N[row_M, None] - level
        with _named(self.name, series.history.name, "forecast"):
            for row, last in zip(row_M, last_M1[:, 0], strict=True):
                ask = self.model.new().forecast if model is None else model.forward
                answers.append(ask(y=series.context(int(row), self.context) + last, h=horizon, level=levels or None))

        def column(name: str) -> np.ndarray:
            return np.stack([np.asarray(answer[name], float) for answer in answers]) - last_M1

        location_NH = column("mean")
        if not levels:
            return Ahead(location_NH)

        if self.is_law:
            width = 2 * float(Normal().ppf(0.5 + LEVEL / 200))
            return Ahead(location_NH, (column(f"hi-{LEVEL}") - column(f"lo-{LEVEL}")) / width)
        below = [column(f"lo-{level}") for level in reversed(levels)]
        above = [column(f"hi-{level}") for level in levels]
        quantiles = from_quantiles(np.stack([*below, location_NH, *above], axis=-1), self.shares)
        return quantiles._replace(location_NH=location_NH)

    @property
    def _levels(self) -> list[float]:
        """Central intervals to ask for, in percent, ascending."""
        if self.is_law:
            return [] if self.task is not None and self.task.output_mode == "mean" else [LEVEL]
        return [round(200 * share - 100, 6) for share in self.shares if share > 0.5]


@contextmanager
def _named(rival: str, series: str, what: str) -> Iterator[None]:
    """Errors of the library with the series in them; its warnings of models that fit badly are silenced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            text = f"{rival} cannot {what} {series}: {type(error).__name__}, {first_line(error)}"
            raise DataError(text) from error
