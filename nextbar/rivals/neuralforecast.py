"""Networks of neuralforecast, trained on all series at each cutoff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task
from nextbar.rivals.base import SHARES, Ahead
from nextbar.rivals.contexts import ContextRival, from_quantiles
from nextbar.rivals.parameters import model_class
from nextbar.rivals.scaled_series import ScaledSeries

QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
"""what its trainer would write beside the experiment, or on the terminal"""


@strict_arguments
class NeuralForecastRival(ContextRival):
    """A model of ``neuralforecast.models`` with ``h`` as long as the horizon, such as ``NHITS(h=1, input_size=48)``.

    A fresh copy is trained on the log prices of all series before each cutoff, in steps of one bar. Each origin is then
    forecast from its last ``input_size`` bars, many in one call.

    Quantiles with the loss ``MQLoss`` (or ``HuberMQLoss``), which a model that is asked for by name gets; closes alone
    with a loss of points. Distributions are refused: the library draws samples of them, which are others each time.

    Args:
        model: the model, not trained.
        val_size: bars of each series that its early stopping may watch, the last before the cutoff.
        name: in tables; None: ``neuralforecast:`` and the model's class.

    Raises:
        ConfigError: an object that is none, or one that needs further columns.
    """

    library = "neuralforecast"
    extra = "neuralforecast"

    def __init__(self, model: Any, *, val_size: int = 0, name: str | None = None) -> None:
        if isinstance(model, type) or not hasattr(model, "input_size") or not hasattr(model, "trainer_kwargs"):
            raise ConfigError(
                f"NeuralForecastRival: found {type(model).__name__}, should be a model such as NHITS(h=1, "
                "input_size=48)"
            )
        super().__init__(name, type(model).__name__)
        self._of_task: Callable[[Task], Any] = lambda task: model
        self.val_size = val_size

    @classmethod
    def called(cls, model: str, parameters: Mapping[str, Any]) -> NeuralForecastRival:
        """The rival that a name and its parameters stand for, with ``h`` and the loss ``MQLoss`` given by nextbar.

        Raises:
            ConfigError: the library is not installed, has no such model, or a parameter is nextbar's to give.
        """
        cls.require_library()
        from neuralforecast import models
        from neuralforecast.losses.pytorch import MQLoss

        make = model_class(models, model, "neuralforecast.models", "fit")
        if given := sorted({"h", "loss"} & parameters.keys()):
            raise ConfigError(f"neuralforecast:{model}: {' and '.join(given)} follow from the backtest; leave them out")

        def of_task(task: Task) -> Any:
            return make(h=task.horizon, loss=MQLoss(quantiles=list(SHARES)), **dict(parameters))

        rival = cls.__new__(cls)
        super(NeuralForecastRival, rival).__init__(None, model)
        rival._of_task, rival.val_size = of_task, 0
        return rival

    def _prepare(self, task: Task) -> None:
        self.model = self._of_task(task)
        if self.model.h != task.horizon:
            raise ConfigError(f"{self.name}: h is {self.model.h}, and the experiment's horizon is {task.horizon}")
        further = [name for name in ("futr_exog_list", "hist_exog_list", "stat_exog_list") if getattr(self.model, name)]
        if further:
            raise ConfigError(f"{self.name}: {', '.join(further)}: rivals of neuralforecast are given closes alone")
        loss = self.model.loss
        quantiles = getattr(loss, "quantiles", None)
        if getattr(loss, "is_distribution_output", False) or (quantiles is None and loss.outputsize_multiplier != 1):
            raise ConfigError(
                f"{self.name}: forecasts of the loss {type(loss).__name__} are drawn anew each time; use MQLoss for "
                "quantiles, or a loss of points such as MAE"
            )
        self._order = np.array([], int) if quantiles is None else np.argsort(quantiles.tolist())
        self.shares = () if quantiles is None else tuple(round(share, 6) for share in sorted(quantiles.tolist()))
        self.context = self.least = int(self.model.input_size)

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        from neuralforecast import NeuralForecast

        model = deepcopy(self.model)
        model.trainer_kwargs = QUIET | model.trainer_kwargs
        self._fitted = NeuralForecast(models=[model], freq=1)
        self._fitted.fit(_long([series.value_N - series.value_N[-1] for series in all_series]), val_size=self.val_size)

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        answer = self._fitted.predict(_long(contexts))
        columns = [name for name in answer.columns if name not in ("unique_id", "ds", "index")]
        values_NHQ = answer[columns].to_numpy(np.float64).reshape(len(contexts), horizon, len(columns))
        if not self.shares:
            return Ahead(values_NHQ[..., 0])
        return from_quantiles(values_NHQ[..., self._order], self.shares)


def _long(series: Sequence[np.ndarray]) -> Any:
    """Series as the library takes them, one after the other; a step is a bar."""
    import pandas as pd

    sizes = [len(values) for values in series]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(series)), sizes),
            "ds": np.concatenate([np.arange(size) for size in sizes]),
            "y": np.concatenate(series).astype(np.float32),
        }
    )
