"""``Evaluation``: forecasts and scores of a run, span by span."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.splits import Cuts
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.examined import Examined, Finding, rivals
from nextbar.metrics.findings import findings
from nextbar.metrics.scorer import Scorer
from nextbar.types import Forecast, Outcomes

MODEL = "the model"
"""its name among those that are tested"""


@dataclass(frozen=True)
class SpanEvaluation:
    """Forecasts and outcomes of a span's windows, and their scores."""

    origin_N: np.ndarray
    """rows of the last known bars, over the evaluation's series end to end"""
    outcomes: Outcomes
    forecast: Forecast
    scorer: Scorer
    conformal: Conformal | None = None
    """residuals by which intervals are adjusted; None: they are not, as in the validation span that the residuals are
    of"""
    realised_NH: np.ndarray | None = None
    """variance of the log returns by the bars' ranges, see ``Panel.realised_variance``"""

    @cached_property
    def report(self) -> dict[str, Any]:
        """Model beside its rivals, as ``metrics`` of a run's ``summary.json`` has them; see ``Scorer.report``."""
        return self.scorer.report(self.forecast)

    @cached_property
    def calibration(self) -> dict[str, Any]:
        """Calibration of the forecasts, and what adjusting their intervals changed; see ``calibration_report``."""
        return calibration_report(self.outcomes, self.forecast, self.scorer.task, self.conformal)

    @cached_property
    def tests(self) -> dict[str, Finding]:
        """What statistical tests say of the forecasts, by test: see :data:`nextbar.metrics.findings.TESTS`."""
        forecasts = {MODEL: self.forecast, **rivals(self.scorer)}
        return findings(Examined(self.scorer, forecasts, list(forecasts)[-1], self.realised_NH))


@dataclass(frozen=True)
class Evaluation:
    """Forecasts and scores of a run for some bars, span by span."""

    run: Path
    epoch: int | None
    """the epoch whose parameters were used"""
    config: ExperimentConfig
    summary: dict[str, Any]
    """``summary.json`` of the run"""
    bars: tuple[Bars, ...]
    """the series, with their indicators"""
    names: tuple[str, ...]
    """what the reports call them"""
    cuts: Cuts
    """where the run's validation and test began"""
    spans: dict[str, SpanEvaluation]
    """``validation`` and ``test``, those with windows; no validation of a run with a final fit, which has learnt from
    it"""
    timezones: tuple[str, ...]
    """time zone of each series' hours and weekdays"""
    notices: tuple[str, ...] = ()
    """bars that came after the run and were left out, bars that were revised since, why there is no strongest rival"""

    @property
    def metrics(self) -> dict[str, Any]:
        """The reports by span, as ``metrics`` of ``summary.json``."""
        return {name: span.report for name, span in self.spans.items()}
