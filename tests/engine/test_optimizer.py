"""The schedule equals optax's at every step; AdamW with traced numbers equals optax's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from builders import make_config

from nextbar import create_warmup_cosine_schedule
from nextbar.engine.optimizer import LR_MODES, learning_rate_at
from nextbar.engine.state import HyperParameters, create_state, set_hyper_parameters

PEAK = 3e-3


@jax.jit
def closed_form(step_T: jax.Array, hyper: HyperParameters, steps_per_epoch: jax.Array) -> jax.Array:
    return jax.vmap(lambda step: hyper.learning_rate_at(step, steps_per_epoch))(step_T)


def learning_rates(mode: str, warmup: int, epochs: int, per_epoch: int) -> np.ndarray:
    """All steps of a training, and of one epoch more."""
    config = make_config(learning_rate=PEAK, lr_mode=mode, warmup_epochs=warmup, num_epochs=epochs)
    steps = jnp.arange((epochs + 1) * per_epoch)
    return np.asarray(closed_form(steps, HyperParameters.of(config), jnp.int32(per_epoch)))


def optax_rates(schedule: optax.Schedule, epochs: int, per_epoch: int) -> np.ndarray:
    return np.array([schedule(jnp.int32(i)) for i in range((epochs + 1) * per_epoch)], np.float32)


@pytest.mark.parametrize(
    ("warmup", "epochs", "per_epoch"),
    [(0, 4, 7), (1, 4, 7), (3, 4, 1), (4, 4, 7), (9, 4, 7), (5, 1, 3)],
    ids=["none", "shorter", "one step an epoch", "equal", "longer", "longer than one epoch"],
)
def test_cosine_equals_optax_at_every_step(warmup: int, epochs: int, per_epoch: int) -> None:
    schedule = create_warmup_cosine_schedule(PEAK, warmup, epochs, per_epoch)
    np.testing.assert_allclose(
        learning_rates("cosine", warmup, epochs, per_epoch),
        optax_rates(schedule, epochs, per_epoch),
        rtol=1e-6,
        atol=1e-6 * PEAK,
    )


@pytest.mark.parametrize("mode", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("warmup", "epochs", "shorter"), [(1, 12, 3), (11, 12, 5), (5, 4, 2), (0, 3, 1)])
def test_a_compressed_schedule_is_the_whole_one_at_the_same_share_of_the_training(
    mode: str, warmup: int, epochs: int, shorter: int
) -> None:
    """Step k of ``shorter`` epochs has the rate of step k of as many finer steps in ``epochs`` epochs."""
    config = make_config(learning_rate=PEAK, lr_mode=mode, warmup_epochs=warmup, num_epochs=epochs)
    steps = jnp.arange(shorter * epochs * 5)
    compressed, whole = (
        np.asarray(closed_form(steps, HyperParameters.of(c), jnp.int32(per_epoch)))
        for c, per_epoch in ((config.compressed(shorter), epochs * 5), (config, shorter * 5))
    )
    np.testing.assert_allclose(compressed, whole, rtol=2e-6, atol=2e-6 * PEAK)


@pytest.mark.parametrize(("epochs", "per_epoch"), [(1, 1), (1, 9), (5, 7)])
def test_linear_and_constant_equal_optax_at_every_step(epochs: int, per_epoch: int) -> None:
    linear = optax_rates(optax.linear_schedule(PEAK, 0.0, epochs * per_epoch), epochs, per_epoch)
    np.testing.assert_allclose(learning_rates("linear", 2, epochs, per_epoch), linear, rtol=1e-6, atol=1e-6 * PEAK)
    constant = optax_rates(optax.constant_schedule(PEAK), epochs, per_epoch)
    np.testing.assert_array_equal(learning_rates("constant", 2, epochs, per_epoch), constant)


@pytest.mark.parametrize("warmup", [0, 2])
def test_the_public_schedule_is_optaxs_own(warmup: int) -> None:
    """Beside ``optax.warmup_cosine_decay_schedule``, which says the same wherever it accepts the numbers."""
    ours = create_warmup_cosine_schedule(PEAK, warmup, 6, 5)
    theirs = optax.warmup_cosine_decay_schedule(0.0 if warmup else PEAK, PEAK, warmup * 5, 6 * 5)
    np.testing.assert_allclose(optax_rates(ours, 6, 5), optax_rates(theirs, 6, 5), rtol=1e-6, atol=1e-9)


def test_a_very_long_training_keeps_its_schedule() -> None:
    """A million epochs of 3,000 steps, as of somebody who relies on early stopping, pass 32-bit counts."""
    hyper = HyperParameters.of(make_config(learning_rate=PEAK, lr_mode="linear", num_epochs=1_000_000))
    start = closed_form(jnp.arange(5), hyper, jnp.int32(3_000))
    np.testing.assert_allclose(start, PEAK, rtol=1e-6)
    hyper = HyperParameters.of(make_config(learning_rate=PEAK, warmup_epochs=1_000_000))
    start = closed_form(jnp.arange(5), hyper, jnp.int32(3_000))
    np.testing.assert_allclose(start, PEAK * np.arange(5) / 3e9, rtol=1e-6)


def test_modes_are_numbered_as_the_closed_form_stacks_them() -> None:
    args = (jnp.float32(PEAK), jnp.int32(0), jnp.int32(10), jnp.int32(5))
    rates = {
        mode: float(learning_rate_at(jnp.int32(5), args[0], jnp.int32(i), *args[1:])) for i, mode in enumerate(LR_MODES)
    }
    assert rates == pytest.approx({"linear": PEAK / 2, "cosine": PEAK / 2, "constant": PEAK})
    late = {
        mode: float(learning_rate_at(jnp.int32(8), args[0], jnp.int32(i), *args[1:])) for i, mode in enumerate(LR_MODES)
    }
    assert late["linear"] > late["cosine"]


PARAMS = {"kernel": jnp.float32(np.random.default_rng(0).normal(size=(4, 3))), "bias": jnp.zeros(3)}


def gradients(step: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(step)
    size = 10.0 if step % 2 else 0.01  # one is clipped, the next is not
    return {name: jnp.float32(size * rng.normal(size=p.shape)) for name, p in PARAMS.items()}


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_equals_optaxs(clip: float | None, weight_decay: float) -> None:
    schedule = create_warmup_cosine_schedule(PEAK, 1, 3, 4)
    plain = optax.adamw(schedule, weight_decay=weight_decay)
    plain = plain if clip is None else optax.chain(optax.clip_by_global_norm(clip), plain)
    theirs, opt_state = PARAMS, plain.init(PARAMS)

    config = make_config(
        learning_rate=PEAK, warmup_epochs=1, num_epochs=3, weight_decay=weight_decay, gradient_clip=clip
    )
    hyper = HyperParameters.of(config)
    state = create_state(lambda: None, PARAMS, clip is not None)
    update = jax.jit(
        lambda state, hyper, grads: set_hyper_parameters(
            state, hyper, hyper.learning_rate_at(state.step, 4)
        ).apply_gradients(grads=grads)
    )
    for step in range(10):
        state = update(state, hyper, gradients(step))
        updates, opt_state = plain.update(gradients(step), opt_state, theirs)
        theirs = optax.apply_updates(theirs, updates)
        for name, values in theirs.items():
            np.testing.assert_allclose(state.params[name], values, rtol=1e-5, atol=1e-7, err_msg=f"{name}, step {step}")
    assert int(state.step) == 10
