"""Labels against float64, bins and outcomes against plain indexing; bins at their edges are in ``laws``."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from nextbar.data.statistics import Pair
from nextbar.data.targets import bins_ahead, label, outcomes
from nextbar.move_bins import bin_index

_label = jax.jit(label, static_argnames="target")
B, H = 64, 3


def labels(last_B: np.ndarray, future_BH: np.ndarray, unit_B: np.ndarray, target: str) -> np.ndarray:
    return np.asarray(_label(Pair.split(last_B), Pair.split(future_BH), unit_B.astype(np.float32), target))


def walk(price: float, move: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    last_B = price * np.exp(move * rng.standard_normal(B))
    future_BH = last_B[:, None] * np.exp(move * np.cumsum(rng.standard_normal((B, H)), axis=1))
    return last_B, future_BH, rng.uniform(0.5, 2, B)


@pytest.mark.parametrize(("price", "move"), [(60_000.0, 1e-5), (3.0, 0.02), (1e-6, 0.5)])
def test_labels_are_changes_in_units(price: float, move: float) -> None:
    last_B, future_BH, unit_B = walk(price, move)
    y_BH = labels(last_B, future_BH, unit_B, "close")
    np.testing.assert_allclose(
        y_BH, (future_BH - last_B[:, None]) / unit_B[:, None], rtol=2e-6, atol=2e-6 * price * move
    )
    y_BH = labels(last_B, future_BH, unit_B, "log_return")
    np.testing.assert_allclose(y_BH, np.log(future_BH / last_B[:, None]) / unit_B[:, None], rtol=2e-6, atol=2e-6 * move)
    assert y_BH.dtype == np.float32


@pytest.mark.parametrize("last", [1.0, 50.0, 60_000.0])
def test_a_bin_holds_its_lower_edge_and_the_outermost_hold_the_rest(last: float) -> None:
    edges = (-2.0, -1.0, 0.0, 1.0, 2.0)
    percent_H = np.array([-50.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 300.0])
    closes = np.array([last, *(last + last * percent_H / 100)])
    bin_NH = bins_ahead(closes, 10, edges)
    np.testing.assert_array_equal(bin_NH[0], [0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
    assert bin_NH.shape == (11, 10) and bin_NH.dtype == np.int32


def test_bins_ahead_are_of_the_bars_that_follow() -> None:
    closes = np.array([100.0, 101.0, 99.0, 99.0, 110.0])
    edges = (-np.inf, -0.5, 0.5, np.inf)
    np.testing.assert_array_equal(bins_ahead(closes, 2, edges)[:3], [[2, 0], [0, 0], [1, 2]])
    assert bins_ahead(closes, 2, None).shape == (5, 0) and bins_ahead(closes, 2, None).dtype == np.int32


def test_a_price_that_stands_still_is_on_the_edge_at_zero() -> None:
    last_B = np.random.default_rng(0).uniform(1e-6, 1e6, B)
    edges = (-np.inf, 0.0, np.inf)
    assert (bin_index(last_B, last_B, edges) == 1).all()
    assert (bin_index(last_B, last_B * (1 - 1e-14), edges) == 0).all()


def test_one_bin_takes_everything() -> None:
    last_B, future_BH, _ = walk(3.0, 0.1)
    assert not bin_index(last_B[:, None], future_BH, (-1.0, 1.0)).any()


def test_outcomes_are_the_closes_that_followed() -> None:
    close_R, time_R = np.arange(10.0) ** 2, 100 * np.arange(10)
    series_R = np.repeat([0, 1], 5)
    got = outcomes(close_R, time_R, series_R, ("a", "b"), np.array([1, 2, 7]), 2)
    np.testing.assert_array_equal(got.series_N, [0, 0, 1])
    np.testing.assert_array_equal(got.origin_time_N, [100, 200, 700])
    np.testing.assert_array_equal(got.last_close_N, [1, 4, 49])
    np.testing.assert_array_equal(got.close_NH, [[4, 9], [9, 16], [64, 81]])
    assert got.close_NH.dtype == np.float64
