"""Windows that share no bar."""

from __future__ import annotations

import numpy as np
from made_up_spans import make_outcomes

from nextbar.metrics.spacing import sequences


def test_every_series_and_step_has_its_windows_in_order_and_far_enough_apart() -> None:
    outcomes = make_outcomes(3)
    parts = sequences(outcomes, 3)
    assert [(part.series, part.step) for part in parts] == [(name, h) for name in outcomes.names for h in (1, 2, 3)]
    for part in parts:
        time_M = outcomes.origin_time_N[part.row_M] // 3600  # bars without holes
        assert (np.diff(time_M) == part.step).all() and time_M[0] == 0
        assert {outcomes.names[s] for s in outcomes.series_N[part.row_M]} == {part.series}
    whole = {part.series: len(part.row_M) for part in parts if part.step == 1}
    assert whole == {"dear": 301, "cheap": 37, "penny": 120}


def test_series_without_windows_are_left_out() -> None:
    outcomes = make_outcomes(1, sizes=(20, 0, 5))
    assert [part.series for part in sequences(outcomes, 1)] == ["dear", "penny"]
