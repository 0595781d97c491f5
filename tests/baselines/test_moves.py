"""Moves in units of their deviation, and forecasts of them in the unit of the target."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.bars.calendar import Calendar
from nextbar.baselines.history import History
from nextbar.baselines.moves import Moves, in_target, unit_of
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference

CLOSE = np.array([100.0, 104.0, 101.0, 103.0])
HISTORY = History("a", "1h", 3600 * np.arange(4), CLOSE)


def row(std: float = 0.02, positive: bool = True) -> Reference:
    return Reference(np.array([102.0]), np.array([2.0]), np.array([[std, 2 * std]]), np.array([positive]))


def moves(reference: Reference) -> Moves:
    return Moves.of(HISTORY, Calendar.always(3600, 0), reference)


def test_moves_are_in_units_of_their_deviation() -> None:
    found = moves(row())
    np.testing.assert_allclose(found.move_N, [0, *np.diff(np.log(CLOSE)) / 0.02], rtol=1e-13)
    np.testing.assert_allclose(found.spread_H, [1, 2])
    assert found.price_N.tolist() == [50] * 4 and found.unit == 0.02  # a log return of one


def test_of_prices_that_may_be_below_zero_moves_are_changes() -> None:
    found = moves(row(0.5, positive=False))
    np.testing.assert_allclose(found.move_N, [0, 8, -6, 4])
    np.testing.assert_allclose(found.price_N, CLOSE / 0.5)


def test_without_a_spread_the_unit_is_one() -> None:
    assert unit_of(row(np.nan)) == moves(row(np.nan)).unit == 1


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_a_law_of_moves_becomes_one_of_the_target(target: str) -> None:
    law = Forecast(location_NH=np.array([[0.5]]), scale_NH=np.array([[1.5]]))
    found = in_target(law, row(), np.array([200.0]), Task(output_mode="distribution", target=target))
    wanted = (200 * np.expm1(0.01), 200 * 0.03) if target == "close" else (0.01, 0.03)
    np.testing.assert_allclose([found.location_NH[0, 0], found.scale_NH[0, 0]], wanted, rtol=1e-13)


def test_a_law_of_moves_becomes_the_probabilities_of_bins() -> None:
    edges = (-np.inf, -1.0, 0.5, np.inf)
    law = Forecast(location_NH=np.array([[0.5]]), scale_NH=np.array([[1.5]]))
    found = in_target(law, row(), np.array([200.0]), Task(output_mode="discrete_grid", edges=edges))
    cdf = stats.norm.cdf(np.log1p(np.array(edges[1:-1]) / 100), 0.01, 0.03)
    np.testing.assert_allclose(np.exp(found.log_probs_NHK[0, 0]), np.diff([0, *cdf, 1]), rtol=1e-9)


def test_probabilities_stay_what_they_are() -> None:
    bins = Forecast(log_probs_NHK=np.zeros((1, 1, 1)))
    assert in_target(bins, row(), np.array([200.0]), Task(output_mode="discrete_grid", edges=(-np.inf, np.inf))) is bins
