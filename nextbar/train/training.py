"""One training: its run folder, the epochs done, early stopping, the best epoch, and how it ends."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar.baselines.rivals import Rival
from nextbar.data.dataset import Dataset
from nextbar.errors import RunError
from nextbar.folders import writing
from nextbar.logger import get_logger
from nextbar.machine.hosts import by_first, from_first, leads, tree_from_first
from nextbar.runs.checkpoint import BEST, Checkpoints
from nextbar.runs.folder import RunFolder
from nextbar.runs.records import FILES, checksums, write_conformal, write_losses, write_reference, write_rival
from nextbar.runs.summary import ENDED, WHOLE
from nextbar.train.earlier_run import begun_with, rival_in
from nextbar.train.early_stopper import EarlyStopper
from nextbar.train.figures import Figures
from nextbar.train.result import Plan, Result, Watch
from nextbar.train.scored_spans import Report
from nextbar.train.tracking import Tracker
from nextbar.types import Reference


class Best(NamedTuple):
    """The epoch with the lowest validation loss so far, or the last where nothing is validated."""

    epoch: int
    loss: float
    params: Any


class Training:
    """A training from its folder to its result, alone or beside others in a ``Cohort``.

    Args:
        run: its folder, claimed by this process.
        n_windows: training windows of an epoch.
        plan: its number of epochs, where that is not the configuration's.
        watch: is told of each epoch and may end the training.
        final_follows: whether a run that comes to its end here is fitted once more (see ``FinalFit``).
    """

    def __init__(
        self,
        run: RunFolder,
        n_windows: int,
        plan: Plan | None = None,
        watch: Watch | None = None,
        *,
        final_follows: bool = False,
    ) -> None:
        self.run, self.config = run, run.config
        self._plan, self._watch, self._final_follows = plan or Plan(), watch, final_follows
        self.n_windows = n_windows
        self.steps_per_epoch = -(-n_windows // self.config.batch_size)
        self.epochs = self._plan.epochs or self.config.num_epochs
        """the last epoch; the schedule is that of the configuration"""
        self.epoch = 0
        """epochs done"""
        self.ranking: float | None = None
        """ranking score of the last epoch done, where validation has windows; see ``Scorer.ranking``"""
        self.best: Best | None = None
        self.diverged: str | None = None
        """why it cannot go on, where a loss was not finite"""
        self.stopper = EarlyStopper(self.config.early_stopper or self.epochs + 1, optim_value=math.inf)
        self.summary: dict[str, Any] = from_first(run.read_summary)
        self.checkpoints = Checkpoints(
            run.checkpoints, enabled=self.config.save_weights and leads(), committed=run.send
        )
        self.tracker: Tracker | None = None
        """writes down the epochs from the next one on; None in processes that leave this to the first"""
        self._recorded = False
        self.concluded = False
        """whether its end was written down by this process"""

    def begin(self, dataset: Dataset) -> None:
        """Write what is known before the first epoch."""
        facts: dict[str, Any] = {"refit_of": self._plan.refit_of, "best_epoch": None, "metrics": {}, "message": ""}
        with writing(self.run.path):
            by_first(lambda: self.run.begin(dataset, facts))

    @property
    def committed(self) -> int:
        """Epochs in its folder; unlike ``epoch`` before it is resumed."""
        return from_first(self.checkpoints.last_epoch)

    def resume(self, start: TrainState, together: int | None = None) -> TrainState:
        """The state of the last committed epoch, or ``start``, the untrained state, where there is none.

        Args:
            start: that.
            together: the epoch from which others go on; where this one is a single epoch ahead, it goes back, so that
                they go on in the program that an uninterrupted training has.
        """
        if together is not None and self.committed == together + 1:
            by_first(lambda: self.checkpoints.go_back(together))
        trees: list[Any] = []

        def restore() -> list[Any] | None:
            restored = self._last_epoch(start)
            if restored is None:
                return None
            epoch, notes, *arrays = restored
            trees.append(arrays)
            return [epoch, notes]

        committed = from_first(restore)
        if committed is None:
            return start if self._plan.start is None else begun_with(self._plan.start, start)
        self.epoch, notes = committed
        leaves, params = tree_from_first(trees[0] if trees else None, [jax.tree.leaves(start), start.params])
        self.stopper = EarlyStopper(**notes["early_stopper"])
        self.best = Best(notes[BEST], notes["best_loss"], params)
        self.ranking = notes.get("ranking")
        get_logger().info("going on after epoch %d of %d", self.epoch, self.epochs)
        return jax.tree.unflatten(jax.tree.structure(start), leaves)

    def _last_epoch(self, start: TrainState) -> tuple[int, dict[str, Any], list[jax.Array], Any] | None:
        """Number and notes of the last committed epoch, leaves of its state, and the best epoch's parameters."""
        restored = self.checkpoints.restore_last(start)
        if restored is None:
            return None
        epoch, state, notes = restored
        self.checkpoints.forget_after(epoch)
        params = self.checkpoints.restore(notes[BEST], start).params
        return epoch, notes, jax.tree.leaves(state), jax.device_get(params)

    def record(self, names: tuple[str, ...], reference: Reference, title: str = "") -> None:
        """Write down the baselines' reference, and the epochs from the next one on.

        Args:
            names: of the series of ``reference``.
            reference: what the baselines were fitted on.
            title: what log lines begin with.
        """
        with writing(self.run.path):
            by_first(lambda: write_reference(self.run.path, names, reference))
            self.tracker = by_first(
                lambda: Tracker(self.run.path, self.epoch + 1, self.epochs, self.steps_per_epoch, title)
            )
        self._recorded = True

    def commit(self, state: TrainState, figures: Figures, seconds: float) -> None:
        """Count an epoch and write it down; the checkpoint, which makes it count after a kill, comes last.

        Args:
            state: after the epoch.
            figures: its losses and metrics.
            seconds: how long its training took.
        """
        self.epoch += 1
        loss = figures.validation_loss
        if loss is not None:
            self.stopper(loss)
        if self.best is None or loss is None or loss < self.best.loss:
            self.best = Best(self.epoch, math.inf if loss is None else loss, jax.tree.map(np.array, state.params))
        self.ranking = figures.ranking
        if self.tracker is not None:
            step = self.epoch * self.steps_per_epoch
            with writing(self.run.path):
                self.tracker.epoch(self.epoch, step, figures.row, {"windows_per_second": self.n_windows / seconds})
        notes = {
            "early_stopper": asdict(self.stopper),
            BEST: self.best.epoch,
            "best_loss": self.best.loss,
            "ranking": self.ranking,
        }
        self.checkpoints.save(self.epoch, state, notes, math.nan if loss is None else loss)

    def ask_watch(self) -> str:
        """What the watch answers to the last epoch done: why the training ends here, or nothing."""
        watch = self._watch
        return from_first(lambda: watch(self.epoch, self.ranking)) if watch else ""

    @property
    def stopped_early(self) -> bool:
        """True once validation has not improved for as many epochs as the configuration allows."""
        return self.config.early_stopper > 0 and self.stopper.n_epochs >= self.config.early_stopper

    @property
    def complete(self) -> bool:
        """True when no epoch is left to do."""
        return self.epoch >= self.epochs or self.stopped_early

    @property
    def end(self) -> tuple[str, str] | None:
        """Status and message, once there is nothing left to do."""
        if self.diverged is not None:
            return "diverged", self.diverged
        if not self.complete:
            return None
        return ("stopped_early" if self.stopped_early else "finished"), ""

    def conclude(self, status: str, message: str, report: Report) -> None:
        """Write down the end and the scores of the best epoch."""
        with writing(self.run.path):
            self.summary = from_first(lambda: self._write_end(status, message, report))
        best_epoch = self.summary["best_epoch"]
        get_logger().info(
            "%s: %s after %d epoch%s, %s%s",
            self.run.place,
            status.replace("_", " "),
            self.epoch,
            "" if self.epoch == 1 else "s",
            "none of them whole, so there is no best" if best_epoch is None else f"best is epoch {best_epoch}",
            "; the final fit follows" if self.awaits_final else "",
        )
        self.concluded = True
        self.close()

    def _write_end(self, status: str, message: str, report: Report) -> dict[str, Any]:
        best = self.best
        if best and report.conformal:
            write_conformal(self.run.path, best.epoch, report.conformal)
        if best and report.losses:
            write_losses(self.run.path, report.losses)
        if best and report.rival:
            write_rival(self.run.path, report.rival.to_dict())
        self.checkpoints.wait()  # whoever reads that it has ended finds its checkpoints
        end = {"status": status, "message": message, "metrics": report.metrics}
        if self._final_follows and status in WHOLE:  # the run has not ended
            end = {"status": "running", "message": "", "first_fit": end}
        return self.run.update(
            epochs=self.epoch,
            best_epoch=best.epoch if best else None,
            validation_loss=best.loss if best and math.isfinite(best.loss) else None,
            **end,
            **{FILES: checksums(self.run.path)},
        )

    def interrupt(self) -> str:
        """Write down that Ctrl-C was pressed; returns what that means for the run."""
        if not self.config.save_weights:
            message = "interrupted; save_weights is False, so nothing was kept: the same command starts again"
        elif not self._recorded:
            message = f"interrupted before an epoch began; the same command goes on from what is in {self.run.kept}"
        elif self.epoch == 0:
            message = "interrupted before the first epoch was whole; the same command starts again"
        else:
            message = (
                f"interrupted after {self.epoch} whole epochs, state saved in {self.run.kept}; "
                "the same command goes on from there"
            )
        self.note("interrupted", message)
        return message

    def fail(self, error: BaseException) -> None:
        """Write down what went wrong."""
        with suppress(RunError):  # of a disk that is full for the checkpoint too, which then makes room
            self.checkpoints.wait()
        self.note("failed", f"{type(error).__name__}: {error}")

    def note(self, status: str, message: str) -> None:
        """Write down that the training does not go on. Where the disk is full even for that, the status stays
        ``running``, which is read as interrupted once the process has gone."""
        if leads():
            with suppress(OSError, RunError):
                self.run.update(status=status, message=message)

    def close(self) -> None:
        """Finish writing; the claim on the folder is the caller's."""
        try:
            if self.tracker is not None:
                self.tracker.close()
        finally:
            self.checkpoints.close()

    @property
    def has_ended(self) -> bool:
        """True where the folder holds a training that is over."""
        return self.summary.get("status") in ENDED

    @property
    def chosen_rival(self) -> Rival | None:
        """The strongest simple rival where it has been chosen already, as that of a refit was by the validation of the
        run that it repeats; None: it is chosen on validation."""
        if self._plan.refit_of is None:
            return None
        return rival_in(self.run.beside(self._plan.refit_of), self.config)

    @property
    def awaits_final(self) -> bool:
        """True where all is done but the final fit."""
        return "first_fit" in self.summary and not self.has_ended

    def title(self, among_others: bool) -> str:
        """What its log lines begin with."""
        return self.run.path.name if among_others else ""

    @property
    def result(self) -> Result:
        """Result of a training that has ended."""
        best_epoch, status, metrics, message = (
            self.summary[name] for name in ("best_epoch", "status", "metrics", "message")
        )
        return Result(self.run.path, best_epoch, status, metrics, message)
