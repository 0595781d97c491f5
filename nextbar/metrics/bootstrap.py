"""Uncertainty of a skill, by the stationary bootstrap over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.comparison import ERRORS
from nextbar.metrics.scorer import Scorer
from nextbar.types import Forecast, Outcomes

RESAMPLES = 2_000
LEAST_ORIGINS = 30
LEAST_APART = 20
"""of them whose windows share no bar: with fewer, blocks as long as the horizon are too few to draw from"""


class SkillInterval(NamedTuple):
    """Skill of the leading metric, and where it lies in most resamples of the span."""

    metric: str
    skill: float
    low: float
    high: float
    level: float
    block: int
    """mean length of the blocks, in origins"""
    origins: int
    against: str
    """whom the skill is over, in words"""

    def in_words(self) -> str:
        """One sentence."""
        return (
            f"Skill in {self.metric} {self.skill:+.4f}, {self.level:.0%} interval {self.low:+.4f} to {self.high:+.4f} "
            f"(stationary bootstrap of {self.origins:,} origins, blocks of {self.block} on average); above 0 is "
            f"better than {self.against}."
        )


def skill_interval(
    scorer: Scorer, forecast: Forecast, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> SkillInterval | None:
    """Percentile interval of the skill that verdicts go by, over the scorer's rival, taken per ticker and averaged.

    Origins are resampled in blocks of random length (Politis and Romano 1994), all tickers of a moment together, since
    neighbouring windows overlap and tickers move together. The mean length of a block follows from the loss
    differentials (Politis and White 2004, corrected 2009), and is at least the horizon. None for fewer than
    ``LEAST_ORIGINS`` origins or ``LEAST_APART`` horizons, where an error is not finite, or where the baseline does not
    err in a resample.

    Args:
        scorer: the span.
        forecast: the forecasts of it.
        level: share of the resamples within the interval.
        resamples: how many are drawn.
        seed: of the random draws.
    """
    from arch.bootstrap import StationaryBootstrap

    metric, horizon = scorer.task.leading, scorer.task.horizon
    model_N, baseline_N = scorer.leading_errors(forecast), scorer.leading_errors(scorer.rival_forecast)
    if not (np.isfinite(model_N).all() and np.isfinite(baseline_N).all()):
        return None
    errors = SummedErrors.of(scorer.outcomes, model_N, baseline_N)
    origins = len(errors.count_TS)
    if origins < max(LEAST_ORIGINS, LEAST_APART * horizon):
        return None
    is_share = metric in ERRORS  # of the baseline's error, so that the units of a ticker do not matter
    if is_share and not (errors.baseline_TS.sum(axis=0) > 0).all():
        return None
    skill = _skill_as_share if is_share else _skill_as_difference
    block = _block_length(errors.differences(is_share), horizon)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = StationaryBootstrap(block, *errors, seed=seed).apply(skill, resamples)[:, 0]
    if not np.isfinite(resampled).all():
        return None
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return SkillInterval(
        metric, float(skill(*errors)[0]), float(low), float(high), level, block, origins, scorer.rival_name
    )


class SummedErrors(NamedTuple):
    """Errors of a span, a row for each of T origins and a column for each of S tickers; 0 where there is no window."""

    model_TS: np.ndarray
    baseline_TS: np.ndarray
    count_TS: np.ndarray
    """windows"""

    @classmethod
    def of(cls, outcomes: Outcomes, model_N: np.ndarray, baseline_N: np.ndarray) -> SummedErrors:
        """From the errors of N windows."""
        origins, origin_N = np.unique(outcomes.origin_time_N, return_inverse=True)
        series, series_N = np.unique(outcomes.series_N, return_inverse=True)

        def laid_out(values_N: np.ndarray) -> np.ndarray:
            table_TS = np.zeros((len(origins), len(series)))
            np.add.at(table_TS, (origin_N, series_N), values_N)
            return table_TS

        return cls(laid_out(model_N), laid_out(baseline_N), laid_out(np.ones(len(model_N))))

    def differences(self, by_mean: bool) -> np.ndarray:
        """How much the model is better at each origin, mean over tickers, (T,); ``by_mean``: in units of the mean error
        of a ticker's baseline."""
        unit_S = self.baseline_TS.sum(axis=0) / self.count_TS.sum(axis=0) if by_mean else 1.0
        better_TS = (self.baseline_TS - self.model_TS) / unit_S
        return better_TS.sum(axis=1) / np.maximum(self.count_TS.sum(axis=1), 1)


def _skill_as_share(model_TS: np.ndarray, baseline_TS: np.ndarray, count_TS: np.ndarray) -> np.ndarray:
    """1 - model / baseline of each ticker, averaged over those that have a window, (1,)."""
    present_S = count_TS.sum(axis=0) > 0
    model_S, baseline_S = (table_TS.sum(axis=0)[present_S] for table_TS in (model_TS, baseline_TS))
    return np.atleast_1d(np.mean(1 - model_S / baseline_S))


def _skill_as_difference(model_TS: np.ndarray, baseline_TS: np.ndarray, count_TS: np.ndarray) -> np.ndarray:
    """Mean error of the baseline less the model's of each ticker, averaged over those that have a window, (1,)."""
    present_S = count_TS.sum(axis=0) > 0
    model_S, baseline_S, count_S = (table.sum(axis=0)[present_S] for table in (model_TS, baseline_TS, count_TS))
    return np.atleast_1d(np.mean((baseline_S - model_S) / count_S))


def _block_length(difference_T: np.ndarray, horizon: int) -> int:
    """Mean length of the blocks: as the differences ask for, at least the horizon, else at most a third of them."""
    from arch.bootstrap import optimal_block_length

    estimate = float(optimal_block_length(difference_T)["stationary"].iloc[0]) if np.ptp(difference_T) > 0 else 1.0
    longest = max(horizon, len(difference_T) // 3)
    return int(np.clip(np.ceil(estimate) if np.isfinite(estimate) else 1, horizon, longest))
