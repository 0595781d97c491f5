"""Permutations of the windows, each a function of seed and epoch alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nextbar.engine.state import stream
from nextbar.machine.long_arrays import blocks, in_threads
from nextbar.model.layers import mix

MANY = 2**20
"""windows from which on no list of them is shuffled: each place of an epoch says by itself which window it has"""

LEAST_DRAWN = 2**14
"""random numbers that are drawn at least, so that small orders share what is compiled"""

ROUNDS = 8
"""of a keyed permutation, each of which changes one half of a number's bits"""


def permutation(n: int, seed: int, epoch: int) -> Callable[[np.ndarray], np.ndarray]:
    """Which of ``n`` windows comes at each place of an epoch.

    Returns:
        A function of places, integers from 0 to n - 1 of any shape; it gives windows, int32 of that shape.
    """
    return _keyed(n, seed, epoch) if n >= MANY else _shuffled(n, seed, epoch).__getitem__


def _shuffled(n: int, seed: int, epoch: int) -> np.ndarray:
    """int32 (N,): ``jax.random.permutation``, by a sort that is several times as fast as XLA's on a CPU.

    Rounds of a stable sort by 32 random bits, until hardly two windows share all of theirs.
    """
    position_N = np.arange(n, dtype=np.int32)
    for bits_N in _bits(seed, epoch, math.ceil(3 * np.log(n) / np.log(np.iinfo(np.uint32).max)), n):
        place_N = bits_N.astype(np.uint64) << np.uint64(32) | np.arange(n, dtype=np.uint64)
        place_N.sort()
        position_N = position_N[(place_N & np.uint64(2**32 - 1)).view(np.int64)]
    return position_N


def _keyed(n: int, seed: int, epoch: int) -> Callable[[np.ndarray], np.ndarray]:
    """A Feistel network on as many bits as the largest number has, followed until it leads below ``n``.

    It needs no memory and no time before the first window; see Mitchell, Stokes, Frank and Holmes, *Bandwidth-optimal
    random shuffling for GPUs*, ACM Transactions on Parallel Computing 9 (2022).
    """
    (keys,) = _bits(seed, epoch, 1, ROUNDS)
    low = (n - 1).bit_length() // 2
    high = (n - 1).bit_length() - low

    def follow(number_N: np.ndarray) -> np.ndarray:
        for first, second in keys.reshape(-1, 2):
            number_N ^= mix(number_N & np.uint32(2**low - 1), first) >> np.uint32(32 - high) << np.uint32(low)
            number_N ^= mix(number_N >> np.uint32(low), second) >> np.uint32(32 - low)
        return number_N

    def windows(place: np.ndarray) -> np.ndarray:
        window_N = place.astype(np.uint32).reshape(-1)

        def of_block(rows: slice) -> None:
            window_B = follow(window_N[rows])
            while (beyond := np.flatnonzero(window_B >= n)).size:  # a cycle that begins below n comes back there
                window_B[beyond] = follow(window_B[beyond])

        in_threads(of_block, list(blocks(len(window_N))))
        return window_N.view(np.int32).reshape(place.shape)

    return windows


def _bits(seed: int, epoch: int, rounds: int, n: int) -> np.ndarray:
    """uint32 (rounds, N), of the order's stream."""
    own = jax.device_put((np.uint32(seed), np.int32(epoch)))
    # so many that other numbers of windows compile nothing; the first of them are the same however many there are
    with jax.threefry_partitionable(True):
        drawn: np.ndarray = jax.device_get(_draw(*own, rounds, max(LEAST_DRAWN, 2 ** (n - 1).bit_length())))
    return drawn[:, :n]


@partial(jax.jit, static_argnums=(2, 3))
def _draw(seed: Any, epoch: Any, rounds: int, n: int) -> Any:
    key, drawn = stream(seed, "order", epoch), [jnp.zeros((0, n), jnp.uint32)]
    for _ in range(rounds):
        key, own = jax.random.split(key)
        drawn.append(jax.random.bits(own, (1, n), jnp.uint32))
    return jnp.concatenate(drawn)
