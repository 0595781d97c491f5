"""Which epoch of a training is the best: one law for the training, its checkpoints and whoever loads the run."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
from builders import make_config
from flax.training.train_state import TrainState
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optax import identity
from trainings import train as train_and_evaluate

from nextbar.engine.results import TrainedEpoch
from nextbar.inference.forecaster import Forecaster
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.folder import RunFolder
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary
from nextbar.train.figures import Divergence, figures_of
from nextbar.train.training import Training
from nextbar.types import Forecast

EPOCH = TrainedEpoch(np.zeros(2), np.full(2, 1e-3), Forecast())
SPANS: Any = SimpleNamespace(
    losses=lambda output: {"validation": output[0]},
    forecasts=lambda output: {},
    row=lambda forecasts: ({}, None),
)
"""takes for the output of a span a tuple with its validation loss"""

losses = st.lists(st.sampled_from([0.25, 0.5, math.nan, math.inf, -math.inf]), min_size=1, max_size=4)


def state_of(epoch: int) -> TrainState:
    """A state whose only parameter is the number of its epoch."""
    return TrainState.create(apply_fn=lambda: None, params={"epoch": np.float32(epoch)}, tx=identity())


def train(folder: Path, losses: list[float | None]) -> tuple[Training, int | None]:
    """A training that goes on from what lies in the folder with epochs of these validation losses, until one diverges;
    and the epoch that the checkpoints call the best. None for a loss: nothing is validated."""
    training = Training(RunFolder(make_config(num_epochs=9, batch_size=4, log_dir=str(folder)), "f" * 64), n_windows=8)
    checkpoints = training.checkpoints
    training.run.path.mkdir(parents=True, exist_ok=True)
    training.resume(state_of(0))
    try:
        for loss in losses:
            state = state_of(training.epoch + 1)
            output: Any = None if loss is None else (loss,)
            training.commit(state, figures_of(training, EPOCH, state, output, SPANS), 1.0)
    except Divergence as divergence:
        training.diverged = str(divergence)
    kept = [int(checkpoints.restore_raw()["epoch"])] if checkpoints.epochs() else [None]
    checkpoints.close()
    return training, kept[0]


@settings(max_examples=25)
@given(losses, st.integers(0, 4))
@example([0.5, 0.5, 0.5], 2)
@example([math.nan, 0.5], 0)
@example([0.5, math.inf], 1)
def test_the_best_epoch_is_the_earliest_of_the_lowest_loss_also_after_a_restart(values: list[float], at: int) -> None:
    """What the summary is written from, its parameters and the checkpoints name the same one; a loss that is not
    finite ends the training and is never the best."""
    sound = values[: next((i for i, value in enumerate(values) if not math.isfinite(value)), len(values))]
    with TemporaryDirectory() as folder:
        train(Path(folder), list(values[: min(at, len(sound))]))
        training, kept = train(Path(folder), list(values[min(at, len(sound)) :]))
    assert (training.diverged is None) == (len(sound) == len(values)) and training.epoch == len(sound)
    if not sound:
        assert training.best is None and kept is None
        return
    best = sound.index(min(sound)) + 1
    assert training.best is not None
    assert (training.best.epoch, training.best.loss, kept) == (best, min(sound), best)
    assert training.best.params["epoch"] == best


def test_without_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    train(tmp_path, [None, None])
    training, kept = train(tmp_path, [None])
    assert training.best is not None
    assert (training.best.epoch, training.best.params["epoch"], kept) == (3, 3, 3)


def test_of_equal_epochs_the_earliest_is_the_best_wherever_a_run_says_it(tmp_path: Path) -> None:
    """A step too small to change a parameter makes every epoch equal; the summary, the checkpoints, a forecaster, and
    one that opens the run before it has a summary agree."""
    still = {"learning_rate": 1e-30, "lr_mode": "constant", "weight_decay": 0.0, "num_epochs": 3}
    result = train_and_evaluate(tmp_path, **still)
    assert len({row["validation/loss"] for row in read_metrics(result.run_dir)}) == 1
    checkpoints = Checkpoints(result.run_dir / "checkpoints")
    assert [epoch for epoch, _ in checkpoints.best()] == [1, 2, 3]
    checkpoints.close()
    assert (result.best_epoch, read_summary(result.run_dir)["best_epoch"]) == (1, 1)
    assert Forecaster.load(result.run_dir).epoch == 1
    (result.run_dir / "summary.json").unlink()
    assert Forecaster.load(result.run_dir).epoch == 1
