"""The compiled epoch: gather, normalise, label, step and read-out in one program; the only training step.

A ``Program`` names everything the compiled code depends on. All else (hyper-parameters, bars, parameters) is an
argument, so that another trial of the same shapes compiles nothing.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax.training.train_state import TrainState

from nextbar.data.windows import Tape, gather
from nextbar.engine.order import Layout
from nextbar.engine.program import Program
from nextbar.engine.state import HyperParameters, create_state, set_hyper_parameters, stream
from nextbar.model.heads import with_start
from nextbar.types import Array, Batch


def train_step(
    program: Program, state: TrainState, batch: Batch, hyper: HyperParameters, learning_rate: Array
) -> tuple[TrainState, Array, dict[str, Array]]:
    """One AdamW update on the mean loss over the batch's windows and steps; padding has no weight.

    The batch goes through in ``program.slices`` parts whose gradients add up to those of the whole.

    Returns:
        The new state, the loss (scalar), and the forecasts made on the way in user units (B, H, ...).
    """
    rate = hyper.dropout if program.model.config.dropout else None
    key = stream(hyper.seed, "dropout", state.step)
    weight = jnp.maximum(jnp.sum(batch.weight_B), 1)

    def mean(loss_BH: Array, part: Batch) -> Array:
        return jnp.sum(jnp.mean(loss_BH, axis=1) * part.weight_B) / weight

    def objective(params: Any, part: Batch, key: Array) -> tuple[Array, tuple[Array, dict[str, Array]]]:
        outputs = state.apply_fn({"params": params}, part, rate, rngs={"dropout": key})
        head = program.model.head
        return mean(head.training_loss(outputs, part), part), (mean(head.loss(outputs, part.y_BH), part), outputs)

    def add_slice(sums: Any, slice_: tuple[Array, Batch]) -> tuple[Any, dict[str, Array]]:
        number, part = slice_
        (_, (loss, outputs)), gradients = jax.value_and_grad(objective, has_aux=True)(
            state.params, part, jax.random.fold_in(key, number)
        )
        return jax.tree.map(jnp.add, sums, (loss, gradients)), outputs

    windows = len(batch.weight_B) // program.slices
    parts = jax.tree.map(lambda a: a.reshape(program.slices, windows, *a.shape[1:]), batch)
    parts = program.devices.spread(parts, axis=1)  # all devices are at the same slice
    nothing = jnp.zeros(()), jax.tree.map(jnp.zeros_like, state.params)
    (loss, gradients), outputs = jax.lax.scan(add_slice, nothing, (jnp.arange(program.slices), parts))
    outputs = jax.tree.map(lambda a: a.reshape(program.slices * windows, *a.shape[2:]), outputs)
    state = set_hyper_parameters(state, hyper, learning_rate).apply_gradients(grads=gradients)
    return state, loss, program.model.head.read(outputs, batch.unit_B)


def train_call(
    program: Program, state: TrainState, tape: Tape, hyper: HyperParameters, order: Layout, first: Array
) -> tuple[TrainState, dict[str, Any]]:
    """``program.steps_a_call`` steps from step ``first`` of the epoch on, fewer where it ends before.

    Returns:
        The state, and by step: loss (T,), learning rate (T,), forecasts (T, B, H, ...); zeros past the epoch's end.
    """
    steps = len(order.row_TB)

    def body(state: TrainState, step: Array) -> tuple[TrainState, dict[str, Any]]:
        batch = _gathered(program, tape, order.row_TB[step], order.weight_TB[step], hyper.norm_mode)
        learning_rate = hyper.learning_rate_at(state.step, steps)
        state, loss, forecast = train_step(program, state, batch, hyper, learning_rate)
        return state, {"loss": loss, "learning_rate": learning_rate, "forecast": forecast}

    # XLA unrolls a scan over one step, which rounds otherwise than a loop; the count of the loop below it does not know
    if steps % program.steps_a_call == 0 and program.steps_a_call > 1:
        return jax.lax.scan(body, state, first + jnp.arange(program.steps_a_call))

    def write(i: Array, so_far: tuple[TrainState, dict[str, Any]]) -> tuple[TrainState, dict[str, Any]]:
        state, results = body(so_far[0], first + i)
        return state, jax.tree.map(lambda all_T, own: all_T.at[i].set(own), so_far[1], results)

    shapes = jax.eval_shape(body, state, first)[1]
    empty = jax.tree.map(lambda a: jnp.zeros((program.steps_a_call, *a.shape), a.dtype), shapes)
    return jax.lax.fori_loop(0, jnp.minimum(program.steps_a_call, steps - first), write, (state, empty))


def evaluate_call(
    program: Program, params: Any, tape: Tape, norm_mode: Array, layout: Layout, with_outputs: bool = False
) -> dict[str, Any]:
    """Loss (T, B) and forecasts (T, B, H, ...) of all steps of a layout, nothing dropped.

    ``with_outputs``: also the head's outputs and the labels, which the loss of a mixture is computed from.
    """

    def body(_: None, step: tuple[Array, Array]) -> tuple[None, dict[str, Any]]:
        batch = _gathered(program, tape, *step, norm_mode)
        outputs: Any = program.model.apply({"params": params}, batch)
        loss_B = jnp.mean(program.model.head.loss(outputs, batch.y_BH), axis=1)
        results = {"loss": loss_B, "forecast": program.model.head.read(outputs, batch.unit_B)}
        return None, results | ({"outputs": outputs, "label": batch.y_BH} if with_outputs else {})

    return jax.lax.scan(body, None, (layout.row_TB, layout.weight_TB))[1]


def label_call(program: Program, tape: Tape, norm_mode: Array, layout: Layout) -> Array:
    """Labels (T, B, H) of all steps of a layout."""

    def body(_: None, step: tuple[Array, Array]) -> tuple[None, Array]:
        return None, _gathered(program, tape, *step, norm_mode).y_BH

    return jax.lax.scan(body, None, (layout.row_TB, layout.weight_TB))[1]


def initial_state(
    program: Program, tape: Tape, hyper: HyperParameters, row_B: Array, biases: dict[str, Array]
) -> TrainState:
    """The untrained state: parameters drawn from the run's own stream, output layers begun at ``biases``."""
    batch = gather(tape, row_B, jnp.ones(row_B.shape), hyper.norm_mode, program.spec)
    params = program.model.init(stream(hyper.seed, "parameters", 0), batch)["params"]
    return create_state(program.model.apply, with_start(params, biases), program.clip)


def _gathered(program: Program, tape: Tape, row_B: Array, weight_B: Array, norm_mode: Array) -> Batch:
    """The batch of one step; its rows are spread over the devices before anything is computed from them."""
    row_B, weight_B = program.devices.spread((row_B, weight_B))
    return program.devices.spread(gather(tape, row_B, weight_B, norm_mode, program.spec))
