"""The book of one training: epochs done, patience, the best; what of an epoch is kept, and whether to go on."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.engine.engine import SpanOutput, TrainedEpoch
from nextbar.logger import get_logger
from nextbar.machine.hosts import from_first, tree_from_first
from nextbar.runs.checkpoint import Checkpoints
from nextbar.train.early_stopper import EarlyStopper
from nextbar.train.scored_spans import ScoredSpans
from nextbar.train.tracking import Tracker


class Best(NamedTuple):
    """The epoch with the lowest validation loss so far, or the last where nothing is validated."""

    epoch: int
    loss: float
    params: Any


class Judged(NamedTuple):
    """An epoch that was sound, before any of it counts."""

    row: dict[str, float]
    """for ``metrics.csv``"""
    validation_loss: float | None
    ranking: float | None


class Divergence(Exception):
    """A loss that is not finite."""


class Training:
    """Bookkeeping of a training in progress.

    Args:
        config: the experiment.
        judge: of its dataset.
        checkpoints: where states are kept.
        n_windows: training windows of an epoch.
        batch_size: windows of a step.
        epochs: end after so many; the schedule is that of the configuration. None: all of them.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        judge: ScoredSpans,
        checkpoints: Checkpoints,
        *,
        n_windows: int,
        batch_size: int,
        epochs: int | None = None,
    ) -> None:
        self.config = config
        self.checkpoints = checkpoints
        self.epochs = epochs or config.num_epochs
        self.n_windows, self._batch_size = n_windows, batch_size
        self.steps_per_epoch = -(-n_windows // batch_size)
        self.judge = judge
        self.stopper = EarlyStopper(config.early_stopper or self.epochs + 1, optim_value=math.inf)
        self.epoch = 0
        self.ranking: float | None = None
        """ranking score of the epoch done last, where validation has windows; see ``Scorer.ranking``"""
        self.best: Best | None = None
        self.diverged: str | None = None
        """why it cannot go on, where a loss was not finite"""

    @property
    def stopped_early(self) -> bool:
        """True once validation has not improved for as many epochs as the configuration allows."""
        return self.config.early_stopper > 0 and self.stopper.n_epochs >= self.config.early_stopper

    @property
    def complete(self) -> bool:
        """True when no epoch is left to do."""
        return self.epoch >= self.epochs or self.stopped_early

    @property
    def ended(self) -> tuple[str, str] | None:
        """Status and message, once there is nothing left to do."""
        if self.diverged is not None:
            return "diverged", self.diverged
        if not self.complete:
            return None
        return ("stopped_early" if self.stopped_early else "finished"), ""

    def resume(self, start: TrainState) -> TrainState:
        """The state to go on from: the last one kept, or the untrained one."""
        held: list[Any] = []

        def look() -> list[Any] | None:
            kept = self._kept(start)
            if kept is None:
                return None
            epoch, notes, *trees = kept
            held.append(trees)
            return [epoch, notes]

        said = from_first(look)
        if said is None:
            return start
        self.epoch, notes = said
        leaves, params = tree_from_first(held[0] if held else None, [jax.tree.leaves(start), start.params])
        self.stopper = EarlyStopper(**notes["early_stopper"])
        self.best = Best(notes["best_epoch"], notes["best_loss"], params)
        self.ranking = notes.get("ranking")
        get_logger().info("going on after epoch %d of %d", self.epoch, self.epochs)
        return jax.tree.unflatten(jax.tree.structure(start), leaves)

    def _kept(self, start: TrainState) -> tuple[int, dict[str, Any], list[jax.Array], Any] | None:
        """Number of the last epoch kept, its notes, leaves of its state, and the best epoch's parameters."""
        restored = self.checkpoints.restore_last(start)
        if restored is None:
            return None
        epoch, state, notes = restored
        self.checkpoints.forget_after(epoch)
        params = self.checkpoints.restore(notes["best_epoch"], start).params
        return epoch, notes, jax.tree.leaves(state), jax.device_get(params)

    def judged(self, state: TrainState, trained: TrainedEpoch, evaluation: SpanOutput | None) -> Judged:
        """The next epoch's figures.

        Args:
            state: after it.
            trained: what it left behind.
            evaluation: of the scored windows with the new parameters; None where there are none.

        Raises:
            Divergence: a loss is not finite; the message names step, learning rate and last good checkpoint.
        """
        self._require_finite(trained)
        loss_of = self.judge.losses(evaluation) if evaluation else {}
        forecasts = self.judge.forecasts(evaluation) if evaluation else {}
        self._require_sound(loss_of.get("validation"), trained, state)
        row: dict[str, float] = {"learning_rate": float(trained.learning_rate_T[-1])}
        row["train/loss"] = trained.mean_loss(self.n_windows, self._batch_size)
        row |= {f"{span}/loss": loss for span, loss in loss_of.items()}
        metrics, ranking = self.judge.row({"train": trained.forecast, **forecasts})
        return Judged(row | metrics, loss_of.get("validation"), ranking)

    def commit(self, state: TrainState, judged: Judged, tracker: Tracker | None, seconds: float) -> None:
        """Count the epoch; it does once its checkpoint is asked for, which comes last.

        Args:
            state: after the epoch.
            judged: its figures.
            tracker: where they are written to; None: another process does that.
            seconds: how long its training took.
        """
        self.epoch += 1
        loss = judged.validation_loss
        if loss is not None:
            self.stopper(loss)
        if self.best is None or loss is None or loss < self.best.loss:
            self.best = Best(self.epoch, math.inf if loss is None else loss, jax.tree.map(np.array, state.params))
        self.ranking = judged.ranking
        step = self.epoch * self.steps_per_epoch
        if tracker is not None:
            tracker.epoch(self.epoch, step, judged.row, {"windows_per_second": self.n_windows / seconds})
        notes = {
            "early_stopper": asdict(self.stopper),
            "best_epoch": self.best.epoch,
            "best_loss": self.best.loss,
            "ranking": self.ranking,
        }
        self.checkpoints.save(self.epoch, state, notes, math.nan if loss is None else loss)

    def _require_finite(self, trained: TrainedEpoch) -> None:
        bad = trained.first_bad_step
        if bad is not None:
            step = self.epoch * self.steps_per_epoch + bad
            raise Divergence(
                f"the loss at step {step} (epoch {self.epoch + 1}) is {trained.loss_T[bad]}, "
                f"learning rate {trained.learning_rate_T[bad]:.3g}; {self._last_good()}"
            )

    def _require_sound(self, validation_loss: float | None, trained: TrainedEpoch, state: TrainState) -> None:
        """A loss is measured before its step, so only what is validated, or the parameters, tell of an epoch's last."""
        if validation_loss is not None:
            what, sound = f"validation loss is {validation_loss}", bool(np.isfinite(validation_loss))
        else:
            what = "parameters are not finite"
            sound = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(state.params)))
        if not sound:
            raise Divergence(
                f"after step {(self.epoch + 1) * self.steps_per_epoch - 1} (epoch {self.epoch + 1}) the {what}, "
                f"learning rate {trained.learning_rate_T[-1]:.3g}; {self._last_good()}"
            )

    def _last_good(self) -> str:
        if self.epoch == 0:
            return "no epoch was finished; use a lower learning_rate, or a gradient_clip"
        kept = (
            f"kept in {self.checkpoints.folder / 'last' / str(self.epoch)}" if self.checkpoints.enabled else "not kept"
        )
        return f"the last good epoch is {self.epoch}, {kept}; use a lower learning_rate, or a gradient_clip"
