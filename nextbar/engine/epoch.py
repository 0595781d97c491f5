"""The compiled epoch: gather, normalise, label, step and read-out in one program; the only training step.

A ``Program`` names everything the compiled code depends on. All else (hyper-parameters, bars, parameters) is an
argument, so that another trial of the same shapes compiles nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax.training.train_state import TrainState

from nextbar.data.windows import Tape, gather
from nextbar.engine.order import Steps
from nextbar.engine.program import Program, counts_steps
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
    program: Program, state: TrainState, tape: Tape, hyper: HyperParameters, steps: Steps, count: Array, an_epoch: Array
) -> tuple[TrainState, dict[str, Any]]:
    """Some steps of an epoch.

    Args:
        program: what compiled code depends on.
        state: before them.
        tape: the bars.
        hyper: numbers of the experiment.
        steps: windows of ``program.steps_a_call`` steps.
        count: how many of them are made.
        an_epoch: steps of the whole epoch, by which the schedule of the learning rate goes.

    Returns:
        The state, and by step: loss (T,), learning rate (T,), forecasts (T, B, H, ...); zeros past ``count``.
    """
    body = partial(_trained, program)
    return _step_by_step(body, (tape, hyper, an_epoch), state, steps, count, counted=program.counted)


def evaluate_call(
    program: Program, params: Any, tape: Tape, norm_mode: Array, steps: Steps, count: Array, with_outputs: bool = False
) -> dict[str, Any]:
    """Loss (T, B) and forecasts (T, B, H, ...) of the first ``count`` steps, nothing dropped; zeros past them.

    ``with_outputs``: also the head's outputs and the labels, which the loss of a mixture is computed from.
    """
    body = partial(_evaluated, program, with_outputs)
    return _step_by_step(body, (params, tape, norm_mode), None, steps, count, counted=counts_steps())[1]


def label_call(program: Program, tape: Tape, norm_mode: Array, steps: Steps, count: Array) -> Array:
    """Labels (T, B, H) of the first ``count`` steps."""
    body = partial(_labelled, program)
    return _step_by_step(body, (tape, norm_mode), None, steps, count, counted=counts_steps())[1]


def _trained(program: Program, context: Any, state: TrainState, step: Steps) -> tuple[TrainState, dict[str, Any]]:
    tape, hyper, an_epoch = context
    batch = _gathered(program, tape, step, hyper.norm_mode)
    learning_rate = hyper.learning_rate_at(state.step, an_epoch)
    state, loss, forecast = train_step(program, state, batch, hyper, learning_rate)
    return state, {"loss": loss, "learning_rate": learning_rate, "forecast": forecast}


def _evaluated(program: Program, with_outputs: bool, context: Any, _: None, step: Steps) -> tuple[None, dict[str, Any]]:
    params, tape, norm_mode = context
    batch = _gathered(program, tape, step, norm_mode)
    outputs: Any = program.model.apply({"params": params}, batch)
    loss_B = jnp.mean(program.model.head.loss(outputs, batch.y_BH), axis=1)
    results = {"loss": loss_B, "forecast": program.model.head.read(outputs, batch.unit_B)}
    return None, results | ({"outputs": outputs, "label": batch.y_BH} if with_outputs else {})


def _labelled(program: Program, context: Any, _: None, step: Steps) -> tuple[None, Array]:
    tape, norm_mode = context
    return None, _gathered(program, tape, step, norm_mode).y_BH


def _step_by_step(body: Any, context: Any, carry: Any, steps: Steps, count: Array, *, counted: bool) -> Any:
    """What ``body`` makes of the carry, step after step, and its results by step.

    Args:
        body: from context, carry and step to carry and results.
        context: what all steps have.
        carry: what each step hands to the next.
        steps: windows of T steps.
        count: how many of them are computed; results past them are zeros.
        counted: False: all are, and the compiler knows how many.
    """
    body = jax.jit(body, inline=True)  # traced once, for shapes and loop alike
    if not counted:
        return jax.lax.scan(partial(body, context), carry, steps)

    def write(i: Array, so_far: tuple[Any, Any]) -> tuple[Any, Any]:
        carry, results = body(context, so_far[0], jax.tree.map(lambda each_T: each_T[i], steps))
        return carry, jax.tree.map(lambda all_T, own: all_T.at[i].set(own), so_far[1], results)

    if (room := len(steps.row_TB)) == 1:  # of which XLA would know which step it is, and round otherwise
        steps = jax.tree.map(lambda each_T: jnp.concatenate([each_T, each_T]), steps)
    shapes = jax.eval_shape(body, context, carry, jax.tree.map(lambda each_T: each_T[0], steps))[1]
    empty = jax.tree.map(lambda a: jnp.zeros((len(steps.row_TB), *a.shape), a.dtype), shapes)
    carry, results = jax.lax.fori_loop(0, count, write, (carry, empty))
    return carry, jax.tree.map(lambda all_T: all_T[:room], results)


def initial_state(
    program: Program, tape: Tape, hyper: HyperParameters, row_B: Array, biases: dict[str, Array]
) -> TrainState:
    """The untrained state: parameters drawn from the run's own stream, output layers begun at ``biases``."""
    batch = gather(tape, row_B, jnp.ones(row_B.shape), hyper.norm_mode, program.spec)
    params = program.model.init(stream(hyper.seed, "parameters", 0), batch)["params"]
    return create_state(program.model.apply, with_start(params, biases), program.clip)


def _gathered(program: Program, tape: Tape, step: Steps, norm_mode: Array) -> Batch:
    """The batch of one step; its rows are spread over the devices before anything is computed from them."""
    row_B, weight_B = program.devices.spread(tuple(step))
    return program.devices.spread(gather(tape, row_B, weight_B, norm_mode, program.spec))
