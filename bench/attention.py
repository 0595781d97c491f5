"""Attention alone, forward and backward, without dropout: nextbar's einsums beside what JAX has, at a shape's sizes.

    python bench/attention.py --shapes B,C --precision bf16

``xla`` and ``cudnn`` are implementations of ``jax.nn.dot_product_attention``; cuDNN's needs an NVIDIA GPU and bfloat16.
What cannot be run stands there with its reason. ``difference`` is the greatest to the outputs of the same numbers in
float32, over their greatest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from common import SHAPES, hardware, show, spread

CALLS = 10


def einsums(q: Any, k: Any, v: Any) -> Any:
    """(B, H, T, D) each, as ``nextbar.model.layers.Attention`` computes all positions."""
    import jax
    import jax.numpy as jnp

    scores = jnp.einsum("bhqd,bhtd->bhqt", q, k, preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(scores / q.shape[-1] ** 0.5, axis=-1).astype(q.dtype)
    return jnp.einsum("bhqt,bhtd->bhqd", weights, v)


def fused(implementation: str) -> Callable[..., Any]:
    """The same by ``jax.nn.dot_product_attention``, whose heads come after the positions."""
    import jax
    import jax.numpy as jnp

    def call(*qkv: Any) -> Any:
        mixed = jax.nn.dot_product_attention(*(jnp.swapaxes(a, 1, 2) for a in qkv), implementation=implementation)
        return jnp.swapaxes(mixed, 1, 2)

    return call


def measure(shape: str, precision: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of a forward and backward pass of each way, in turn."""
    import jax
    import jax.numpy as jnp

    sizes = SHAPES[shape]
    heads, dtype = sizes["n_heads"], jnp.bfloat16 if precision == "bf16" else jnp.float32
    size = (sizes["batch_size"], heads, sizes["seq_len"] + 2, sizes["d_model"] // heads)  # two spread tokens
    qkv = [jax.random.normal(jax.random.key(i), size, dtype) for i in range(3)]
    ways = {"einsum": einsums, "xla": fused("xla"), "cudnn": fused("cudnn")}
    result: dict[str, Any] = {"shape": shape, "precision": precision, "BHTD": size}
    reference = einsums(*(a.astype(jnp.float32) for a in qkv))
    steps = {}
    for name, way in ways.items():
        step = jax.jit(jax.grad(lambda *a, way=way: jnp.sum(way(*a).astype(jnp.float32) ** 2), argnums=(0, 1, 2)))
        try:
            jax.block_until_ready(step(*qkv))
            difference = jnp.abs(jax.jit(way)(*qkv).astype(jnp.float32) - reference).max() / jnp.abs(reference).max()
        except Exception as error:  # whatever keeps this machine from it is what there is to tell
            result[name] = f"{type(error).__name__}: {str(error)[:200]}"
            continue
        result[f"{name} difference"] = float(difference)
        steps[name] = step
    milliseconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            jax.block_until_ready([step(*qkv) for _ in range(CALLS)])
            milliseconds[name].append((time.perf_counter() - began) * 1e3 / CALLS)
    return result | {name: spread(values) for name, values in milliseconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="B,C")
    parser.add_argument("--precision", default="bf16", choices=("fp32", "bf16"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    show({"attention": [measure(s, args.precision, args.rounds) for s in args.shapes.split(",")], **hardware()})


if __name__ == "__main__":
    main()
