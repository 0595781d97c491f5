"""The order of the windows: each once an epoch, in steps of one batch, and back again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.engine.order import Order, Steps, stacked


def rows(n: int) -> np.ndarray:
    """Rows of so many windows, in no two of which one could mistake a row for a window."""
    return (1000 + 3 * np.arange(n)).astype(np.int32)


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 2**32 - 1), epoch=st.integers(1, 10**6))
def test_every_window_once(n: int, batch: int, seed: int, epoch: int) -> None:
    order = Order.shuffled(rows(n), batch, seed, epoch)
    assert len(order) == -(-n // batch)
    steps = order.steps(0, len(order))
    assert steps.row_TB.shape == steps.weight_TB.shape == (len(order), batch)
    assert steps.row_TB.dtype == np.int32 and steps.weight_TB.dtype == np.float32
    weight_N = steps.weight_TB.reshape(-1)
    np.testing.assert_array_equal(weight_N, np.arange(weight_N.size) < n)  # only the end of the last step is filling
    np.testing.assert_array_equal(np.sort(steps.row_TB.reshape(-1)[:n]), rows(n))
    assert np.isin(steps.row_TB, rows(n)).all()


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 300), batch=st.integers(1, 400), first=st.integers(0, 9), count=st.integers(1, 5))
def test_straight_steps(n: int, batch: int, first: int, count: int) -> None:
    """Also beyond the end, where all is filling."""
    place_TB = (first * batch + np.arange(count * batch)).reshape(count, batch)
    steps = Order.straight(rows(n), batch).steps(first, count)
    np.testing.assert_array_equal(steps.row_TB, rows(n)[place_TB % n])
    np.testing.assert_array_equal(steps.weight_TB, place_TB < n)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def of(seed: int, epoch: int) -> np.ndarray:
        return Order.shuffled(rows(50), 8, seed, epoch).steps(0, 7).row_TB

    np.testing.assert_array_equal(of(3, 2), of(3, 2))
    for seed, epoch in ((3, 3), (4, 2), (2, 3)):
        assert not np.array_equal(of(3, 2), of(seed, epoch))


def test_neighbouring_epochs_and_seeds_have_unrelated_orders() -> None:
    """Rank correlations of 2,000 windows stay within 5 standard errors."""
    orders = [
        Order.shuffled(rows(2000), 2000, seed, epoch).steps(0, 1).row_TB[0] for seed in (0, 1) for epoch in (1, 2, 3)
    ]
    correlation = np.corrcoef([np.arange(2000), *orders]) - np.eye(len(orders) + 1)
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 60), batch=st.integers(1, 20), part=st.integers(1, 10), wide=st.booleans(), seed=st.integers(0, 99)
)
def test_collect_restores_the_order(n: int, batch: int, part: int, wide: bool, seed: int) -> None:
    """Whatever the parts: what comes back at i was computed for window i, and filling never shows."""
    order = Order.shuffled(rows(n), batch, seed, 1)
    parts = []
    for first in range(0, len(order), part):
        steps = order.steps(first, part)
        value_TB = np.where(steps.weight_TB > 0, steps.row_TB, -1)
        value = value_TB[..., None] * np.array([1, 10]) if wide else value_TB
        parts.append({"value": value, "double": 2 * value})
    found = order.collect(parts)
    wanted = rows(n)[:, None] * np.array([1, 10]) if wide else rows(n)
    np.testing.assert_array_equal(found["value"], wanted)
    np.testing.assert_array_equal(found["double"], 2 * wanted)
    assert found["value"].dtype == value.dtype


@pytest.mark.parametrize("members", [1, 3])
def test_members_have_steps_of_their_own(members: int) -> None:
    each = [Order.shuffled(rows(20), 4, seed, 1).steps(1, 2) for seed in range(members)]
    together = stacked(each)
    assert isinstance(together, Steps) and together.row_TB.shape == (members, 2, 4)
    for p, own in enumerate(each):
        np.testing.assert_array_equal(together.row_TB[p], own.row_TB)
