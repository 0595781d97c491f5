"""Permutations of windows: each window once, by seed and epoch alone, and as good as random."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nextbar.engine import permutation as permutations
from nextbar.engine.permutation import _keyed, permutation
from nextbar.engine.state import stream

SMALLEST, SEED = 2**10, 2**32 - 1
"""windows of the smallest keyed permutation that is looked at here"""


@pytest.mark.parametrize("n", [1, 2, 50, 1_000, 70_000])
def test_few_windows_are_shuffled_as_jax_does(n: int) -> None:
    """By none, one and two rounds of sorting; equal bits stay in their order."""
    wanted = jax.random.permutation(stream(np.uint32(SEED), "order", 7), n)
    found = permutation(n, SEED, 7)(np.arange(n))
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.int32


def test_from_many_windows_on_none_is_moved() -> None:
    """Places may be asked for in any order and shape, and again."""
    whole = permutation(permutations.MANY, 3, 1)
    place = np.array([[5, 0], [permutations.MANY - 1, 5]])
    window = whole(place)
    assert window.shape == place.shape and window.dtype == np.int32 and window[0, 0] == window[1, 1]
    np.testing.assert_array_equal(window.reshape(-1), whole(np.arange(permutations.MANY))[place.reshape(-1)])
    assert not np.array_equal(window, permutation(permutations.MANY - 1, 3, 1)(np.minimum(place, 9)))
    np.testing.assert_array_equal(place, [[5, 0], [permutations.MANY - 1, 5]])


@settings(deadline=None, max_examples=100)
@given(n=st.integers(SMALLEST, 40_000), seed=st.integers(0, 2**32 - 1), epoch=st.integers(1, 10**6))
def test_every_window_once(n: int, seed: int, epoch: int) -> None:
    np.testing.assert_array_equal(np.sort(_keyed(n, seed, epoch)(np.arange(n))), np.arange(n))


@pytest.mark.parametrize("n", [2**15, 2**15 + 1, 48_611])
def test_a_keyed_permutation_is_like_a_random_one(n: int) -> None:
    """Of 40 epochs: fixed points and neighbours that stay neighbours are as rare as in random permutations, where both
    have a law close to Poisson's with mean 1; where each tenth of the windows goes, and ranks of one epoch in another,
    are unrelated to where they were."""
    place_N = np.arange(n)
    epochs = [_keyed(n, 11, epoch)(place_N) for epoch in range(1, 41)]
    fixed = sum(int((window_N == place_N).sum()) for window_N in epochs)
    followed = sum(int((np.diff(window_N) == 1).sum()) for window_N in epochs)
    for count in (fixed, followed):
        assert stats.poisson.cdf(count, 40) > 1e-4 and stats.poisson.sf(count - 1, 40) > 1e-4
    for window_N in epochs:
        table = np.histogram2d(place_N, window_N, bins=10, range=[[0, n], [0, n]])[0]
        assert stats.chi2_contingency(table).pvalue > 1e-5
    correlation = np.corrcoef([place_N, *epochs]) - np.eye(41)
    assert np.abs(correlation).max() < 5 / np.sqrt(n)


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    for n in (50, SMALLEST):
        make = _keyed if n == SMALLEST else permutation
        first = make(n, 3, 2)(np.arange(n))
        np.testing.assert_array_equal(first, make(n, 3, 2)(np.arange(n)))
        for seed, epoch in ((3, 3), (4, 2), (2, 3)):
            assert not np.array_equal(first, make(n, seed, epoch)(np.arange(n)))
