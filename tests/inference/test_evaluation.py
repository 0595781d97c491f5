"""A span's evaluation says what its scorer, its calibration and its tests say."""

from __future__ import annotations

import numpy as np
from made_up_spans import make_scorer, random_forecast

from nextbar.inference.evaluation import MODEL, SpanEvaluation
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.examined import Examined
from nextbar.metrics.findings import findings
from nextbar.metrics.reference import BASELINE_NAMES


def test_a_span_says_what_its_parts_say() -> None:
    scorer = make_scorer(1, output_mode="distribution")
    outcomes, forecast = scorer.outcomes, random_forecast(scorer)
    conformal = Conformal.fit(outcomes, forecast, scorer.task)
    row_N = np.arange(len(outcomes.series_N))
    span, plain = (SpanEvaluation(row_N, outcomes, forecast, scorer, residuals) for residuals in (conformal, None))
    assert span.report == scorer.report(forecast)
    for own, residuals in ((span, conformal), (plain, None)):
        assert own.calibration == calibration_report(outcomes, forecast, scorer.task, residuals)
    assert span.calibration != plain.calibration
    baseline = BASELINE_NAMES["distribution"]
    both = {MODEL: forecast, baseline: scorer.baseline_forecast}
    assert span.tests == findings(Examined(scorer, both, baseline)) and span.tests
