"""Parts of an earlier run that a training takes over: the rival that its validation chose, or its weights."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar.baselines.rivals import Rival
from nextbar.config import ExperimentConfig
from nextbar.errors import RunError
from nextbar.machine.hosts import from_first
from nextbar.metrics.task import Task
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.records import read_rival
from nextbar.runs.summary import fit_folder, read_summary


def rival_in(run_dir: Path, config: ExperimentConfig) -> Rival | None:
    """The strongest simple rival that a run has written down; None where it has none."""
    plain = from_first(lambda: read_rival(run_dir))
    return None if plain is None else Rival.from_dict(plain, Task.of(config))


def begun_with(run_dir: Path, start: TrainState) -> TrainState:
    """The untrained state, with the weights that a run forecasts with.

    Raises:
        RunError: the run has none, or they are those of other windows.
    """
    summary = read_summary(run_dir)
    with closing(Checkpoints(fit_folder(run_dir, summary) / "checkpoints")) as checkpoints:
        _, params = checkpoints.restore_best(summary.get("best_epoch"))
    if jax.tree.map(np.shape, params) != jax.tree.map(np.shape, start.params):
        raise RunError(
            f"the weights of {run_dir} do not fit: with these bars the model has other features, or bins; train it anew"
        )
    return start.replace(params=jax.tree.map(lambda new, old: jax.numpy.asarray(new, old.dtype), params, start.params))
