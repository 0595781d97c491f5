"""Heads: losses against scipy and scikit-learn, the untrained start, read-out in user units."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import make_batch
from builders import make_config
from experiments import GRID
from scipy import stats
from skewed import SkewedLaw
from sklearn.metrics import log_loss, mean_squared_error

from nextbar.model.heads import MAX_SKEW, MIN_DF, DistributionHead, GridHead, Head, MeanHead, head_for, with_start

RNG = np.random.default_rng(0)
B, H, K = 64, 3, 4
Y_BH = RNG.normal(size=(B, H))
UNIT_B = RNG.uniform(0.1, 50, B)
FREQUENCIES_HK = RNG.dirichlet(np.ones(K), size=H)


def outputs(**arrays: np.ndarray) -> dict[str, jax.Array]:
    return {name: jnp.float32(values) for name, values in arrays.items()}


LOCATION_BH, LOG_SCALE_BH, RAW_DF_BH = RNG.normal(size=(3, B, H))
LOGITS_BHK = RNG.normal(size=(B, H, K))
DF_BH = MIN_DF + np.log1p(np.exp(RAW_DF_BH))


def standardised_t(df: np.ndarray, location: np.ndarray, deviation: np.ndarray) -> Any:
    """scipy's Student-t of this standard deviation."""
    return stats.t(df, loc=location, scale=deviation * np.sqrt((df - 2) / df))


def test_mean_loss_is_the_squared_error() -> None:
    loss = MeanHead(H).loss(outputs(location=LOCATION_BH), jnp.float32(Y_BH))
    assert loss.shape == (B, H)
    np.testing.assert_allclose(loss.mean(), mean_squared_error(Y_BH, LOCATION_BH), rtol=1e-5)


def test_normal_loss_is_the_negative_log_density() -> None:
    head = DistributionHead(H, "normal")
    loss = head.loss(outputs(location=LOCATION_BH, log_scale=LOG_SCALE_BH), jnp.float32(Y_BH))
    wanted = -stats.norm.logpdf(Y_BH, LOCATION_BH, np.exp(LOG_SCALE_BH))
    np.testing.assert_allclose(loss, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, -8.0, 5.0], ids=["ordinary", "df near its end", "nearly normal"])
def test_student_loss_is_the_negative_log_density(shift: float) -> None:
    raw = RAW_DF_BH + shift
    df = MIN_DF + np.log1p(np.exp(raw))
    head = DistributionHead(H, "student_t")
    given = outputs(location=LOCATION_BH, log_scale=LOG_SCALE_BH, df=raw)
    wanted = -standardised_t(df, LOCATION_BH, np.exp(LOG_SCALE_BH)).logpdf(Y_BH)
    np.testing.assert_allclose(head.loss(given, jnp.float32(Y_BH)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("skew", [-0.9, -0.12, 0.6])
@pytest.mark.parametrize("shift", [0.0, -8.0, 5.0], ids=["ordinary", "df near its end", "nearly normal"])
def test_skewed_loss_is_the_negative_log_density_and_is_read_out_as_such(shift: float, skew: float) -> None:
    """That of the package arch, law by law, whose mean and deviation are the location and the scale."""
    raw = RAW_DF_BH + shift
    raw_skew = np.full((B, H), np.arctanh(skew / MAX_SKEW))
    given = outputs(location=LOCATION_BH, log_scale=LOG_SCALE_BH, df=raw, skew=raw_skew)
    head = DistributionHead(H, "skew_t")
    df_BH, y_BH = np.clip(MIN_DF + np.log1p(np.exp(raw)), 2.051, 299), jnp.float32(Y_BH)
    numbers = zip(df_BH.ravel(), LOCATION_BH.ravel(), np.exp(LOG_SCALE_BH).ravel(), Y_BH.ravel(), strict=True)
    wanted = [-float(SkewedLaw(df, skew, middle, scale).logpdf(y)) for df, middle, scale, y in numbers]
    np.testing.assert_allclose(np.ravel(head.loss(given, y_BH)), wanted, rtol=1e-4, atol=1e-4)
    read = head.read(given, jnp.float32(UNIT_B))
    assert set(read) == {"location_NH", "scale_NH", "df_NH", "skew_NH"}
    np.testing.assert_allclose(read["skew_NH"], skew, rtol=1e-5)
    np.testing.assert_allclose(read["df_NH"], df_BH, rtol=1e-4)


def test_slopes_of_the_skewed_loss_are_those_of_float64_also_at_the_edges() -> None:
    """Degrees of freedom at their end and many, skewness from end to end, outcomes near and a million scales away."""
    y, raw_df, raw_skew = np.meshgrid(
        [-1e6, -30.0, -0.1, 0.0, 0.3, 30.0, 1e6], [-30.0, 0.0, 30.0], [-20.0, -2.5, 0.0, 2.5, 20.0], indexing="ij"
    )
    given = {"location": np.zeros(y.shape), "log_scale": np.full(y.shape, 0.3), "df": raw_df, "skew": raw_skew}
    head = DistributionHead(1, "skew_t")

    def slopes(dtype: Any) -> dict[str, np.ndarray]:
        numbers = {name: jnp.asarray(values, dtype) for name, values in given.items()}
        found = jax.grad(lambda o: head.loss(o, jnp.asarray(y, dtype)).sum())(numbers)
        return {name: np.asarray(slope) for name, slope in found.items()}

    with jax.enable_x64(True):
        exact = slopes(jnp.float64)
    for name, slope in slopes(jnp.float32).items():
        assert np.isfinite(slope).all() and np.isfinite(exact[name]).all()
        size = np.abs(exact[name])
        assert (np.abs(slope - exact[name]) <= 1e-3 * size + 2e-4 * size.max(axis=0) + 1e-6).all(), name


NAMES = {"normal": ("location", "log_scale"), "student_t": ("location", "log_scale", "df")}
NAMES["skew_t"] = (*NAMES["student_t"], "skew")


def loss_and_slopes(tail: str, y: np.ndarray, dtype: Any, **raw: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Loss of each outcome and its slopes by the outputs."""
    given = {name: jnp.asarray(np.broadcast_to(raw.get(name, 0.3), y.shape), dtype) for name in NAMES[tail]}

    @jax.jit
    def both(given: dict[str, jax.Array], y: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        loss, back = jax.vjp(lambda o: DistributionHead(1, tail).loss(o, y), given)
        return loss, back(jnp.ones_like(loss))[0]

    return jax.tree.map(np.asarray, both(given, jnp.asarray(y, dtype)))


@pytest.mark.parametrize("tail", NAMES)
def test_a_law_as_narrow_or_as_wide_as_can_be_has_losses_and_slopes(tail: str) -> None:
    """Where nothing ever moves training makes a law ever narrower: the width ends before float32 does."""
    log_scale = np.array([-1e4, -100.0, -41.0, -39.0, 79.0, 100.0, 1e4])[:, None]
    loss, slopes = loss_and_slopes(tail, np.zeros((7, 1)), jnp.float32, location=0.0, log_scale=log_scale)
    assert np.isfinite(loss).all() and all(np.isfinite(slope).all() for slope in slopes.values())
    np.testing.assert_array_equal(slopes["log_scale"][:, 0] != 0, [False] * 3 + [True] * 2 + [False] * 2)
    given = {name: np.zeros((7, 1)) for name in NAMES[tail]} | {"log_scale": log_scale}
    scale = np.asarray(DistributionHead(1, tail).read(outputs(**given), jnp.full(7, 1e3))["scale_NH"])
    assert np.isfinite(scale).all() and (scale > 0).all()


@pytest.mark.parametrize("tail", ["student_t", "skew_t"])
def test_a_heavy_tail_has_losses_and_slopes_of_outcomes_whose_squares_float32_cannot_hold(tail: str) -> None:
    y = np.array([-1e30, -1e20, -1e7, 1e7, 1e20, 1e30])
    loss, slopes = loss_and_slopes(tail, y, jnp.float32)
    with jax.enable_x64(True):
        wanted, exact = loss_and_slopes(tail, y, jnp.float64)
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    for name, slope in slopes.items():
        np.testing.assert_allclose(slope, exact[name], rtol=1e-4, atol=1e-30, err_msg=name)


def test_many_degrees_of_freedom_cost_no_digits() -> None:
    df, y = np.meshgrid([15.0, 29.99, 30.01, 500.0, 1e4, 1e7], np.linspace(-4, 4, 9), indexing="ij")
    raw = {"location": 0.0, "log_scale": 0.0, "df": df - MIN_DF}
    loss, slopes = loss_and_slopes("student_t", y, jnp.float32, **raw)
    np.testing.assert_allclose(loss, -standardised_t(df, 0, 1).logpdf(y), rtol=1e-5)
    with jax.enable_x64(True):
        _, exact = loss_and_slopes("student_t", y, jnp.float64, **raw)
    np.testing.assert_allclose(slopes["df"], exact["df"], rtol=1e-2, atol=1e-5)


def test_bins_that_are_all_but_excluded_have_losses_and_slopes() -> None:
    logits = jnp.float32([[0, 0, 0, 200], [-1e4, 0, 0, 0], [1e30, -1e30, 0, 0]])[:, None]
    bins = jnp.zeros((3, 1), jnp.int32)
    loss, slope = jax.value_and_grad(lambda o: GridHead(1, 4).loss({"logits": o}, bins).sum())(logits)
    assert np.isfinite(loss) and np.isfinite(slope).all()
    np.testing.assert_allclose(slope[1, 0], [-1, 1 / 3, 1 / 3, 1 / 3], rtol=1e-5)


def test_grid_loss_is_the_log_loss() -> None:
    bins_BH = RNG.integers(0, K, (B, H))
    loss = GridHead(H, K).loss(outputs(logits=LOGITS_BHK), jnp.int32(bins_BH))
    probs = np.exp(LOGITS_BHK) / np.exp(LOGITS_BHK).sum(-1, keepdims=True)
    wanted = log_loss(bins_BH.ravel(), probs.reshape(-1, K), labels=range(K))
    assert loss.shape == (B, H)
    np.testing.assert_allclose(loss.mean(), wanted, rtol=1e-5)


HEADS = {
    "mean": MeanHead(H),
    "normal": DistributionHead(H, "normal"),
    "student_t": DistributionHead(H, "student_t"),
    "skew_t": DistributionHead(H, "skew_t"),
    "grid": GridHead(H, K),
}


def untrained(head: Head, vectors: jax.Array) -> dict[str, jax.Array]:
    """What the head says with its start biases."""
    params = head.init(jax.random.key(0), vectors)["params"]
    started = with_start({"head": params}, head.start(Y_BH, FREQUENCIES_HK))
    return head.apply({"params": started["head"]}, vectors)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_an_untrained_head_says_the_same_of_every_vector(head: Head) -> None:
    said = untrained(head, jnp.float32(RNG.normal(size=(5, 8))))
    for values in said.values():
        assert values.dtype == jnp.float32
        np.testing.assert_array_equal(values, np.broadcast_to(values[:1], values.shape))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_every_output_can_leave_its_start(head: Head) -> None:
    """Zero kernels have gradients all the same."""
    vectors = jnp.float32(RNG.normal(size=(5, 8)))
    params = with_start({"head": head.init(jax.random.key(0), vectors)["params"]}, head.start(Y_BH, FREQUENCIES_HK))
    y_BH = jnp.int32(np.arange(5 * H).reshape(5, H) % K) if isinstance(head, GridHead) else jnp.float32(Y_BH[:5])
    gradients = jax.grad(lambda p: head.loss(head.apply({"params": p}, vectors), y_BH).mean())(params["head"])
    for name, layer in gradients.items():
        assert np.abs(layer["kernel"]).max() > 0, name
        assert np.abs(layer["bias"]).max() > 0, name


def test_the_start_is_the_baseline() -> None:
    vectors, unit = jnp.ones((2, 8)), jnp.ones(2)
    rms_H = np.sqrt(np.mean(Y_BH**2, axis=0))

    mean = HEADS["mean"].read(untrained(HEADS["mean"], vectors), unit)
    np.testing.assert_array_equal(mean["location_NH"], 0)
    for name in ("normal", "student_t", "skew_t"):
        law = HEADS[name].read(untrained(HEADS[name], vectors), unit)
        np.testing.assert_array_equal(law["location_NH"], 0)
        np.testing.assert_allclose(law["scale_NH"], np.broadcast_to(rms_H, (2, H)), rtol=1e-6)
    np.testing.assert_allclose(law["df_NH"], 6.0, rtol=1e-5)  # nextbar's own choice of a start
    np.testing.assert_array_equal(law["skew_NH"], 0.0)
    grid = HEADS["grid"].read(untrained(HEADS["grid"], vectors), unit)
    np.testing.assert_allclose(np.exp(grid["log_probs_NHK"]), np.broadcast_to(FREQUENCIES_HK, (2, H, K)), rtol=1e-5)


def test_the_loss_of_a_mixture_is_that_of_the_mean_likelihood_or_of_the_mean_point() -> None:
    rng = np.random.default_rng(0)
    y_BH = rng.normal(size=(5, 2)).astype(np.float32)
    outputs = {name: rng.normal(size=(3, 5, 2)).astype(np.float32) for name in ("location", "log_scale")}
    point = MeanHead(2).mixture_loss({"location": outputs["location"]}, y_BH)
    np.testing.assert_allclose(point, (outputs["location"].mean(axis=0) - y_BH) ** 2, rtol=1e-5)
    density = stats.norm.pdf(y_BH, outputs["location"], np.exp(outputs["log_scale"])).mean(axis=0)
    law = DistributionHead(2).mixture_loss(outputs, y_BH)
    np.testing.assert_allclose(law, -np.log(density), rtol=1e-4)
    logits, bin_BH = rng.normal(size=(3, 5, 2, 4)).astype(np.float32), rng.integers(0, 4, (5, 2))
    probs = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)).mean(axis=0)
    bins = GridHead(2, 4).mixture_loss({"logits": logits}, bin_BH)
    np.testing.assert_allclose(bins, -np.log(np.take_along_axis(probs, bin_BH[..., None], -1)[..., 0]), rtol=1e-5)


def test_labels_that_never_move_give_a_finite_start() -> None:
    start = HEADS["normal"].start(np.zeros((10, H)), None)
    assert np.isfinite(start["log_scale"]).all()


def test_read_out_is_in_units_of_the_label() -> None:
    """The density of the forecast at a change, in user units, is the loss's plus the log of the unit."""
    unit = jnp.float32(UNIT_B)
    given = outputs(location=LOCATION_BH, log_scale=LOG_SCALE_BH, df=RAW_DF_BH)
    change_BH = Y_BH * UNIT_B[:, None]
    normal, student = HEADS["normal"], HEADS["student_t"]

    read = normal.read({k: given[k] for k in ("location", "log_scale")}, unit)
    assert set(read) == {"location_NH", "scale_NH"}
    wanted = np.asarray(normal.loss(given, jnp.float32(Y_BH))) + np.log(UNIT_B)[:, None]
    law = stats.norm(np.asarray(read["location_NH"], np.float64), np.asarray(read["scale_NH"], np.float64))
    np.testing.assert_allclose(-law.logpdf(change_BH), wanted, rtol=1e-4, atol=1e-4)

    read = student.read(given, unit)
    np.testing.assert_allclose(read["df_NH"], DF_BH, rtol=1e-5)
    law = standardised_t(*(np.asarray(read[k], np.float64) for k in ("df_NH", "location_NH", "scale_NH")))
    np.testing.assert_allclose(law.std(), np.exp(LOG_SCALE_BH) * UNIT_B[:, None], rtol=1e-4)
    wanted = np.asarray(student.loss(given, jnp.float32(Y_BH))) + np.log(UNIT_B)[:, None]
    np.testing.assert_allclose(-law.logpdf(change_BH), wanted, rtol=1e-4, atol=1e-4)

    read = HEADS["grid"].read(outputs(logits=LOGITS_BHK), unit)
    np.testing.assert_allclose(np.exp(read["log_probs_NHK"]).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "head"),
    [
        ({}, MeanHead(H)),
        ({"output_mode": "distribution"}, DistributionHead(H, "normal")),
        ({"output_mode": "distribution", "tail": "student_t"}, DistributionHead(H, "student_t")),
        ({"output_mode": "distribution", "tail": "skew_t"}, DistributionHead(H, "skew_t")),
        ({"output_mode": "discrete_grid", "discrete_grid_levels": GRID}, GridHead(H, len(GRID) - 1)),
    ],
)
def test_a_configuration_has_its_head(overrides: dict[str, Any], head: Head) -> None:
    assert head_for(make_config(horizon=H, **overrides)) == head


def test_ranges_are_asked_beside_the_likelihood() -> None:
    """Half the weighted square of how far twice the log scale has moved from the start, and the range from its own."""
    config = make_config(output_mode="distribution", range_loss=0.7, horizon=H)
    head, batch = head_for(config), make_batch(config)
    rng = np.random.default_rng(0)
    start = rng.normal(size=(*batch.y_BH.shape, 2)).astype(np.float32)
    ranges = rng.normal(size=batch.y_BH.shape).astype(np.float32)
    batch = batch._replace(start_BHX=start, range_BH=ranges)
    outputs = {name: rng.normal(size=batch.y_BH.shape).astype(np.float32) for name in ("location", "log_scale")}
    extra = head.training_loss(outputs, batch) - head.loss(outputs, batch.y_BH)
    expected = 0.35 * (ranges - 2 * (outputs["log_scale"] - start[..., 1])) ** 2
    np.testing.assert_allclose(extra, expected, rtol=1e-4, atol=1e-5)
