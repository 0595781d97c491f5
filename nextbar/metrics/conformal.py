"""Conformal intervals: the law's scale, corrected by the residuals of the validation span.

Split conformal prediction on standardised residuals (Vovk, Gammerman and Shafer 2005; Lei, G'Sell, Rinaldo,
Tibshirani and Wasserman 2018, section 5.2). A window's score is |change - location| / scale, and the interval of
a level is location ± q scale with q the ceil((n + 1) level)-th smallest of the n validation scores. If the windows to
come were exchangeable with those of validation, it would cover with a probability of at least the level, whatever the
law. Markets change, so that is a claim to be looked at on the test span, not a guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from nextbar.errors import DataError
from nextbar.metrics.task import Task
from nextbar.metrics.truth import target_change
from nextbar.types import Forecast, Outcomes

KEPT, FEWEST_KEPT, TOTAL = 2000, 200, 100_000
"""order statistics kept of each series and step: at most, at least, and of all series and steps together"""


@dataclass(frozen=True)
class Residuals:
    """The standardised absolute residuals of ``count`` windows, sorted for each step.

    Of many windows M are kept, of ranks evenly spaced up to the largest. A rank that is not kept is rounded up to the
    next one that is, so intervals get no narrower by it, and cover at most 1 / M more.
    """

    count: int
    """n, windows they come from"""
    rank_M: np.ndarray
    """ranks kept, 1 ... n, ascending"""
    value_MH: np.ndarray

    @classmethod
    def of(cls, score_NH: np.ndarray, kept: int) -> Residuals:
        """Sort, and keep about ``kept`` ranks."""
        n = len(score_NH)
        # whole numbers throughout: in floats the last rank may miss n
        rank_M = np.arange(1, n + 1) if n <= kept else np.arange(1, kept + 1) * n // kept
        return cls(n, rank_M, np.sort(score_NH, axis=0)[rank_M - 1])

    def at(self, level: float) -> np.ndarray | None:
        """The ceil((n + 1) level)-th smallest for each step, (H,); None where n is too small for the level."""
        rank = _rank(self.count, level)
        return None if rank > self.count else self.value_MH[np.searchsorted(self.rank_M, rank)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"count": self.count, "rank": self.rank_M.tolist(), "value": self.value_MH.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Residuals:
        """Inverse of ``to_dict``; KeyError, TypeError or ValueError where it is not."""
        count, rank_M, value_MH = int(data["count"]), np.array(data["rank"]), np.array(data["value"], np.float64)
        if rank_M.ndim != 1 or value_MH.shape[:-1] != rank_M.shape or np.any(np.diff(rank_M, append=count + 1) < 1):
            raise ValueError(f"residuals that are not those of {count} windows")
        return cls(count, rank_M.astype(np.int64), value_MH)


@dataclass(frozen=True)
class Conformal:
    """Residuals of the validation span by which the width of intervals is corrected, for each series and step."""

    series: dict[str, Residuals]
    """by name, those with windows in the span"""
    pooled: Residuals
    """of all series together: for those that are not in ``series``, or have too few windows for a level"""

    @classmethod
    def fit(cls, outcomes: Outcomes, forecast: Forecast, task: Task) -> Conformal:
        """Fit on the N windows of the validation span and the model's forecasts of them.

        Raises:
            DataError: another mode than ``distribution``, no window, or a residual that is not finite.
        """
        require_distribution(task)
        score_NH = standardised(outcomes, forecast, task)
        if not len(score_NH):
            raise DataError("there is no validation window to learn the width of intervals from")
        if not np.isfinite(score_NH).all():
            raise DataError("forecasts of the validation span are not finite, so intervals cannot be corrected by them")
        rows = outcomes.rows_by_name
        kept = max(FEWEST_KEPT, min(KEPT, TOTAL // ((len(rows) + 1) * score_NH.shape[1])))
        own = {name: Residuals.of(score_NH[row_M], kept) for name, row_M in rows.items()}
        return cls(own, Residuals.of(score_NH, kept))

    def factor(self, level: float, names: Sequence[str]) -> np.ndarray:
        """How many standard deviations the interval reaches to either side, (S, H), one row for each of ``names``.

        Raises:
            DataError: the validation span has too few windows for the level.
        """
        return np.stack([self._factor(level, name) for name in names])

    def _factor(self, level: float, name: str) -> np.ndarray:
        own = self.series.get(name)
        factor_H = own.at(level) if own is not None else None
        if factor_H is None:
            factor_H = self.pooled.at(level)
        if factor_H is None:
            raise DataError(
                f"a conformal interval of {level * 100:g} % needs at least {windows_needed(level)} validation windows, "
                f"and there are {self.pooled.count}; ask for a lower level, or train with a larger validation_split"
            )
        return factor_H

    def interval(
        self, level: float, series_N: np.ndarray, names: Sequence[str], forecast: Forecast
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest change (N, H) of the interval of a level, in the target's unit.

        Args:
            level: share of the outcomes it is to cover, in (0, 1).
            series_N: series of each forecast, as an index into ``names``.
            names: as the run calls its series; others take the pooled residuals.
            forecast: N forecasts with a scale.

        Raises:
            DataError: the validation span has too few windows for the level.
        """
        assert forecast.location_NH is not None and forecast.scale_NH is not None
        location_NH = np.asarray(forecast.location_NH, np.float64)
        reach_NH = self.factor(level, names)[series_N] * np.asarray(forecast.scale_NH, np.float64)
        return location_NH - reach_NH, location_NH + reach_NH

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "series": {name: residuals.to_dict() for name, residuals in self.series.items()},
            "pooled": self.pooled.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Conformal:
        """Inverse of ``to_dict``; KeyError, TypeError or ValueError where it is not."""
        series = {name: Residuals.from_dict(residuals) for name, residuals in data["series"].items()}
        return cls(series, Residuals.from_dict(data["pooled"]))


def standardised(outcomes: Outcomes, forecast: Forecast, task: Task) -> np.ndarray:
    """|change - location| / scale, (N, H): both in the target's unit, the scale a standard deviation."""
    assert forecast.location_NH is not None and forecast.scale_NH is not None
    location_NH, scale_NH = (np.asarray(a, np.float64) for a in (forecast.location_NH, forecast.scale_NH))
    with np.errstate(all="ignore"):  # callers check whether it is finite
        return np.abs(target_change(outcomes, task) - location_NH) / scale_NH


def covered(outcomes: Outcomes, lo_NH: np.ndarray, hi_NH: np.ndarray, task: Task) -> np.ndarray:
    """bool (N, H): where the outcome lies within the interval, bounds included."""
    change_NH = target_change(outcomes, task)
    return (lo_NH <= change_NH) & (change_NH <= hi_NH)


def windows_needed(level: float) -> int:
    """The smallest n with an order statistic for the level: ceil((n + 1) level) <= n."""
    share = exact(level)
    return math.ceil(share / (1 - share))


def require_distribution(task: Task) -> None:
    """Check that there are intervals to correct.

    Raises:
        DataError: another mode than ``distribution``.
    """
    if task.output_mode != "distribution":
        raise DataError(
            f"conformal intervals correct the scale of output_mode 'distribution'; this one is {task.output_mode!r}"
        )


def _rank(n: int, level: float) -> int:
    return math.ceil((n + 1) * exact(level))


def exact(level: float) -> Fraction:
    """The decimal that is printed: in floats (9 + 1) x 0.7 is above 7."""
    return Fraction(str(float(level)))
