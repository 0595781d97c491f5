"""Global models of darts, fitted on all series at each cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead
from nextbar.rivals.contexts import ContextRival, from_quantiles
from nextbar.rivals.local_folder import offline
from nextbar.rivals.parameters import model_class
from nextbar.rivals.scaled_series import ScaledSeries


@strict_arguments
class DartsRival(ContextRival):
    """A global model of ``darts.models``, such as ``LinearRegressionModel(lags=24, output_chunk_length=1)``.

    A fresh copy is fitted on the log prices of all series before each cutoff. Each origin is then forecast from the
    bars that its lags reach, many in one call. Local models, which forecast from the end of what they were fitted on
    alone, are refused; statsforecast has those that go forward.

    A normal law with a Gaussian likelihood, quantiles with that of quantiles, closes alone without any. No other
    likelihood is asked, since darts draws samples of them, which are others each time.

    Args:
        model: the model, not fitted.
        name: in tables; None: ``darts:`` and the model's class.

    Raises:
        ConfigError: an object that is none, or a model that cannot answer.
    """

    library = "darts"
    extra = "darts"

    def __init__(self, model: Any, *, name: str | None = None) -> None:
        if isinstance(model, type) or not callable(getattr(model, "untrained_model", None)):
            raise ConfigError(
                f"DartsRival: found {type(model).__name__}, should be a model such as LinearRegressionModel(lags=24)"
            )
        super().__init__(name, type(model).__name__)
        self.model = model

    @classmethod
    def called(cls, model: str, parameters: Mapping[str, Any]) -> DartsRival:
        """The rival that a name and its parameters stand for.

        Raises:
            ConfigError: the library is not installed, or has no such model or parameter.
        """
        cls.require_library()
        with offline():
            from darts import models

            return cls(model_class(models, model, "darts.models", "fit")(**parameters))

    def _prepare(self, task: Task) -> None:
        from darts.models.forecasting.forecasting_model import GlobalForecastingModel

        if not isinstance(self.model, GlobalForecastingModel):
            raise ConfigError(
                f"{self.name} is a local model, which forecasts from the end of its training bars alone; use a global "
                "one, such as LinearRegressionModel, or a model of statsforecast"
            )
        first_lag = self.model.extreme_lags[0]
        further = set(getattr(self.model, "lags", None) or ()) - {"target"}  # of regressions, by what they are lags of
        if first_lag is None or further or self.model.uses_past_covariates or self.model.uses_future_covariates:
            raise ConfigError(f"{self.name}: rivals of darts are given lags of the close alone, so give it lags")
        self.context = self.least = -int(first_lag)
        likelihood = self.model.likelihood
        names = () if likelihood is None else tuple(likelihood.parameter_names)
        self.is_law = set(names) == {"mu", "sigma"}
        self.shares = tuple(map(float, getattr(likelihood, "quantiles", None) or ()))
        if names and self.closes_only:
            raise ConfigError(
                f"{self.name}: its likelihood has {', '.join(names)}; those that are asked are Gaussian, and quantiles"
            )
        self._place = {name: place for place, name in enumerate(names)}
        most = self.model.output_chunk_length
        if names and most is not None and task.horizon > most:
            raise ConfigError(
                f"{self.name}: output_chunk_length is {most}, and the experiment's horizon {task.horizon}; its law "
                "reaches no further, so make it as long"
            )

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        self._fitted = self.model.untrained_model()
        with offline():
            self._fitted.fit([_time_series(series.value_N - series.value_N[-1]) for series in all_series])

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        options: dict[str, Any] = {"predict_likelihood_parameters": True} if self._place else {}
        answers = self._fitted.predict(n=horizon, series=[_time_series(y) for y in contexts], verbose=False, **options)
        values_NHQ = np.stack([answer.values() for answer in answers]).astype(np.float64)
        if self.is_law:
            return Ahead(values_NHQ[..., self._place["mu"]], values_NHQ[..., self._place["sigma"]])
        return from_quantiles(values_NHQ, self.shares) if self.shares else Ahead(values_NHQ[..., 0])


def _time_series(values: np.ndarray) -> Any:
    from darts import TimeSeries

    return TimeSeries.from_values(values.astype(np.float32))
