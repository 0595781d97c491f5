"""Labels against float64, bins against the host's, outcomes against plain indexing."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbar.data.scaling import Pair
from nextbar.data.targets import label, outcomes
from nextbar.metrics.bins import bin_index, percent_move

_label = jax.jit(label, static_argnames=("target", "edges"))
B, H = 64, 3


def labels(
    last_B: np.ndarray,
    future_BH: np.ndarray,
    unit_B: np.ndarray,
    target: str,
    edges: Sequence[float] | None = None,
) -> np.ndarray:
    return np.asarray(_label(Pair.split(last_B), Pair.split(future_BH), unit_B.astype(np.float32), target, edges))


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
    future_1H = last + last * percent_H[None] / 100
    y = labels(np.array([last]), future_1H, np.ones(1), "close", edges)[0]
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
    assert y.dtype == np.int32


@given(st.data())
def test_bins_are_those_of_the_metrics(data: st.DataObject) -> None:
    """Off the edges, where a float32 and a float64 cannot disagree."""
    last_B = np.array(data.draw(st.lists(st.floats(1e-3, 1e5), min_size=4, max_size=4)))
    percent_B1 = np.array(data.draw(st.lists(st.floats(-90, 90), min_size=4, max_size=4)))[:, None]
    edges = (-np.inf, -10.0, -0.5, 0.1, 0.3, 7.0, np.inf)
    future_B1 = last_B[:, None] * (1 + percent_B1 / 100)
    move_B1 = percent_move(last_B[:, None], future_B1)
    clear = np.abs(move_B1[..., None] - np.array(edges[1:-1])).min(axis=-1) > 1e-5
    y_B1 = labels(last_B, future_B1, np.ones(4), "close", edges)
    np.testing.assert_array_equal(y_B1[clear], bin_index(move_B1, edges)[clear])


def test_a_price_that_stands_still_is_on_the_edge_at_zero() -> None:
    last_B = np.random.default_rng(0).uniform(1e-6, 1e6, B)
    edges = (-np.inf, 0.0, np.inf)
    assert (labels(last_B, last_B[:, None], np.ones(B), "close", edges) == 1).all()
    assert (labels(last_B, np.nextafter(last_B[:, None].astype(np.float32), 0), np.ones(B), "close", edges) == 0).all()


def test_one_bin_takes_everything() -> None:
    last_B, future_BH, unit_B = walk(3.0, 0.1)
    assert not labels(last_B, future_BH, unit_B, "close", (-1.0, 1.0)).any()


def test_outcomes_are_the_closes_that_followed() -> None:
    close_R, time_R = np.arange(10.0) ** 2, 100 * np.arange(10)
    series_R = np.repeat([0, 1], 5)
    got = outcomes(close_R, time_R, series_R, ("a", "b"), np.array([1, 2, 7]), 2)
    np.testing.assert_array_equal(got.series_N, [0, 0, 1])
    np.testing.assert_array_equal(got.origin_time_N, [100, 200, 700])
    np.testing.assert_array_equal(got.last_close_N, [1, 4, 49])
    np.testing.assert_array_equal(got.close_NH, [[4, 9], [9, 16], [64, 81]])
    assert got.close_NH.dtype == np.float64
