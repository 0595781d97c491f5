"""Named key streams never share a key; hyper-parameters are typed numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import make_config

from nextbar.data.scaling import mode_number
from nextbar.engine.optimizer import LR_MODES
from nextbar.engine.state import STREAMS, HyperParameters, stream


@jax.jit
def keys(seed: jax.Array, index_T: jax.Array) -> jax.Array:
    """Key data of every stream at every index."""
    every = [jax.vmap(lambda i, name=name: jax.random.key_data(stream(seed, name, i)))(index_T) for name in STREAMS]
    return jnp.stack(every)


def test_no_two_uses_share_a_key() -> None:
    """All pairs of name and index, for seeds that are neighbours, far apart, and the largest."""
    data = [keys(jnp.uint32(seed), jnp.arange(20_000)) for seed in (0, 1, 2, 2**31, 2**32 - 1)]
    flat = np.concatenate(data).reshape(-1, 2)
    assert len(np.unique(flat, axis=0)) == len(flat) == 5 * 3 * 20_000


def test_a_stream_does_not_depend_on_how_its_index_is_given() -> None:
    data = [jax.random.key_data(stream(np.uint32(7), "dropout", index)) for index in (3, np.int32(3), jnp.int32(3))]
    np.testing.assert_array_equal(data[0], data[1])
    np.testing.assert_array_equal(data[0], data[2])


def test_every_number_of_a_configuration_arrives() -> None:
    config = make_config(
        learning_rate=2e-3, lr_mode="linear", warmup_epochs=3, num_epochs=9, weight_decay=0.2, gradient_clip=0.7,
        dropout=0.3, norm_mode="global_meanstd", seed=2**32 - 1,
    )  # fmt: skip
    hyper = HyperParameters.of(config)
    wanted = HyperParameters(
        2e-3, LR_MODES.index("linear"), 3, 9, 0.2, 0.7, 0.3, mode_number("global_meanstd"), 2**32 - 1
    )
    np.testing.assert_allclose([float(v) for v in hyper], [float(v) for v in wanted], rtol=1e-6)


@pytest.mark.parametrize(
    "overrides", [{"gradient_clip": 0.5}, {"num_epochs": 10**10}, {"learning_rate": 1, "dropout": 0}]
)
def test_types_do_not_follow_the_values(overrides: dict[str, Any]) -> None:
    """What is traced keeps its type, or another value would compile anew."""
    types = [v.dtype for v in HyperParameters.of(make_config())]
    assert [v.dtype for v in HyperParameters.of(make_config(**overrides))] == types
