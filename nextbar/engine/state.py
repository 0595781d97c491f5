"""The state of a training, its traced hyper-parameters, and the named streams of random numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.data.scaling import mode_number
from nextbar.engine.optimizer import LR_MODES, adamw, learning_rate_at
from nextbar.types import Array

STREAMS = ("parameters", "order", "dropout")
"""what random numbers are used for; each use has a stream of its own"""


class HyperParameters(NamedTuple):
    """Numbers that a compiled program takes as arguments: other values compile nothing; each member has its own."""

    learning_rate: Array
    lr_mode: Array
    warmup_epochs: Array
    num_epochs: Array
    weight_decay: Array
    gradient_clip: Array
    dropout: Array
    norm_mode: Array
    seed: Array

    @classmethod
    def of(cls, config: ExperimentConfig) -> HyperParameters:
        """The traced part of a configuration, as host scalars of fixed types."""
        return cls(
            learning_rate=np.float32(config.learning_rate),
            lr_mode=np.int32(LR_MODES.index(config.lr_mode)),
            # floats, as the schedule counts steps in them: their number may go beyond 32 bits
            warmup_epochs=np.float32(config.warmup_epochs),
            num_epochs=np.float32(config.num_epochs),
            weight_decay=np.float32(config.weight_decay),
            gradient_clip=np.float32(config.gradient_clip or np.inf),
            dropout=np.float32(config.model_config.dropout),
            norm_mode=np.int32(mode_number(config.dataset_config.norm_mode)),
            seed=np.uint32(config.seed),
        )

    def learning_rate_at(self, step: Array, steps_per_epoch: Array) -> Array:
        """Learning rate of update number ``step``, from 0."""
        return learning_rate_at(
            step,
            self.learning_rate,
            self.lr_mode,
            self.warmup_epochs * steps_per_epoch,
            self.num_epochs * steps_per_epoch,
            steps_per_epoch,
        )


def stream(seed: Array, name: str, index: Array | int) -> Array:
    """The key of one use at one point: no two (name, index) pairs of a run share one."""
    key = jax.random.fold_in(jax.random.key(seed), STREAMS.index(name))
    return jax.random.fold_in(key, index)


def create_state(apply_fn: Any, params: Any, clip: bool) -> TrainState:
    """A state at step 0."""
    state = TrainState.create(apply_fn=apply_fn, params=params, tx=adamw(clip))
    return state.replace(step=jnp.zeros((), jnp.int32))  # a Python number would be of another type than step + 1


def set_hyper_parameters(state: TrainState, hyper: HyperParameters, learning_rate: Array) -> TrainState:
    """The state with the numbers its next update shall use."""
    opt_state: Any = state.opt_state
    values = {
        "learning_rate": learning_rate,
        "weight_decay": hyper.weight_decay,
        "max_norm": hyper.gradient_clip,
    }
    values = {name: jnp.asarray(v, opt_state.hyperparams[name].dtype) for name, v in values.items()}
    return state.replace(opt_state=opt_state._replace(hyperparams=values))
