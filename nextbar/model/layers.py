"""Building blocks: dropout with a traced rate, dense and residual blocks, attention, time embeddings."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nextbar.model.precision import FLOAT32, Precision
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
    return mix(words, mix(second, np.uint32(0)))


def mix(words: Array, key: Array) -> Array:
    """The hash ``triple32`` (C. Wellons, Hash Prospector), a key joined half-way."""
    words = (words ^ words >> 17) * np.uint32(0xED5AD4BB) ^ key
    words = (words ^ words >> 11) * np.uint32(0xAC4C1B51)
    words = (words ^ words >> 15) * np.uint32(0x31848BAB)
    return words ^ words >> 14


class Dense(nn.Dense):
    """``flax.linen.Dense`` in a precision."""

    @classmethod
    def of(cls, width: int, precision: Precision, *, use_bias: bool = True, name: str | None = None) -> Dense:
        """A layer of so many outputs; for the other arguments see ``flax.linen.Dense``."""
        types: dict[str, Any] = {"dtype": precision.activations, "dot_general": precision.dot_general}
        return cls(width, use_bias=use_bias, name=name, **types)


class DenseBlock(nn.Module):
    """Dense layer, GELU, dropout."""

    width: int
    precision: Precision

    @nn.compact
    def __call__(self, x: Array, rate: Array | None) -> Array:
        x = nn.gelu(Dense.of(self.width, self.precision)(x))
        return Dropout()(x, rate)


class ResidualBlock(nn.Module):
    """Two dense layers added to their input, which is projected where the width changes."""

    width: int
    precision: Precision

    @nn.compact
    def __call__(self, x: Array, rate: Array | None) -> Array:
        inner = DenseBlock(self.width, self.precision)(x, rate)
        inner = Dropout()(Dense.of(self.width, self.precision)(inner), rate)
        skip = x if x.shape[-1] == self.width else Dense.of(self.width, self.precision, use_bias=False)(x)
        return nn.LayerNorm(dtype=self.precision.activations)(skip + inner)


class Attention(nn.Module):
    """Multi-head attention without bias, of positions (B, T, D) to one another; softmax in float32.

    ``last_only``: of the last position alone to all, (B, 1, D). One product makes what all positions need.
    ``known_BT``: which positions are looked at, the last one among them; None: all.
    """

    n_heads: int
    precision: Precision
    last_only: bool = False

    @nn.compact
    def __call__(self, x: Array, rate: Array | None, known_BT: Array | None = None) -> Array:
        width = x.shape[-1]
        kernels = [Kernel(name=name)(width, self.precision.activations) for name in ("query", "key", "value")]
        mixed = (self._last if self.last_only else self._all)(x, kernels, rate, known_BT)
        return Dense.of(width, self.precision, use_bias=False, name="output")(mixed)

    def _all(self, x: Array, kernels: list[Array], rate: Array | None, known_BT: Array | None) -> Array:
        """The heads' mixtures at all positions, side by side, (B, T, D)."""
        projected = self.precision.product(x, jnp.concatenate(kernels, axis=1))
        heads = projected.reshape(*x.shape[:-1], 3, self.n_heads, -1)
        q, k, v = jnp.moveaxis(heads, (2, 3), (0, 2))
        scores = jnp.einsum("bhqd,bhtd->bhqt", q, k, preferred_element_type=jnp.float32)
        mixed = jnp.einsum("bhqt,bhtd->bhqd", self._weights(scores, q.shape[-1], rate, known_BT), v)
        return jnp.swapaxes(mixed, 1, 2).reshape(x.shape)

    def _last(self, x: Array, kernels: list[Array], rate: Array | None, known_BT: Array | None) -> Array:
        """Those at the last position, (B, 1, D).

        With one query nothing is left to multiply matrix by matrix, so that keys and values stay as they lie: sums over
        each head's width, and copies to it, are products with zeros and ones.
        """
        q = self.precision.product(x[:, -1:], kernels[0])
        k, v = jnp.split(self.precision.product(x, jnp.concatenate(kernels[1:], axis=1)), 2, axis=-1)
        head = x.shape[-1] // self.n_heads
        own_HD = np.repeat(np.eye(self.n_heads, dtype=np.float32), head, axis=1)
        scores_BTH = (q.astype(jnp.float32) * k) @ own_HD.T
        weights = self._weights(jnp.swapaxes(scores_BTH, 1, 2)[:, :, None], head, rate, known_BT)
        weights_BTD = jnp.swapaxes(weights[:, :, 0], 1, 2) @ own_HD.astype(self.precision.activations)
        mixed = jnp.sum(weights_BTD.astype(jnp.float32) * v, axis=1, keepdims=True)
        return mixed.astype(self.precision.activations)

    def _weights(self, scores_BHQT: Array, head: int, rate: Array | None, known_BT: Array | None) -> Array:
        """How much each query takes of each position, (B, H, Q, T)."""
        if known_BT is not None:
            scores_BHQT = jnp.where(known_BT[:, None, None], scores_BHQT, jnp.finfo(scores_BHQT.dtype).min)
        weights = jax.nn.softmax(scores_BHQT / np.sqrt(head).astype(np.float32), axis=-1)
        return Dropout()(weights.astype(self.precision.activations), rate)


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
    """One linear and D - 1 sine components of a time that runs from 0 to 1 (Kazemi et al. 2019, equation 1).

    The frequencies start on a logarithmic grid from one to ``turns`` turns, so that neighbouring bars can be told apart
    from the first step on. A bar's clock shifts the components' phases by weights that start at zero.
    """

    width: int
    turns: float

    @nn.compact
    def __call__(self, time_BL: Array, clock_BLC: Array) -> Array:
        def grid(_key: Array, shape: tuple[int, ...]) -> Array:
            turns = 2 * np.pi * np.geomspace(1, self.turns, shape[0] - 1)
            return jnp.asarray(np.concatenate([[1.0], turns]), jnp.float32)

        frequency_D = self.param("frequency", grid, (self.width,))
        phase_D = self.param("phase", nn.initializers.zeros, (self.width,))
        angle_BLD = time_BL[..., None] * frequency_D[None, None] + phase_D[None, None]
        if clock_BLC.shape[-1]:
            clock_CD = self.param("clock", nn.initializers.zeros, (clock_BLC.shape[-1], self.width))
            angle_BLD = angle_BLD + FLOAT32.product(clock_BLC, clock_CD)
        return jnp.concatenate([angle_BLD[..., :1], jnp.sin(angle_BLD[..., 1:])], axis=-1)
