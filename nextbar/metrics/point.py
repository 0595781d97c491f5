"""Losses of the location, in prices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth, hit, ratio

PRICE_FLOOR = 1e-6


def elements(location_NH: np.ndarray, truth: Truth, task: Task) -> dict[str, np.ndarray]:
    """Summable losses (N, H) of predicted changes; ``location_NH`` in the unit of ``task.target``.

    The predicted price is c(t) + change, or c(t) exp(r) for a log return r. A predicted price below a
    millionth of the last close (zero and negative ones too) has no honest log error: it counts as that
    millionth, a fall of 99.9999 %, which is finite and ruins ``r2_return`` and the comparison with
    persistence, as it should. Percentage losses are absent where the series' prices are not all above zero.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if task.target == "log_return":
            predicted_NH = truth.last_close_N1 * np.expm1(location_NH)
        else:
            predicted_NH = location_NH
        error_NH = predicted_NH - truth.change_NH
        deviation_NH = truth.close_NH - truth.mean_close
        result = {
            "invalid": ~np.isfinite(location_NH),
            "absolute_error": np.abs(error_NH),
            "squared_error": error_NH**2,
            "deviation": deviation_NH,
            "squared_deviation": deviation_NH**2,
            **hit(np.sign(location_NH), truth.change_NH),
        }
        if truth.log_return_NH is not None:
            predicted_log_return_NH = location_NH
            if task.target == "close":
                predicted_log_return_NH = np.log1p(np.maximum(location_NH / truth.last_close_N1, PRICE_FLOOR - 1))
            result["relative_error"] = np.abs(error_NH) / truth.close_NH
            result["squared_log_error"] = (predicted_log_return_NH - truth.log_return_NH) ** 2
            result["squared_log_return"] = truth.log_return_NH**2
    return result


def read_out(total: Mapping[str, np.ndarray], spread: float) -> dict[str, np.ndarray]:
    """Metrics from sums of :func:`elements` and ``count`` of them; undefined ones are NaN.

    ``spread`` is the standard deviation of the training closes: standardising both truth and forecast by the
    training span divides an error by it. R2 as in scikit-learn's ``r2_score``, 1 - squared errors / squared
    deviations from the mean of the truth; ``r2_return`` 1 - squared log errors / those of persistence.
    """
    count = total["count"]
    undefined = np.full(np.shape(count), np.nan)
    mae, mse = total["absolute_error"] / count, total["squared_error"] / count
    variation = total["squared_deviation"] - total["deviation"] ** 2 / count
    # a constant truth leaves rounding, not zero
    variation = np.where(variation > 1e-14 * total["squared_deviation"], variation, 0.0)
    has_spread = bool(np.isfinite(spread) and spread > 0)
    percent = "relative_error" in total
    return {
        "mae": mae,
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mape": 100 * total["relative_error"] / count if percent else undefined,
        "r2": 1 - ratio(total["squared_error"], variation),
        "r2_return": 1 - ratio(total["squared_log_error"], total["squared_log_return"]) if percent else undefined,
        "mse_scaled": mse / spread**2 if has_spread else undefined,
        "mae_scaled": mae / spread if has_spread else undefined,
        "acc_dir": 100 * ratio(total["hit"], total["move"]),
    }
