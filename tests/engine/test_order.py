"""The order of the windows: each once an epoch, by seed and epoch alone, and back again."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.engine.order import Layout, _stable_order, collect, lay_out, shuffled, shuffled_on_host

SIZES = (1, 2, 3, 7, 16, 31, 40)
BATCHES = (1, 5, 40)
"""numbers of windows, and sizes of batches; each pair compiles"""


def order(n: int, batch: int, seed: int = 0, epoch: int = 1) -> Layout:
    rows = 1000 + 3 * np.arange(n)
    return Layout(*map(np.asarray, shuffled(jnp.asarray(rows), jnp.uint32(seed), jnp.int32(epoch), batch)))


def assert_whole(layout: Layout, n: int, batch: int) -> None:
    steps = -(-n // batch)
    assert layout.position_TB.shape == layout.row_TB.shape == layout.weight_TB.shape == (steps, batch)
    weight = layout.weight_TB.reshape(-1)
    np.testing.assert_array_equal(weight, np.arange(steps * batch) < n)  # only the end of the last step is filling
    position = layout.position_TB.reshape(-1)
    np.testing.assert_array_equal(np.sort(position[weight > 0]), np.arange(n))
    np.testing.assert_array_equal(layout.row_TB, 1000 + 3 * layout.position_TB)


@settings(deadline=None, max_examples=20)
@given(
    n=st.sampled_from(SIZES),
    batch=st.sampled_from(BATCHES),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(1, 10**6),
)
def test_every_window_once(n: int, batch: int, seed: int, epoch: int) -> None:
    assert_whole(order(n, batch, seed, epoch), n, batch)


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 300), batch=st.integers(1, 400))
def test_laid_out_in_order_on_the_host(n: int, batch: int) -> None:
    layout = lay_out(1000 + 3 * np.arange(n), np.arange(n), batch)
    assert_whole(layout, n, batch)
    assert isinstance(layout.row_TB, np.ndarray)
    np.testing.assert_array_equal(layout.position_TB.reshape(-1)[:n], np.arange(n))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    first = order(50, 8, seed=3, epoch=2)
    np.testing.assert_array_equal(first.position_TB, order(50, 8, seed=3, epoch=2).position_TB)
    for seed, epoch in ((3, 3), (4, 2), (2, 3)):
        assert not np.array_equal(first.position_TB, order(50, 8, seed, epoch).position_TB)


@pytest.mark.parametrize("n", [1, 2, 50, 70_000])
def test_the_host_finds_the_order_that_the_device_finds(n: int) -> None:
    """By none, one and two rounds of sorting."""
    host = shuffled_on_host(1000 + 3 * np.arange(n), 2**32 - 1, 7, 16)
    for own, device in zip(host, order(n, 16, 2**32 - 1, 7), strict=True):
        np.testing.assert_array_equal(own, device)


def test_equal_bits_stay_in_their_order() -> None:
    bits = np.array([7, 2**31, 7, 0, 2**32 - 1, 2**31, 0], np.uint32)
    np.testing.assert_array_equal(_stable_order(bits), np.argsort(bits, kind="stable"))


def test_neighbouring_epochs_and_seeds_have_unrelated_orders() -> None:
    """Rank correlations of 2,000 windows stay within 5 standard errors."""
    orders = [order(2000, 2000, seed, epoch).position_TB[0] for seed in (0, 1) for epoch in (1, 2, 3)]
    correlation = np.corrcoef([np.arange(2000), *orders]) - np.eye(len(orders) + 1)
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 60), batch=st.integers(1, 20), part=st.integers(1, 10), wide=st.booleans(), seed=st.integers(0, 99)
)
def test_collect_restores_the_order(n: int, batch: int, part: int, wide: bool, seed: int) -> None:
    """Whatever the parts: what comes back at i was computed for window i, and filling never shows."""
    position_N = np.random.default_rng(seed).permutation(n)
    layout = lay_out(np.arange(n), position_N, batch)
    steps = len(layout.row_TB)
    value_TB = np.where(layout.weight_TB > 0, layout.position_TB, -1)
    value = value_TB[..., None] * np.array([1, 10]) if wide else value_TB
    parts = []
    for first in range(0, steps, part):
        rows = np.minimum(first + np.arange(part), steps - 1)  # equal parts: the last repeats its last step
        parts.append({"value": value[rows], "double": 2 * value[rows]})
    found = collect(parts, layout.position_TB, layout.weight_TB)
    wanted = np.arange(n)[:, None] * np.array([1, 10]) if wide else np.arange(n)
    np.testing.assert_array_equal(found["value"], wanted)
    np.testing.assert_array_equal(found["double"], 2 * wanted)
    assert found["value"].dtype == value.dtype


@pytest.mark.parametrize("epoch", [1, 7])
def test_seed_and_epoch_may_be_traced(epoch: int) -> None:
    rows = jnp.arange(30)
    traced = jax.jit(shuffled, static_argnums=3)(rows, jnp.uint32(5), jnp.int32(epoch), 8)
    np.testing.assert_array_equal(traced.row_TB, shuffled(rows, jnp.uint32(5), jnp.int32(epoch), 8).row_TB)
