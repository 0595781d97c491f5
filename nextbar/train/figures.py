"""Figures of one epoch: losses and metrics by span, and whether they are finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar.engine.results import SpanOutput, TrainedEpoch
from nextbar.train.scored_spans import ScoredSpans

if TYPE_CHECKING:
    from nextbar.train.training import Training


class Figures(NamedTuple):
    """Losses and metrics of an epoch."""

    row: dict[str, float]
    """for ``metrics.csv``, by TensorBoard tag"""
    validation_loss: float | None
    ranking: float | None
    """see ``Scorer.ranking``"""


class Divergence(Exception):
    """A loss that is not finite."""


def figures_of(
    training: Training, trained: TrainedEpoch, state: TrainState, output: SpanOutput | None, spans: ScoredSpans
) -> Figures:
    """Figures of the epoch that follows those a training has committed.

    Args:
        training: whose epoch it is.
        trained: losses and forecasts on the way through the training windows.
        state: after the epoch.
        output: losses and forecasts of the scored windows under that state; None where there are none.
        spans: the scored windows.

    Raises:
        Divergence: a loss is not finite; the message names step, learning rate and last good checkpoint.
    """
    _require_finite(training, trained)
    losses = spans.losses(output) if output else {}
    forecasts = spans.forecasts(output) if output else {}
    _require_sound(training, trained, state, losses.get("validation"))
    row: dict[str, float] = {"learning_rate": float(trained.learning_rate_T[-1])}
    row["train/loss"] = trained.mean_loss(training.n_windows, training.config.batch_size)
    row |= {f"{span}/loss": loss for span, loss in losses.items()}
    metrics, ranking = spans.row({"train": trained.forecast, **forecasts})
    return Figures(row | metrics, losses.get("validation"), ranking)


def _require_finite(training: Training, trained: TrainedEpoch) -> None:
    bad = trained.first_bad_step
    if bad is not None:
        raise Divergence(
            f"the loss at step {training.epoch * training.steps_per_epoch + bad} (epoch {training.epoch + 1}) is "
            f"{trained.loss_T[bad]}, learning rate {trained.learning_rate_T[bad]:.3g}; {_last_good(training)}"
        )


def _require_sound(training: Training, trained: TrainedEpoch, state: TrainState, validation_loss: float | None) -> None:
    """Refuse parameters that the epoch's last step broke: each loss is measured before its step, so none tells."""
    if validation_loss is not None:
        what, sound = f"validation loss is {validation_loss}", bool(np.isfinite(validation_loss))
    else:
        what = "parameters are not finite"
        sound = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(state.params)))
    if not sound:
        last_step = (training.epoch + 1) * training.steps_per_epoch - 1
        raise Divergence(
            f"after step {last_step} (epoch {training.epoch + 1}) the {what}, "
            f"learning rate {trained.learning_rate_T[-1]:.3g}; {_last_good(training)}"
        )


def _last_good(training: Training) -> str:
    if training.epoch == 0:
        return "no epoch was finished; use a lower learning_rate, or a gradient_clip"
    checkpoints = training.checkpoints
    kept = f"kept in {checkpoints.folder / 'last' / str(training.epoch)}" if checkpoints.enabled else "not kept"
    return f"the last good epoch is {training.epoch}, {kept}; use a lower learning_rate, or a gradient_clip"
