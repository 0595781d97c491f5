"""Errors of point forecasts: which share lies within a reach, in the unit of the price."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import make_scorer, random_forecast

from nextbar.metrics.point_errors import PointErrors
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_the_reach_is_the_order_statistic_of_the_relative_errors(target: str) -> None:
    scorer = make_scorer(2, output_mode="mean", target=target)
    outcomes, location_NH = scorer.outcomes, random_forecast(scorer).location_NH
    errors = PointErrors.of("test", outcomes, Forecast(location_NH), scorer.task)
    last_N1 = outcomes.last_close_N[:, None]
    predicted_NH = last_N1 * np.exp(location_NH) if target == "log_return" else last_N1 + location_NH
    relative_NH = np.abs(outcomes.close_NH / last_N1 - predicted_NH / last_N1)
    assert errors.is_relative
    for s, name in enumerate(outcomes.names):
        own = np.sort(relative_NH[outcomes.series_N == s], axis=0)
        assert errors.count(name) == len(own)
        for share in (0.5, 2 / 3, 0.8):
            rank = int(np.ceil((len(own) + 1) * share))
            np.testing.assert_allclose(errors.reach(share, name, 200.0), 200 * own[rank - 1], rtol=1e-9)
            within = (relative_NH[outcomes.series_N == s] <= own[rank - 1]).mean(axis=0)
            assert (within >= share).all() and (within < share + 2 / len(own)).all()


def of_closes(last: list[float], close: list[float], location: float = 0.0) -> PointErrors:
    last_N = np.array(last)
    outcomes = Outcomes(np.zeros(len(last), int), ("a",), np.arange(len(last)), last_N, np.array(close)[:, None])
    return PointErrors.of("test", outcomes, Forecast(np.full((len(last), 1), location)), Task(output_mode="mean"))


def test_where_a_price_is_not_above_zero_errors_are_prices() -> None:
    errors = of_closes([-1.0, 2.0, 3.0], [0.0, 4.0, 6.0])
    assert not errors.is_relative
    assert errors.reach(0.5, "a", 1000.0) == [2.0]


def test_too_few_windows_another_series_and_broken_forecasts_give_no_reach() -> None:
    errors = of_closes([1.0, 1.0, 1.0], [1.1, 1.2, 1.3])
    assert errors.reach(0.75, "a", 1.0) is not None and errors.reach(0.8, "a", 1.0) is None
    assert errors.reach(0.5, "b", 1.0) is None and errors.count("b") == 0
    assert of_closes([1.0, 1.0, 1.0], [1.1, 1.2, 1.3], np.inf).reach(0.5, "a", 1.0) is None
