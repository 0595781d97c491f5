"""A series as other libraries are given it."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.baselines.history import History
from nextbar.errors import DataError
from nextbar.rivals.scaled_series import ScaledSeries

CLOSE_N = np.array([100.0, 110.0, 99.0, 105.0, 120.0])


def history(close_N: np.ndarray) -> History:
    return History("aaa", None, 3600 * np.arange(len(close_N)), close_N)


def test_values_are_logs_in_units_of_the_moves_before_the_cutoff() -> None:
    series = ScaledSeries.learnt(history(CLOSE_N[:3])).continued(history(CLOSE_N))
    unit = np.diff(np.log(CLOSE_N[:3])).std()
    assert series.positive and series.unit == pytest.approx(unit)
    np.testing.assert_allclose(series.value_N, np.log(CLOSE_N) / unit)


def test_a_context_ends_at_its_origin_with_nought() -> None:
    series = ScaledSeries.learnt(history(CLOSE_N))
    np.testing.assert_allclose(series.context(3, 3) * series.unit, np.log(CLOSE_N[1:4] / CLOSE_N[3]))
    assert len(series.context(1, 3)) == 2  # as many as there are


def test_closes_that_are_not_above_zero_are_given_as_they_are() -> None:
    series = ScaledSeries.learnt(history(CLOSE_N - 100))
    assert not series.positive
    np.testing.assert_allclose(series.value_N * np.diff(CLOSE_N).std(), CLOSE_N - 100)


def test_a_close_without_a_logarithm_after_the_cutoff_is_named() -> None:
    series = ScaledSeries.learnt(history(CLOSE_N[:3]))
    with pytest.raises(DataError, match="aaa: a close of -1, though all before the cutoff are above zero"):
        series.continued(history(np.array([100.0, 110.0, -1.0])))


@pytest.mark.parametrize("close_N", [np.full(4, 7.0), np.array([7.0])])
def test_a_series_that_stands_still_has_the_unit_1(close_N: np.ndarray) -> None:
    assert ScaledSeries.learnt(history(close_N)).unit == 1.0
