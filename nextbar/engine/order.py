"""The order of the windows: every window once an epoch, as a function of seed and epoch."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nextbar.engine.state import stream
from nextbar.machine.long_arrays import in_threads
from nextbar.types import Array


class Layout(NamedTuple):
    """Windows laid out in steps of one batch; the last one is filled up with windows of weight 0."""

    position_TB: Array
    """which window of the span"""
    row_TB: Array
    """row of its last known bar"""
    weight_TB: Array


def lay_out(origin_N: Array, position_N: Array, batch_size: int) -> Layout:
    """Steps over the windows in the order of ``position_N``; arrays of the device or of the host alike."""
    n = len(position_N)
    steps = -(-n // batch_size)
    xp: Any = np if isinstance(position_N, np.ndarray) else jnp
    filled = xp.resize(position_N, (steps, batch_size))
    weight = (xp.arange(steps * batch_size) < n).astype(np.float32).reshape(steps, batch_size)
    return Layout(filled, origin_N[filled], weight)


def shuffled(origin_N: Array, seed: Array, epoch: Array, batch_size: int) -> Layout:
    """The order of one epoch."""
    position_N = jax.random.permutation(stream(seed, "order", epoch), len(origin_N))
    return lay_out(origin_N, position_N, batch_size)


def shuffled_on_host(origin_N: np.ndarray, seed: int, epoch: int, batch_size: int) -> Layout:
    """``shuffled`` to the last window, in arrays of the host: it sorts several times as fast as XLA does on a CPU."""
    key, n = stream(np.uint32(seed), "order", epoch), len(origin_N)
    position_N = np.arange(n, dtype=np.int32)
    # as jax.random.permutation: rounds of a stable sort by 32 random bits, until hardly two windows share all of theirs
    for _ in range(math.ceil(3 * np.log(n) / np.log(np.iinfo(np.uint32).max))):
        key, own = jax.random.split(key)
        position_N = position_N[_stable_order(np.asarray(jax.random.bits(own, (n,), np.uint32)))]
    return lay_out(origin_N, position_N, batch_size)


def _stable_order(bits_N: np.ndarray) -> np.ndarray:
    """int64 (N,): places of the numbers in their order, equal ones as they stand; two halves at a time."""
    place_N = bits_N.astype(np.uint64)
    place_N <<= np.uint64(32)
    place_N |= np.arange(len(bits_N), dtype=np.uint32)
    halves = [place_N[bits_N < 2**31], place_N[bits_N >= 2**31]]
    in_threads(np.ndarray.sort, halves)
    np.concatenate(halves, out=place_N)
    place_N &= np.uint64(2**32 - 1)
    return place_N.view(np.int64)


def collect(parts: list[Any], position_TB: np.ndarray, weight_TB: np.ndarray) -> Any:
    """Put what was computed step by step, (T, B, ...) in consecutive parts, back in the order of the span, (N, ...).

    Steps past the layout's end are left out.
    """
    real = weight_TB.reshape(-1) > 0
    position_N = position_TB.reshape(-1)[real]

    def join(*arrays: np.ndarray) -> np.ndarray:
        flat = np.concatenate(arrays)[: len(position_TB)].reshape(real.size, *arrays[0].shape[2:])
        ordered = np.empty((len(position_N), *flat.shape[1:]), flat.dtype)
        ordered[position_N] = flat[real]
        return ordered

    return jax.tree.map(join, *parts)
