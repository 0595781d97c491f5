"""Units in which the ranges and returns of different series look alike: a spread, a diurnal factor, lags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.range_har.diurnal import Diurnal
from nextbar.data.range_har.ranges import has_ranges, lags_of, log_means, range_variances

FLOOR_QUANTILE = 0.02
"""of the positive training variances; those below are raised to it, for a bar without a range has no logarithm"""
LEAST_RETURNS = 30


@dataclass(frozen=True)
class RangeUnits:
    """Lags, spread and diurnal factor of a series, from its training span."""

    lags: tuple[int, ...]
    """bars that variances are averaged over, ascending"""
    unit: float | None
    """population standard deviation of the one-bar log returns in training; None for a series that was not trained,
    which has the root of the mean of its range variances so far"""
    floor: float
    """least range variance, of log returns without diurnal factor"""
    diurnal: Diurnal

    @classmethod
    def fit(cls, bars: Bars, n_train: int, calendar: Calendar) -> RangeUnits | None:
        """Fit on the first ``n_train`` bars; None where a price is not above zero, or the close hardly moves."""
        training = bars.first(n_train)
        if n_train <= LEAST_RETURNS or not has_ranges(training.columns):
            return None
        return_N = np.diff(np.log(training.columns["close"]))
        unit = float(return_N.std())
        if not (np.isfinite(unit) and unit > 0 and np.count_nonzero(return_N) >= LEAST_RETURNS):
            return None
        slot_N = calendar.chain(training.time_N, 1).own_N
        diurnal = Diurnal.fit(calendar, slot_N[1:], return_N / unit)
        scaled_N = range_variances(training.columns) / diurnal.factor_M[slot_N] ** 2
        positive_N = scaled_N[1:][scaled_N[1:] > 0]
        floor = float(np.quantile(positive_N, FLOOR_QUANTILE)) if len(positive_N) else 0.0
        return cls(lags_of(calendar), unit, floor, diurnal) if floor > 0 else None

    @classmethod
    def shared(cls, units: Sequence[RangeUnits]) -> RangeUnits:
        """Units of a series that was not trained, from those of trained series with equal lags.

        The diurnal factor is the geometric mean of those that have as many slots as the first.
        """
        first = units[0]
        alike = [own.diurnal.factor_M for own in units if len(own.diurnal.factor_M) == len(first.diurnal.factor_M)]
        factor_M = np.exp(np.mean(np.log(alike), axis=0))
        return cls(first.lags, None, min(own.floor for own in units), Diurnal(factor_M))

    def unit_at(self, bars: Bars) -> np.ndarray:
        """The unit as it is known after each bar, (N,)."""
        if self.unit is not None:
            return np.full(len(bars), self.unit)
        variance_N = range_variances(bars.columns)
        mean_N = np.cumsum(variance_N) / np.arange(1, len(bars) + 1)
        return np.sqrt(np.maximum(mean_N, self.floor))

    def log_means(self, bars: Bars, calendar: Calendar) -> np.ndarray:
        """Regressors, (N, K): logs of the mean range variance of log returns over each lag, without diurnal factor."""
        slot_N = calendar.chain(bars.time_N, 1).own_N % len(self.diurnal.factor_M)
        variance_N = range_variances(bars.columns) / self.diurnal.factor_M[slot_N] ** 2
        return log_means(variance_N, self.lags, self.floor)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        factor = self.diurnal.factor_M.tolist()
        return {"lags": list(self.lags), "unit": self.unit, "floor": self.floor, "diurnal": factor}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RangeUnits:
        """Inverse of ``to_dict``."""
        diurnal = Diurnal(np.array(plain["diurnal"], np.float64))
        return cls(tuple(plain["lags"]), plain["unit"], plain["floor"], diurnal)
