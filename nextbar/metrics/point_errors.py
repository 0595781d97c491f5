"""Absolute errors of a span's point forecasts, in the place of a law where a model forecasts none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextbar.metrics.conformal import Residuals
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes


@dataclass(frozen=True)
class PointErrors:
    """Absolute errors of a span's forecasts by series and step: in shares of the last close, or in prices.

    The error that a share of all errors stays below is the split conformal one (see ``metrics.conformal``): of n
    windows the ceil((n + 1) share)-th smallest. An interval of it around a further forecast would hold at least that
    share if the windows to come were exchangeable with these.
    """

    span: str
    """what the span is called"""
    is_relative: bool
    """shares of the last close; False: prices, since a close of the span is not above zero"""
    series: dict[str, Residuals]
    """by name"""

    @classmethod
    def of(cls, span: str, outcomes: Outcomes, forecast: Forecast, task: Task) -> PointErrors:
        """The errors of N windows; a predicted price that is not finite errs by infinity."""
        last_N1, close_NH = (np.asarray(a, np.float64) for a in (outcomes.last_close_N[:, None], outcomes.close_NH))
        location_NH = np.asarray(forecast.location_NH, np.float64)
        with np.errstate(over="ignore"):
            predicted_NH = last_N1 * np.exp(location_NH) if task.target == "log_return" else last_N1 + location_NH
        is_relative = bool((last_N1 > 0).all() and (close_NH > 0).all())
        error_NH = np.abs(close_NH - predicted_NH) / (last_N1 if is_relative else 1.0)
        error_NH = np.where(np.isfinite(error_NH), error_NH, np.inf)
        rows = outcomes.rows_by_name
        return cls(span, is_relative, {name: Residuals.of(error_NH[row], len(row)) for name, row in rows.items()})

    def count(self, name: str) -> int:
        """Windows of a series; 0 of one that has none."""
        return self.series[name].count if name in self.series else 0

    def reach(self, share: float, name: str, last_close: float) -> np.ndarray | None:
        """The error in prices (H,) that a share of a series' errors stays below, beside such a last close.

        None where the series has too few windows for the share, or forecasts that are not finite.
        """
        error_H = self.series[name].at(share) if name in self.series else None
        if error_H is None or not np.isfinite(error_H).all():
            return None
        return error_H * (last_close if self.is_relative else 1.0)
