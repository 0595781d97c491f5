"""Building blocks: dropout with a traced rate, dense and residual blocks, attention, time embeddings."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nextbar.types import Array

BELOW_ONE = np.float32(1 - 2.0**-24)
"""a rate that float32 rounds to one would leave nothing, and scale it without end"""


class Dropout(nn.Module):
    """Dropout whose rate is an array, so that changing it compiles nothing; ``rate`` None: the identity.

    Each element is decided by 32 random bits; the expected value is kept.
    """

    @nn.compact
    def __call__(self, x: Array, rate: Array | None) -> Array:
        if rate is None:
            return x
        rate = jnp.minimum(rate, BELOW_ONE)
        kept = random_words(self.make_rng("dropout"), x.shape) >= (rate * 2.0**32).astype(jnp.uint32)
        return jnp.where(kept, x * (1 / (1 - rate)).astype(x.dtype), jnp.zeros((), x.dtype))


def random_words(key: Array, shape: tuple[int, ...]) -> Array:
    """Independent random 32-bit words, (shape); a hash of each element's number and the two words of the key.

    Unlike a generator it needs no memory: compiled code makes the words where they are used, and again in the backward
    pass.
    """
    first, second = jax.random.key_data(key).reshape(-1)[:2]
    words, stride = first, 1
    for axis in reversed(range(len(shape))):  # key first: numbers without it would be computed once and kept
        number = jax.lax.iota(jnp.uint32, shape[axis]) * np.uint32(stride)
        words = words + jnp.expand_dims(number, [i for i in range(len(shape)) if i != axis])
        stride *= shape[axis]
    return _mix(words, _mix(second, np.uint32(0)))


def _mix(words: Array, key: Array) -> Array:
    """The hash ``triple32`` (C. Wellons, Hash Prospector), a key joined half-way."""
    words = (words ^ words >> 17) * np.uint32(0xED5AD4BB) ^ key
    words = (words ^ words >> 11) * np.uint32(0xAC4C1B51)
    words = (words ^ words >> 15) * np.uint32(0x31848BAB)
    return words ^ words >> 14


@jax.custom_vjp
def product(x: Array, kernel: Array) -> Array:
    """``x @ kernel``; in the kernel's gradient the narrower of its two factors is the one to be transposed.

    A CPU transposes by a copy, in which it also computes anew, out of order, what led to it. JAX itself takes ``dy``.
    """
    return x @ kernel


def _product_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _product_backward(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    rows = tuple(range(x.ndim - 1))
    over_rows = ((rows, rows), ((), ()))
    if x.shape[-1] <= dy.shape[-1]:
        return dy @ kernel.T, jax.lax.dot_general(x, dy, over_rows)
    return dy @ kernel.T, jax.lax.dot_general(dy, x, over_rows).T


product.defvjp(_product_forward, _product_backward)


def _dot_general(x: Array, kernel: Array, _dimensions: Any, precision: Any = None) -> Array:
    return product(x, kernel)


class Dense(nn.Dense):
    """``flax.linen.Dense`` whose matrix product is ``product``."""

    dot_general: Any = _dot_general


class DenseBlock(nn.Module):
    """Dense layer, GELU, dropout."""

    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array, rate: Array | None) -> Array:
        x = nn.gelu(Dense(self.width, dtype=self.dtype)(x))
        return Dropout()(x, rate)


class ResidualBlock(nn.Module):
    """Two dense layers added to their input, which is projected where the width changes."""

    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array, rate: Array | None) -> Array:
        inner = DenseBlock(self.width, self.dtype)(x, rate)
        inner = Dropout()(Dense(self.width, dtype=self.dtype)(inner), rate)
        skip = x if x.shape[-1] == self.width else Dense(self.width, use_bias=False, dtype=self.dtype)(x)
        return nn.LayerNorm(dtype=self.dtype)(skip + inner)


class Attention(nn.Module):
    """Multi-head attention without bias; queries (B, Q, D) look at keys (B, T, D). Softmax in float32.

    One product makes queries, keys and values where all come from the same positions, else keys and values.
    """

    n_heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, queries: Array, keys: Array, rate: Array | None) -> Array:
        width = queries.shape[-1]
        head = width // self.n_heads
        kernels = [Kernel(name=name)(width, self.dtype) for name in ("query", "key", "value")]

        def project(x: Array, *kernels: Array) -> list[Array]:
            y = product(x, jnp.concatenate(kernels, axis=1))
            return list(jnp.moveaxis(y.reshape(*x.shape[:-1], len(kernels), self.n_heads, head), (2, 3), (0, 2)))

        if queries is keys:
            q, k, v = project(keys, *kernels)
        else:
            (q,), (k, v) = project(queries, kernels[0]), project(keys, *kernels[1:])
        scores = jnp.einsum("bhqd,bhtd->bhqt", q, k, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(scores / np.sqrt(head).astype(np.float32), axis=-1).astype(self.dtype)
        mixed = jnp.einsum("bhqt,bhtd->bhqd", Dropout()(weights, rate), v)
        mixed = jnp.swapaxes(mixed, 1, 2).reshape(queries.shape)
        return Dense(width, use_bias=False, dtype=self.dtype, name="output")(mixed)


class Kernel(nn.Module):
    """The kernel of a dense layer, (D, D), under the name and with the start it has in one."""

    @nn.compact
    def __call__(self, width: int, dtype: jnp.dtype) -> Array:
        return self.param("kernel", nn.initializers.lecun_normal(), (width, width)).astype(dtype)


def sinusoidal_encoding(length: int, width: int) -> np.ndarray:
    """(L, D) sines and cosines of the position (Vaswani et al. 2017, section 3.5)."""
    position = np.arange(length)[:, None]
    pairs = np.arange(-(-width // 2))[None]
    angle = position / 10_000 ** (2 * pairs / width)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :width].astype(np.float32)


class Time2Vec(nn.Module):
    """One linear and D - 1 sine components of the time column (Kazemi et al. 2019, equation 1).

    The time column runs from 0 to 1 over the whole training span; the frequencies start on a logarithmic grid from one
    to ten thousand turns of it, so that neighbouring bars can be told apart from the first step on.
    """

    width: int

    @nn.compact
    def __call__(self, time_BL: Array) -> Array:
        def grid(_key: Array, shape: tuple[int, ...]) -> Array:
            turns = 2 * np.pi * np.geomspace(1, 1e4, shape[0] - 1)
            return jnp.asarray(np.concatenate([[1.0], turns]), jnp.float32)

        frequency_D = self.param("frequency", grid, (self.width,))
        phase_D = self.param("phase", nn.initializers.zeros, (self.width,))
        angle_BLD = time_BL[..., None] * frequency_D[None, None] + phase_D[None, None]
        return jnp.concatenate([angle_BLD[..., :1], jnp.sin(angle_BLD[..., 1:])], axis=-1)
