"""Uncertainty of a skill, by the stationary bootstrap over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.comparison import ERRORS
from nextbar.metrics.scorer import Scorer
from nextbar.types import Forecast

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
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    metric = scorer.task.leading
    model_N, baseline_N = scorer.leading_errors(forecast), scorer.leading_errors(scorer.rival_forecast)
    if not (np.isfinite(model_N).all() and np.isfinite(baseline_N).all()):
        return None
    _, moment_N = np.unique(scorer.outcomes.origin_time_N, return_inverse=True)
    series, series_N = np.unique(scorer.outcomes.series_N, return_inverse=True)
    moments = int(moment_N.max()) + 1
    if moments < max(LEAST_ORIGINS, LEAST_APART * scorer.task.horizon):
        return None

    def laid_out(values_N: np.ndarray) -> np.ndarray:
        table_TS = np.zeros((moments, len(series)))
        np.add.at(table_TS, (moment_N, series_N), values_N)
        return table_TS

    tables = laid_out(model_N), laid_out(baseline_N), laid_out(np.ones(len(model_N)))

    def skill(model_TS: np.ndarray, baseline_TS: np.ndarray, count_TS: np.ndarray) -> np.ndarray:
        model_S, baseline_S, count_S = (table.sum(axis=0) for table in (model_TS, baseline_TS, count_TS))
        present_S = count_S > 0
        if metric in ERRORS:
            return np.atleast_1d(np.mean(1 - model_S[present_S] / baseline_S[present_S]))
        return np.atleast_1d(np.mean((baseline_S[present_S] - model_S[present_S]) / count_S[present_S]))

    model_TS, baseline_TS, count_TS = tables
    share = metric in ERRORS  # of the baseline's error, so that the units of a ticker do not matter
    if share and not (baseline_TS.sum(axis=0) > 0).all():
        return None
    unit_S = baseline_TS.sum(axis=0) / count_TS.sum(axis=0) if share else 1.0
    difference_T = ((baseline_TS - model_TS) / unit_S).sum(axis=1) / np.maximum(count_TS.sum(axis=1), 1)
    estimate = float(optimal_block_length(difference_T)["stationary"].iloc[0]) if np.ptp(difference_T) > 0 else 1.0
    longest = max(scorer.task.horizon, moments // 3)
    block = int(np.clip(np.ceil(estimate) if np.isfinite(estimate) else 1, scorer.task.horizon, longest))
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = StationaryBootstrap(block, *tables, seed=seed).apply(skill, resamples)[:, 0]
    if not np.isfinite(resampled).all():
        return None
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return SkillInterval(
        metric, float(skill(*tables)[0]), float(low), float(high), level, block, moments, scorer.rival_name
    )
