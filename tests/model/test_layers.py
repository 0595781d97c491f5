"""Layers: dropout with a traced rate, attention and time embeddings against their formulas."""

from __future__ import annotations

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from nextbar.engine.state import stream
from nextbar.model.layers import (
    Attention,
    Dense,
    DenseBlock,
    Dropout,
    ResidualBlock,
    Time2Vec,
    random_words,
    sinusoidal_encoding,
)
from nextbar.model.precision import BFLOAT16, FLOAT32

X = jnp.ones((400, 500))


def drop(rate: float | None, seed: int = 0, x: jax.Array = X) -> np.ndarray:
    traced = None if rate is None else jnp.float32(rate)
    return np.asarray(Dropout().apply({}, x, traced, rngs={"dropout": jax.random.key(seed)}))


@pytest.mark.parametrize("rate", [1e-3, 0.05, 0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    out = drop(rate)
    error = np.sqrt(rate * (1 - rate) / X.size)
    assert np.mean(out == 0) == pytest.approx(rate, abs=5 * error)
    assert out.mean() == pytest.approx(1, abs=5 * error / (1 - rate))
    np.testing.assert_allclose(out[out > 0], 1 / (1 - rate), rtol=1e-6)


def test_gradients_stay_finite_at_a_rate_that_float32_takes_for_one() -> None:
    def total(x: jax.Array) -> jax.Array:
        return Dropout().apply({}, x, jnp.float32(1 - 1e-9), rngs={"dropout": jax.random.key(0)}).sum()

    assert np.isfinite(jax.grad(total)(X)).all()


def test_dropout_without_a_rate_is_the_identity_and_needs_no_key() -> None:
    x = jax.random.normal(jax.random.key(0), (3, 5))
    assert Dropout().apply({}, x, None) is x


def test_dropout_at_rate_zero_changes_nothing() -> None:
    np.testing.assert_array_equal(drop(0.0), X)


def test_dropout_compiles_once_for_all_rates() -> None:
    traces = 0

    @jax.jit
    def dropped(rate: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return Dropout().apply({}, X, rate, rngs={"dropout": jax.random.key(0)})

    shares = [float(jnp.mean(dropped(jnp.float32(rate)) == 0)) for rate in (0.1, 0.3, 0.7)]
    assert traces == 1
    np.testing.assert_allclose(shares, [0.1, 0.3, 0.7], atol=0.005)


WORDS = (256, 1024)
DEVIATIONS = 5
"""how far a mean of many draws may lie off: seeds are fixed, so this never happens by chance from run to run"""


def words(key: jax.Array, shape: tuple[int, ...] = WORDS) -> np.ndarray:
    return np.asarray(random_words(key, shape))


def agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far each pair of bits of two arrays of words is from agreeing half of the time, (32, 32), in deviations."""
    bits = [np.unpackbits(w.reshape(-1, 1).view(np.uint8), axis=1).astype(np.float32) * 2 - 1 for w in (a, b)]
    return np.asarray(bits[0].T @ bits[1] / np.sqrt(a.size))


def streams() -> dict[str, jax.Array]:
    """Keys that lie as close to one another as those of a training do."""
    at = {(seed, step): stream(np.uint32(seed), "dropout", step) for seed in (0, 1) for step in (0, 1)}
    base = at[0, 0]
    raw = np.asarray(jax.random.key_data(base))
    bits = {i: np.uint32([i < 32, i >= 32]) << (i % 32) for i in (0, 31, 32, 63)}
    flipped = {f"bit {i}": jax.random.wrap_key_data(raw ^ bit) for i, bit in bits.items()}
    return {str(name): key for name, key in at.items()} | {"slice 1": jax.random.fold_in(base, 1)} | flipped


def test_each_bit_of_a_random_word_is_set_half_of_the_time() -> None:
    for key in streams().values():
        balance = agreement(words(key), np.full(WORDS, 2**32 - 1, np.uint32))
        assert np.abs(balance).max() < DEVIATIONS


def test_random_words_of_neighbouring_elements_say_nothing_of_each_other() -> None:
    """Any bit of one against any bit of the other, for elements that are near in any axis, or a power of two apart."""
    made = words(jax.random.key(3), (64, 16, 256))
    for axis in range(3):
        for lag in (1, 2, 3, 8):
            first, second = np.split(made, [lag], axis)[1], np.split(made, [made.shape[axis] - lag], axis)[0]
            assert np.abs(agreement(np.ascontiguousarray(first), np.ascontiguousarray(second))).max() < DEVIATIONS + 0.5
    flat = made.reshape(-1)
    for lag in 2 ** np.arange(8, 17):
        assert np.abs(agreement(flat[lag:].copy(), flat[:-lag].copy())).max() < DEVIATIONS + 0.5


def test_random_words_of_two_keys_say_nothing_of_each_other() -> None:
    """Seeds, steps and slices beside one another, and keys that differ in one bit, also with elements shifted."""
    base, *others = streams().values()
    for key in others:
        for shift in (0, 1, 256):
            assert np.abs(agreement(words(base), np.roll(words(key), shift))).max() < DEVIATIONS + 0.5


def test_two_keys_draw_the_same_word_as_often_as_chance_has_it() -> None:
    """n^2 / 2^32 pairs of n words each; streams that ran into one another would share far more, or none."""
    n = 1 << 21
    first, second = (words(key, (n,)) for key in list(streams().values())[:2])
    wanted = n**2 / 2**32
    assert len(np.intersect1d(first, second)) == pytest.approx(wanted, abs=5 * np.sqrt(wanted))


def test_a_mask_does_not_depend_on_what_is_vectorised_beside_it() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    rates = jnp.float32([0.1, 0.5, 0.9])
    x = jnp.ones((40, 50))

    def dropped(key: jax.Array, rate: jax.Array) -> jax.Array:
        return Dropout().apply({}, x, rate, rngs={"dropout": key})

    together = jax.vmap(dropped)(keys, rates)
    for i in range(3):
        np.testing.assert_array_equal(together[i], dropped(keys[i], rates[i]))


def test_dropout_works_on_an_odd_number_of_elements_in_half_precision() -> None:
    out = drop(0.5, x=jnp.ones((3, 5, 7), jnp.bfloat16))
    assert out.shape == (3, 5, 7) and out.dtype == jnp.bfloat16
    assert set(np.unique(out.astype(np.float32))) == {0.0, 2.0}


def test_dense_is_the_layer_of_flax() -> None:
    """Name, parameters and start too, so that weights of older runs fit."""
    x = jax.random.normal(jax.random.key(1), (3, 4, 5))
    ours, theirs = Dense.of(6, BFLOAT16), nn.Dense(6, dtype=jnp.bfloat16)
    variables = ours.init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, variables, theirs.init(jax.random.key(0), x))
    np.testing.assert_array_equal(ours.apply(variables, x), theirs.apply(variables, x))
    assert "Dense_0" in DenseBlock(5, FLOAT32).init(jax.random.key(0), x, None)["params"]


def attention64(params: dict, queries: np.ndarray, keys: np.ndarray, n_heads: int) -> np.ndarray:
    """Multi-head attention head by head in float64 (Vaswani et al. 2017, section 3.2.2)."""
    w = {name: np.asarray(layer["kernel"], np.float64) for name, layer in params.items()}
    q, k, v = queries @ w["query"], keys @ w["key"], keys @ w["value"]
    heads = []
    for columns in np.split(np.arange(q.shape[-1]), n_heads):
        scores = q[..., columns] @ k[..., columns].swapaxes(-1, -2) / np.sqrt(len(columns))
        heads.append(softmax(scores, axis=-1) @ v[..., columns])
    return np.concatenate(heads, axis=-1) @ w["output"]


@pytest.mark.parametrize("n_heads", [1, 2, 4])
@pytest.mark.parametrize("last_only", [False, True])
def test_attention_equals_its_formula(n_heads: int, last_only: bool) -> None:
    x = np.random.default_rng(n_heads).normal(size=(3, 5, 8))
    layer = Attention(n_heads, FLOAT32, last_only)
    variables = layer.init(jax.random.key(0), jnp.float32(x), None)
    # scores that matter: kernels larger than at the start
    variables = jax.tree.map(lambda w: 3 * w, variables)
    out = layer.apply(variables, jnp.float32(x), None)
    wanted = attention64(variables["params"], x[:, -1:] if last_only else x, x, n_heads)
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-4)
    assert all(set(layer) == {"kernel"} for layer in variables["params"].values())  # no bias


def test_dropout_of_attention_drops_weights_of_positions() -> None:
    """One head's weight of one position is dropped for its whole width, for the last query as for all."""
    x = jnp.zeros((1, 6, 8)).at[:, :, :6].set(jnp.eye(6))
    one = {"kernel": jnp.eye(8)}
    params = {"query": {"kernel": jnp.zeros((8, 8))}, "key": one, "value": one, "output": one}
    kept = set()
    for last_only, key in itertools.product([False, True], range(20)):
        layer = Attention(1, FLOAT32, last_only)
        out = layer.apply({"params": params}, x, jnp.float32(0.5), rngs={"dropout": jax.random.key(key)})
        weights = np.asarray(out)[0, :, :6]  # what each query takes of each position: nothing, or 1/6 twice
        assert set(np.round(weights.ravel() * 6, 4)) <= {0.0, 2.0}
        kept |= {(last_only, bool(w)) for w in weights.ravel()}
    assert len(kept) == 4


def test_attention_starts_as_dense_layers_do() -> None:
    """Weights of older runs fit, and a seed starts where it did when each kernel was a layer of its own."""

    class Apart(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> None:
            for name in ("query", "key", "value", "output"):
                nn.Dense(8, use_bias=False, name=name)(x)

    x = jnp.ones((2, 5, 8))
    ours = Attention(2, FLOAT32).init(jax.random.key(0), x, None)
    jax.tree.map(np.testing.assert_array_equal, ours, Apart().init(jax.random.key(0), x))


@pytest.mark.parametrize("last_only", [False, True])
def test_attention_in_half_precision_has_a_softmax_in_float32(last_only: bool) -> None:
    """Scores beyond what bfloat16 can tell apart still decide, as they do in float32."""
    x = jnp.ones((1, 2, 8), jnp.bfloat16)
    layer = Attention(1, BFLOAT16, last_only)
    variables = layer.init(jax.random.key(0), x, None)
    assert all(w.dtype == jnp.float32 for w in jax.tree.leaves(variables))
    text = str(jax.make_jaxpr(lambda v: layer.apply(v, x, None))(variables))
    exponentials = [line for line in text.splitlines() if " exp " in line]
    assert exponentials and all(":f32" in line for line in exponentials)
    assert layer.apply(variables, x, None).dtype == jnp.bfloat16


@pytest.mark.parametrize("width", [8, 9])
def test_positions_are_the_sines_and_cosines_of_the_paper(width: int) -> None:
    table = sinusoidal_encoding(30, width)
    for position in (0, 1, 7, 29):
        for i in range(width):
            angle = position / 10_000 ** (2 * (i // 2) / width)
            wanted = np.sin(angle) if i % 2 == 0 else np.cos(angle)
            assert table[position, i] == pytest.approx(wanted, abs=1e-6)


def test_time2vec_is_one_line_and_sines() -> None:
    rng = np.random.default_rng(0)
    time_BL, clock_BLC = np.linspace(0, 1, 12).reshape(3, 4), rng.normal(size=(3, 4, 2))
    layer, seen = Time2Vec(6, 10.0), (jnp.float32(time_BL), jnp.float32(clock_BLC))
    started = layer.init(jax.random.key(0), *seen)["params"]
    np.testing.assert_allclose(started["frequency"][1:] / (2 * np.pi), np.geomspace(1, 10, 5), rtol=1e-5)
    assert started["clock"].shape == (2, 6) and not started["clock"].any()
    frequency, phase, clock = rng.normal(0, 5, 6), rng.normal(size=6), rng.normal(size=(2, 6))
    drawn = {"frequency": jnp.float32(frequency), "phase": jnp.float32(phase), "clock": jnp.float32(clock)}
    wanted = time_BL[..., None] * frequency + clock_BLC @ clock + phase
    wanted[..., 1:] = np.sin(wanted[..., 1:])
    np.testing.assert_allclose(layer.apply({"params": drawn}, *seen), wanted, atol=1e-5)
    assert "clock" not in layer.init(jax.random.key(0), seen[0], jnp.zeros((3, 4, 0)))["params"]


@pytest.mark.parametrize(
    ("time_L", "turns"),
    [(np.linspace(0, 1, 24), 12), (np.linspace(0, 1, 2), 1), (np.arange(24) / 75_000, 1e4)],
    ids=["a window", "two bars", "a window of a long training span"],
)
def test_time2vec_tells_neighbouring_bars_apart_from_the_start(time_L: np.ndarray, turns: float) -> None:
    layer, seen = Time2Vec(16, turns), (jnp.float32(time_L)[None], jnp.zeros((1, len(time_L), 0)))
    out = np.asarray(layer.apply(layer.init(jax.random.key(0), *seen), *seen))[0]
    assert np.abs(np.diff(out, axis=0)).max(axis=1).min() > 0.1


def test_dense_block_is_dense_then_gelu() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    layer = DenseBlock(5, FLOAT32)
    variables = layer.init(jax.random.key(0), jnp.float32(x), None)
    dense = variables["params"]["Dense_0"]
    wanted = nn.gelu(jnp.float32(x @ np.asarray(dense["kernel"], np.float64)) + dense["bias"][None])
    np.testing.assert_allclose(layer.apply(variables, jnp.float32(x), None), wanted, atol=1e-6)


@pytest.mark.parametrize("width", [3, 5])
def test_residual_block_adds_its_input(width: int) -> None:
    """With the inner layers at zero, what is left is the layer norm of the (projected) input."""
    x = jnp.float32(np.random.default_rng(0).normal(size=(4, 3)))
    layer = ResidualBlock(width, FLOAT32)
    params = layer.init(jax.random.key(0), x, None)["params"]
    assert ("Dense_1" in params) == (width != 3)
    params["Dense_0"] = jax.tree.map(jnp.zeros_like, params["Dense_0"])
    skip = np.asarray(x @ params["Dense_1"]["kernel"] if width != 3 else x, np.float64)
    wanted = (skip - skip.mean(-1, keepdims=True)) / np.sqrt(skip.var(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layer.apply({"params": params}, x, None), wanted, atol=1e-4)
