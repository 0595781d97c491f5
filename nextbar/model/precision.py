"""Precision: the types a model computes in, and its matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nextbar.types import Array


@dataclass(frozen=True)
class Precision:
    """Types a model computes in."""

    activations: jnp.dtype
    factors: jnp.dtype
    """of matrix products with parameters; their sums, and what comes out, are activations"""

    @classmethod
    def of(cls, name: str) -> Precision:
        """That of ``fp32`` or ``bf16`` on this device.

        On a CPU only factors are bfloat16: there it multiplies what is so in half the time, but any other arithmetic
        with bfloat16 is slower than with float32.
        """
        if name == "fp32":
            return FLOAT32
        return BFLOAT16_FACTORS if jax.default_backend() == "cpu" else BFLOAT16

    def product(self, x: Array, kernel: Array) -> Array:
        """``x @ kernel``, (..., I) and (I, O) to (..., O)."""
        return _product(self.factors, x, kernel)

    def dot_general(self, x: Array, kernel: Array, _dimensions: Any, precision: Any = None) -> Array:
        """``product`` as ``flax.linen.Dense`` asks for it."""
        return self.product(x, kernel)


FLOAT32 = Precision(jnp.dtype(jnp.float32), jnp.dtype(jnp.float32))
BFLOAT16 = Precision(jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.bfloat16))
BFLOAT16_FACTORS = Precision(jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(factors: jnp.dtype, x: Array, kernel: Array) -> Array:
    """``x @ kernel``; in the kernel's gradient the narrower of its two factors is the one to be transposed.

    A CPU transposes by a copy, in which it also computes anew, out of order, what led to it. JAX itself takes ``dy``.
    The barrier keeps XLA from moving the transposition of the small result back to the wider factor.
    """
    return _multiply(factors, x, kernel)


def _product_forward(factors: jnp.dtype, x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _multiply(factors, x, kernel), (x, kernel)


def _product_backward(factors: jnp.dtype, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    dx = _multiply(factors, dy, kernel.T)
    rows = tuple(range(x.ndim - 1))
    if x.shape[-1] <= dy.shape[-1]:
        return dx, _multiply(factors, x, dy, rows)
    return dx, jax.lax.optimization_barrier(_multiply(factors, dy, x, rows)).T


_product.defvjp(_product_forward, _product_backward)


def _multiply(factors: jnp.dtype, a: Array, b: Array, rows: tuple[int, ...] | None = None) -> Array:
    """``a @ b`` of both as ``factors``, in the type of ``a``; with ``rows``, over these axes of both instead."""
    axes = ((a.ndim - 1,), (0,)) if rows is None else (rows, rows)
    return jax.lax.dot_general(a.astype(factors), b.astype(factors), (axes, ((), ())), preferred_element_type=a.dtype)
