"""AdamW, and the learning rate at every step as a closed form of traced numbers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nextbar.arguments import strict_arguments
from nextbar.types import Array

if TYPE_CHECKING:
    import optax

LR_MODES = ("linear", "cosine", "constant")
"""order gives each mode the number by which compiled code selects it"""


def learning_rate_at(
    step: Array,
    peak: Array,
    lr_mode: Array,
    warmup_steps: Array,
    total_steps: Array,
    steps_per_epoch: Array,
) -> Array:
    """Learning rate of the update number ``step`` (from 0), float32 scalar.

    All arguments may be traced. Equal to optax's ``linear_schedule``, ``create_warmup_cosine_schedule`` below and
    ``constant_schedule``, which refuse traced values.
    """
    import jax.numpy as jnp

    step, warmup, total, epoch = (
        jnp.asarray(a, jnp.float32) for a in (step, warmup_steps, total_steps, steps_per_epoch)
    )
    linear = 1 - jnp.minimum(step / total, 1)
    decay = jnp.where(total > warmup, total - warmup, epoch)
    cosine = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((step - warmup) / decay, 0, 1)))
    warm = jnp.where(step < warmup, step / jnp.maximum(warmup, 1), cosine)
    return peak * jnp.stack([linear, warm, jnp.ones_like(linear)])[lr_mode]


@strict_arguments
def create_warmup_cosine_schedule(
    learning_rate: float, warmup_epochs: int, num_epochs: int, steps_per_epoch: int
) -> optax.Schedule:
    """Optax schedule: linear from 0 over ``warmup_epochs``, then cosine to 0 over the rest (at least one epoch)."""
    import optax

    warmup = warmup_epochs * steps_per_epoch
    decay = max(num_epochs - warmup_epochs, 1) * steps_per_epoch
    rise = optax.linear_schedule(0.0, learning_rate, warmup)
    fall = optax.cosine_decay_schedule(learning_rate, decay)
    return optax.join_schedules([rise, fall], [warmup])


@cache
def adamw(clip: bool) -> optax.GradientTransformation:
    """AdamW whose learning rate, weight decay and clipping norm live in its state, so that they can be traced.

    One object for each kind, because compiled code is looked up by it.
    """
    import optax

    def build(learning_rate: Array, weight_decay: Array, max_norm: Array) -> optax.GradientTransformation:
        update = optax.adamw(learning_rate, weight_decay=weight_decay)
        return optax.chain(optax.clip_by_global_norm(max_norm), update) if clip else update

    return optax.inject_hyperparams(build)(learning_rate=0.0, weight_decay=0.0, max_norm=1.0)
