"""Elements of the metrics of an output mode: errors and hits window by window, and what their sums say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nextbar.metrics import bins, density, point, quantile_score
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast


def require_arrays(forecast: Forecast, shape: tuple[int, ...], task: Task) -> None:
    """Check that a forecast has the arrays of its mode, in the shape (N, H), (N, H, K) or (N, H, Q).

    Raises:
        ValueError: one is missing, or has another shape.
    """
    shapes: dict[str, tuple[int, ...]] = {"location_NH": shape}
    if task.output_mode == "distribution":
        shapes["scale_NH"] = shape
        shapes |= {name: shape for name in ("df_NH", "skew_NH") if getattr(forecast, name) is not None}
    elif task.output_mode == "quantiles":
        shapes["quantiles_NHQ"] = (*shape, len(task.shares))
    elif task.output_mode == "discrete_grid":
        shapes = {"log_probs_NHK": (*shape, len(task.edges) - 1)}
    for name, expected in shapes.items():
        array = getattr(forecast, name)
        if array is None or array.shape != expected:
            got = "nothing" if array is None else array.shape
            raise ValueError(f"{task.output_mode} needs {name} of shape {expected}, got {got}")


def elements(forecast: Forecast, truth: Truth, task: Task) -> dict[str, np.ndarray]:
    """float64 (N, H) each, by name; of a forecast with the arrays of its mode."""
    if task.output_mode == "discrete_grid":
        return bins.elements(_float64(forecast.log_probs_NHK), truth, task.edges)
    values = point.elements(_float64(forecast.location_NH), truth, task)
    if task.output_mode == "distribution":
        values |= density.elements(forecast, truth, task)
    elif task.output_mode == "quantiles":
        values |= quantile_score.elements(_float64(forecast.quantiles_NHQ), truth, task)
    return values


def compared_loss(errors: Mapping[str, np.ndarray], task: Task, positive: bool, spread: float) -> np.ndarray:
    """The loss (N, H) by which forecasts of the mode are compared.

    Args:
        errors: the elements.
        task: the question.
        positive: whether all prices of the series are above zero, so that there are returns.
        spread: the series' standard deviation in training, the unit of errors without returns.
    """
    if task.output_mode != "mean":
        return errors["censored_nll" if task.output_mode == "distribution" else task.leading]
    if positive:
        return errors["squared_log_error"]
    return errors["squared_error"] / (spread**2 if spread > 0 else 1.0)


def read_out(total: Mapping[str, Any], task: Task, spread: float) -> dict[str, list[float | None]]:
    """Metrics from sums of the elements over windows, (H,) each, and their ``count``.

    NaN where a forecast was not finite, None where the metric is not defined.
    """
    if task.output_mode == "discrete_grid":
        values = bins.read_out(total)
    else:
        values = point.read_out(total, spread)
        if task.output_mode == "distribution":
            values |= density.read_out(total)
        elif task.output_mode == "quantiles":
            values |= quantile_score.read_out(total)
    if np.any(total["invalid"]) or np.any(total.get("invalid_law", 0)):
        return {name: [float("nan")] * len(value) for name, value in values.items()}
    return {name: [None if v != v else v for v in value.tolist()] for name, value in values.items()}


def _float64(array: np.ndarray | None) -> np.ndarray:
    assert array is not None  # see require_arrays
    return np.asarray(array, np.float64)
