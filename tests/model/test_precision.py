"""Precision: products and their gradients against NumPy, and which types each device computes in."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nextbar.model.precision import BFLOAT16, BFLOAT16_FACTORS, FLOAT32, Precision


@pytest.mark.parametrize("width", [3, 7, 9])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (4, 5, 7)])
def test_product_has_the_gradients_of_a_product(shape: tuple[int, ...], width: int) -> None:
    rng = np.random.default_rng(0)
    x, kernel, dy = (rng.normal(size=s) for s in (shape, (7, width), (*shape[:-1], width)))
    made, pull = jax.vjp(FLOAT32.product, jnp.float32(x), jnp.float32(kernel))
    dx, dkernel = pull(jnp.float32(dy))
    np.testing.assert_allclose(made, x @ kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, dy @ kernel.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dkernel, x.reshape(-1, 7).T @ dy.reshape(-1, width), rtol=1e-5, atol=1e-5)
    # a population: the same, trial by trial
    stack = [jnp.float32(np.stack([a, 2 * a])) for a in (x, kernel, dy)]
    both = jax.vmap(lambda x, kernel, dy: jax.vjp(FLOAT32.product, x, kernel)[1](dy))(*stack)
    np.testing.assert_allclose(both[1][0], dkernel, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(both[1][1], 4 * dkernel, rtol=1e-5, atol=1e-5)


def rounded(a: np.ndarray) -> np.ndarray:
    """What is left of numbers in bfloat16, in float64."""
    return np.asarray(jnp.asarray(a, jnp.bfloat16), np.float64)


def test_factors_alone_are_rounded() -> None:
    """Products of bfloat16 are exact in float32, and so, nearly, are their sums; forward and in both gradients."""
    rng = np.random.default_rng(0)
    x, kernel, dy = (rng.normal(size=s) for s in ((50, 70), (70, 30), (50, 30)))
    made, pull = jax.vjp(BFLOAT16_FACTORS.product, jnp.float32(x), jnp.float32(kernel))
    dx, dkernel = pull(jnp.float32(dy))
    assert {a.dtype for a in (made, dx, dkernel)} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(made, rounded(x) @ rounded(kernel), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, rounded(dy) @ rounded(kernel).T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dkernel, rounded(x).T @ rounded(dy), rtol=1e-5, atol=1e-5)
    assert np.abs(made - x @ kernel).max() > 1e-3  # rounded they are


@pytest.mark.parametrize(("backend", "types"), [("cpu", BFLOAT16_FACTORS), ("gpu", BFLOAT16)])
def test_a_cpu_has_activations_in_float32(backend: str, types: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert Precision.of("bf16") == types
    assert Precision.of("fp32") == FLOAT32
