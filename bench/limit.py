"""What a training step must at least compute, and how fast this machine multiplies matrices."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nextbar import ExperimentConfig
from nextbar.data.window_spec import WindowSpec

SIDES = (1024, 2048)
REPEATS = 5
FEW = 2
"""up to so many products are computed one after the other, more of them (the heads' of attention) in one batch"""


class Product(NamedTuple):
    """``count`` matrix products (m, k) x (k, n), each for itself."""

    count: int
    m: int
    k: int
    n: int

    @property
    def flops(self) -> float:
        return 2.0 * self.count * self.m * self.k * self.n


def forward_products(config: ExperimentConfig, spec: WindowSpec, batch: int) -> Iterator[Product]:
    """The matrix products of one forward pass that are needed.

    Where the head reads the last position alone, the last block needs keys and values of all positions, everything
    else of one. Look-ups, norms and whatever else is no matrix product are not counted.
    """
    c = config.model_config
    d, f, heads = c.d_model, c.dim_feedforward, c.n_heads
    tokens = spec.seq_len + (len(spec.groups) if c.use_extra_tokens else 0)
    last_only = not (c.flatten_encoder_output or c.average_encoder_output)
    yield Product(1, batch * spec.seq_len, spec.n_features, d)
    for i in range(c.num_layers):
        queries = 1 if last_only and i == c.num_layers - 1 else tokens
        yield Product(2, batch * tokens, d, d)  # keys, values
        yield Product(2, batch * queries, d, d)  # queries, output
        yield Product(batch * heads, queries, d // heads, tokens)  # scores
        yield Product(batch * heads, queries, tokens, d // heads)  # mixture
        yield Product(1, batch * queries, d, f)
        yield Product(1, batch * queries, f, d)
    vector = d * (tokens if c.flatten_encoder_output else 1) + spec.horizon * spec.clock
    vector += len(spec.groups) if c.use_extra_tokens else 0
    for _ in range(c.head_layers):
        yield Product(1, batch, vector, d)
        vector = d


def step_products(config: ExperimentConfig, spec: WindowSpec, batch: int) -> list[Product]:
    """Those of a training step: each product's two gradients are products too; none by the input features."""
    first, *others = forward_products(config, spec, batch)
    made = [first, Product(first.count, first.k, first.m, first.n)]
    for p in others:
        made += [p, Product(p.count, p.m, p.n, p.k), Product(p.count, p.k, p.m, p.n)]
    return made


def limits(config: ExperimentConfig, spec: WindowSpec, batch: int) -> dict[str, Callable[[], float]]:
    """Functions that measure windows a second if nothing but the needed products were computed.

    ``machine``: at the best speed of a large square product. ``products``: each in its own shape, alone.
    """
    products = step_products(config, spec, batch)
    flops = sum(p.flops for p in products)
    squares = [multiplier(Product(1, side, side, side)) for side in SIDES]
    each = {p: multiplier(p) for p in set(products)}

    def machine() -> float:
        best = max(2 * side**3 / run() for side, run in zip(SIDES, squares, strict=True))
        return batch * best / flops

    def alone() -> float:
        taken = {p: run() for p, run in each.items()}
        return batch / sum(taken[p] for p in products)

    return {"machine": machine, "products": alone}


def multiplier(product: Product) -> Callable[[], float]:
    """A function that says how many seconds this product takes XLA, float32; the median of some repeats."""
    import jax
    import jax.numpy as jnp

    count, m, k, n = product
    a, b = (jax.random.normal(jax.random.key(0), (count, *shape)) for shape in ((m, k), (k, n)))
    together = count > FEW
    operands = (a, b) if together else (a[0], b[0])
    multiply = jax.jit(jnp.matmul)
    multiply(*operands).block_until_ready()

    def measure() -> float:
        taken: list[float] = []
        while len(taken) < REPEATS:
            began = time.perf_counter()
            multiply(*operands).block_until_ready()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * (1 if together else count)

    return measure
