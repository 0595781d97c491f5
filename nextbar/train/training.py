"""One training, epoch by epoch: train, evaluate, note, save, decide whether to go on."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar import baselines
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.logger import get_logger
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.train.checkpoint import Checkpoints
from nextbar.train.early_stopper import EarlyStopper
from nextbar.train.engine import Cancelled, Engine, TrainedEpoch
from nextbar.train.tracking import Tracker
from nextbar.types import Forecast

SCORED = ("validation", "test")


class Best(NamedTuple):
    """The epoch with the lowest validation loss so far, or the last where nothing is validated."""

    epoch: int
    loss: float
    params: Any


class Report(NamedTuple):
    """What a training came to."""

    metrics: dict[str, Any]
    """of the best epoch beside the baseline's, by span"""
    conformal: Conformal | None
    """the validation residuals of a ``distribution``"""


class Divergence(Exception):
    """A loss that is not finite."""


class Training:
    """State and bookkeeping of a training in progress.

    Args:
        config: the experiment.
        dataset: its windows. Without scored ones every epoch counts as better than the one before.
        checkpoints: where states are kept.
        epochs: end after so many; the schedule is that of the configuration. None: all of them.
    """

    def __init__(
        self, config: ExperimentConfig, dataset: Dataset, checkpoints: Checkpoints, epochs: int | None = None
    ) -> None:
        self.config = config
        self.checkpoints = checkpoints
        self.epochs = epochs or config.num_epochs
        self.engine = Engine(config, dataset)
        self.task = task = Task.of(config)
        history = dataset.outcomes_at(dataset.history_N)
        self.reference = baselines.fit(history, dataset.training_closes(), task, np.array(dataset.trained))
        self.scored = [span for span in SCORED if len(dataset.origins[span])]
        self.scorers = {
            "train": Scorer(dataset.outcomes("training"), self.reference, task),
            **{span: Scorer(dataset.outcomes(span), self.reference, task) for span in self.scored},
        }
        self._scored_rows = np.concatenate([dataset.origins[span] for span in SCORED])
        self._split = len(dataset.origins["validation"])
        self.stopper = EarlyStopper(config.early_stopper or self.epochs + 1, optim_value=math.inf)
        self._writing = threading.Lock()
        self.epoch = 0
        self.ranking: float | None = None
        """ranking score of the epoch done last, where validation has windows; see ``Scorer.ranking``"""
        self.best: Best | None = None
        self.state: TrainState = self.engine.start(self.reference.frequencies_HK)
        self._resume()

    @property
    def stopped_early(self) -> bool:
        """True once validation has not improved for as many epochs as the configuration allows."""
        return self.config.early_stopper > 0 and self.stopper.n_epochs >= self.config.early_stopper

    @property
    def complete(self) -> bool:
        """True when no epoch is left to do."""
        return self.epoch >= self.epochs or self.stopped_early

    def run_epoch(self, tracker: Tracker) -> None:
        """Do the next epoch, whole; nothing of it counts before its checkpoint is asked for.

        Raises:
            Divergence: a loss is not finite; the message names step, learning rate and last good checkpoint.
        """
        epoch = self.epoch + 1
        began = time.perf_counter()
        self.state, trained = self.engine.train(self.state, epoch, tracker.progress)
        self._require_finite(trained, epoch)
        seconds = time.perf_counter() - began
        loss_of, forecasts = self.evaluate(self.state.params)
        validation_loss = loss_of.get("validation")
        self._require_sound(validation_loss, trained, epoch)
        row: dict[str, float] = {"learning_rate": float(trained.learning_rate_T[-1])}
        row["train/loss"] = trained.mean_loss(self.engine.n_windows, self.engine.program.batch_size)
        row |= {f"{span}/loss": loss for span, loss in loss_of.items()}
        ranking: float | None = None
        for span, forecast in {"train": trained.forecast, **forecasts}.items():
            scores = self.scorers[span].score(forecast)
            row |= {f"{span}/{name}": value for name, value in scores.mean.pooled.items() if value is not None}
            if span == "validation":
                ranking = self.scorers[span].ranking(scores)
        with self._writing:
            if self.engine.cancelled.is_set():
                raise Cancelled
            self._note(epoch, validation_loss)
            self.ranking = ranking
            step = epoch * self.engine.steps_per_epoch
            tracker.epoch(epoch, step, row, {"windows_per_second": self.engine.n_windows / seconds})
            kept_by = math.nan if validation_loss is None else validation_loss
            self.checkpoints.save(epoch, self.state, self._notes(), kept_by)

    def cancel(self) -> None:
        """Void the epoch in progress in another thread; once this returns, that thread writes nothing more."""
        self.engine.cancelled.set()
        with self._writing:
            pass

    def evaluate(self, params: Any) -> tuple[dict[str, float], dict[str, Forecast]]:
        """Mean loss and forecasts of validation and test, as far as they have windows."""
        if not self.scored:
            return {}, {}
        evaluation = self.engine.evaluate(params, self._scored_rows)
        parts = {"validation": slice(None, self._split), "test": slice(self._split, None)}
        losses = {span: float(np.mean(evaluation.loss_N[parts[span]], dtype=np.float64)) for span in self.scored}
        forecasts = {
            span: Forecast(*(None if a is None else a[parts[span]] for a in evaluation.forecast))
            for span in self.scored
        }
        return losses, forecasts

    def report(self) -> Report:
        """What the best epoch came to; nothing where no epoch was finished."""
        if self.best is None:
            return Report({}, None)
        _, forecasts = self.evaluate(jax.device_put(self.best.params))
        metrics = {span: self.scorers[span].report(forecast) for span, forecast in forecasts.items()}
        conformal = None
        if "validation" in forecasts and self.config.model_config.output_mode == "distribution":
            conformal = Conformal.fit(self.scorers["validation"].outcomes, forecasts["validation"], self.task)
        return Report(metrics, conformal)

    def _note(self, epoch: int, loss: float | None) -> None:
        self.epoch = epoch
        if loss is not None:
            self.stopper(loss)
        if self.best is None or loss is None or loss < self.best.loss:
            self.best = Best(epoch, math.inf if loss is None else loss, jax.device_get(self.state.params))

    def _notes(self) -> dict[str, Any]:
        assert self.best is not None
        return {
            "early_stopper": asdict(self.stopper),
            "best_epoch": self.best.epoch,
            "best_loss": self.best.loss,
        }

    def _resume(self) -> None:
        restored = self.checkpoints.restore_last(self.state)
        if restored is None:
            return
        self.epoch, self.state, notes = restored
        self.checkpoints.forget_after(self.epoch)
        self.stopper = EarlyStopper(**notes["early_stopper"])
        params = self.checkpoints.restore(notes["best_epoch"], self.state).params
        self.best = Best(notes["best_epoch"], notes["best_loss"], jax.device_get(params))
        get_logger().info("going on after epoch %d of %d", self.epoch, self.config.num_epochs)

    def _require_finite(self, trained: TrainedEpoch, epoch: int) -> None:
        bad = trained.first_bad_step
        if bad is not None:
            step = (epoch - 1) * self.engine.steps_per_epoch + bad
            raise Divergence(
                f"the loss at step {step} (epoch {epoch}) is {trained.loss_T[bad]}, "
                f"learning rate {trained.learning_rate_T[bad]:.3g}; {self._last_good()}"
            )

    def _require_sound(self, validation_loss: float | None, trained: TrainedEpoch, epoch: int) -> None:
        """A loss is measured before its step, so only what is validated, or the parameters, tell of an epoch's last."""
        if validation_loss is not None:
            what, sound = f"validation loss is {validation_loss}", bool(np.isfinite(validation_loss))
        else:
            what = "parameters are not finite"
            sound = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(self.state.params)))
        if not sound:
            raise Divergence(
                f"after step {epoch * self.engine.steps_per_epoch - 1} (epoch {epoch}) the {what}, "
                f"learning rate {trained.learning_rate_T[-1]:.3g}; {self._last_good()}"
            )

    def _last_good(self) -> str:
        if self.epoch == 0:
            return "no epoch was finished; use a lower learning_rate, or a gradient_clip"
        kept = (
            f"kept in {self.checkpoints.folder / 'last' / str(self.epoch)}" if self.checkpoints.enabled else "not kept"
        )
        return f"the last good epoch is {self.epoch}, {kept}; use a lower learning_rate, or a gradient_clip"
