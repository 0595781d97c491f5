"""The forecasts of a span that are tested, and what a test has found."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypedDict

import numpy as np

from nextbar.metrics.calibration import pit
from nextbar.metrics.reference import BASELINE_NAMES
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.timeline import per_timestamp
from nextbar.types import Forecast


class Finding(TypedDict):
    """What a test says; plain values."""

    title: str
    sentence: str
    figures: list[dict[str, Any]]
    """rows of a table, all with the same keys"""


class Examined:
    """The forecasts of a span that are tested, each quantity computed once.

    Args:
        scorer: of the span.
        forecasts: of all that took part, by name, the model first; those that answer the scorer's question.
        benchmark: the one that the others are to beat.
        range_NH: variance of the log return over h bars as told by the bars' ranges; None: unknown.
    """

    def __init__(
        self,
        scorer: Scorer,
        forecasts: Mapping[str, Forecast],
        benchmark: str,
        range_NH: np.ndarray | None = None,
    ) -> None:
        self.scorer, self.forecasts, self.benchmark, self.range_NH = scorer, forecasts, benchmark, range_NH
        self.model = next(iter(forecasts))
        self.outcomes, self.task = scorer.outcomes, scorer.task

    @cached_property
    def losses(self) -> dict[str, np.ndarray]:
        """The loss that the Diebold-Mariano test compares, per timestamp, by participant."""
        return {
            name: per_timestamp(self.outcomes, self.scorer.score(forecast).loss_N)
            for name, forecast in self.forecasts.items()
        }

    @property
    def laws(self) -> dict[str, Forecast]:
        """Those that forecast a law that is finite everywhere."""
        return {name: forecast for name, forecast in self.forecasts.items() if _is_law(forecast)}

    @cached_property
    def pit_NH(self) -> np.ndarray:
        """Of the model."""
        return pit(self.outcomes, self.forecasts[self.model], self.task)


def rivals(scorer: Scorer) -> dict[str, Forecast]:
    """What a model is held against on a span, by name; the last is the benchmark."""
    plain = {BASELINE_NAMES[scorer.task.output_mode]: scorer.baseline_forecast}
    return plain | {scorer.rival_name: scorer.rival_forecast}


def _is_law(forecast: Forecast) -> bool:
    location_NH, scale_NH = forecast.location_NH, forecast.scale_NH
    if location_NH is None or scale_NH is None:
        return False
    return bool(np.isfinite(location_NH).all() and np.isfinite(scale_NH).all() and (scale_NH > 0).all())
