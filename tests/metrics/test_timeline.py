"""Losses per timestamp."""

from __future__ import annotations

import numpy as np
from made_up_spans import make_outcomes

from nextbar.metrics.timeline import Timeline, per_timestamp


def test_it_is_the_mean_over_the_windows_of_a_moment_in_the_order_of_time() -> None:
    outcomes = make_outcomes(1)
    loss_N = np.random.default_rng(0).exponential(size=len(outcomes.series_N))
    moments = sorted(set(outcomes.origin_time_N.tolist()))
    expected = [loss_N[outcomes.origin_time_N == moment].mean() for moment in moments]
    np.testing.assert_allclose(per_timestamp(outcomes, loss_N), expected)
    timeline = Timeline.of(outcomes, {"model": loss_N, "other": 2 * loss_N})
    assert timeline.time_T.tolist() == moments
    np.testing.assert_allclose(timeline.losses["other"], 2 * timeline.losses["model"])
