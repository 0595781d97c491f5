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
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.train.checkpoint import Checkpoints
from nextbar.train.early_stopper import EarlyStopper
from nextbar.train.engine import Cancelled, Engine, TrainedEpoch
from nextbar.train.tracking import Tracker
from nextbar.types import Forecast

SCORED = ("validation", "test")


class Best(NamedTuple):
    """The epoch with the lowest validation loss so far."""

    epoch: int
    loss: float
    params: Any


class Divergence(Exception):
    """A loss that is not finite."""


class Training:
    """State and bookkeeping of a training in progress.

    Args:
        config: the experiment.
        dataset: its windows.
        checkpoints: where states are kept.
    """

    def __init__(self, config: ExperimentConfig, dataset: Dataset, checkpoints: Checkpoints) -> None:
        self.config = config
        self.checkpoints = checkpoints
        self.engine = Engine(config, dataset)
        spec = dataset.preparation.spec
        task = Task(
            output_mode=config.model_config.output_mode,
            horizon=spec.horizon,
            target=spec.target,
            edges=spec.edges or (),
        )
        history = dataset.outcomes_at(dataset.history_N)
        reference = baselines.fit(history, dataset.training_closes(), task, np.array(dataset.trained))
        self.scorers = {
            "train": Scorer(dataset.outcomes("training"), reference, task),
            **{span: Scorer(dataset.outcomes(span), reference, task) for span in SCORED},
        }
        self._scored_rows = np.concatenate([dataset.origins[span] for span in SCORED])
        self._split = len(dataset.origins["validation"])
        self.stopper = EarlyStopper(config.early_stopper or config.num_epochs + 1, optim_value=math.inf)
        self._writing = threading.Lock()
        self.epoch = 0
        self.best: Best | None = None
        self.state: TrainState = self.engine.start(reference.frequencies_HK)
        self._resume()

    @property
    def stopped_early(self) -> bool:
        """True once validation has not improved for as many epochs as the configuration allows."""
        return self.config.early_stopper > 0 and self.stopper.n_epochs >= self.config.early_stopper

    @property
    def complete(self) -> bool:
        """True when no epoch is left to do."""
        return self.epoch >= self.config.num_epochs or self.stopped_early

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
        if not np.isfinite(loss_of["validation"]):
            raise Divergence(
                f"the validation loss after step {epoch * self.engine.steps_per_epoch - 1} (epoch {epoch}) is "
                f"{loss_of['validation']}, learning rate {trained.learning_rate_T[-1]:.3g}; {self._last_good()}"
            )
        row: dict[str, float] = {"learning_rate": float(trained.learning_rate_T[-1])}
        row["train/loss"] = trained.mean_loss(self.engine.n_windows, self.config.batch_size)
        row |= {f"{span}/loss": loss for span, loss in loss_of.items()}
        for span, forecast in {"train": trained.forecast, **forecasts}.items():
            scores = self.scorers[span].score(forecast).mean.pooled
            row |= {f"{span}/{name}": value for name, value in scores.items() if value is not None}
        with self._writing:
            if self.engine.cancelled.is_set():
                raise Cancelled
            self._note(epoch, loss_of["validation"])
            step = epoch * self.engine.steps_per_epoch
            tracker.epoch(epoch, step, row, {"windows_per_second": self.engine.n_windows / seconds})
            self.checkpoints.save(epoch, self.state, self._notes(), loss_of["validation"])

    def cancel(self) -> None:
        """Void the epoch in progress in another thread; once this returns, that thread writes nothing more."""
        self.engine.cancelled.set()
        with self._writing:
            pass

    def evaluate(self, params: Any) -> tuple[dict[str, float], dict[str, Forecast]]:
        """Mean loss and forecasts of validation and test."""
        evaluation = self.engine.evaluate(params, self._scored_rows)
        parts = {"validation": slice(None, self._split), "test": slice(self._split, None)}
        losses = {span: float(np.mean(evaluation.loss_N[part], dtype=np.float64)) for span, part in parts.items()}
        forecasts = {
            span: Forecast(*(None if a is None else a[part] for a in evaluation.forecast))
            for span, part in parts.items()
        }
        return losses, forecasts

    def report(self) -> dict[str, Any]:
        """Metrics of the best epoch beside the baseline's, by span; empty where no epoch was finished."""
        if self.best is None:
            return {}
        _, forecasts = self.evaluate(jax.device_put(self.best.params))
        return {span: self.scorers[span].report(forecast) for span, forecast in forecasts.items()}

    def _note(self, epoch: int, loss: float) -> None:
        self.epoch = epoch
        self.stopper(loss)
        if self.best is None or loss < self.best.loss:
            self.best = Best(epoch, loss, jax.device_get(self.state.params))

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

    def _last_good(self) -> str:
        if self.epoch == 0:
            return "no epoch was finished; use a lower learning_rate, or a gradient_clip"
        kept = (
            f"kept in {self.checkpoints.folder / 'last' / str(self.epoch)}" if self.checkpoints.enabled else "not kept"
        )
        return f"the last good epoch is {self.epoch}, {kept}; use a lower learning_rate, or a gradient_clip"
