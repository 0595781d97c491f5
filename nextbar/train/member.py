"""One training's folder while it is trained, alone or beside others: what is written there, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.logger import get_logger
from nextbar.machine.hosts import by_first, from_first, leads
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.folder import ENDED, RunFolder
from nextbar.runs.records import write_conformal, write_reference
from nextbar.train.result import Plan, Result, Watch
from nextbar.train.scored_spans import Report
from nextbar.train.tracking import Tracker
from nextbar.train.training import Training


class Member:
    """A training and its folder.

    Args:
        run: the folder, claimed by this process.
        watch: looks on after each epoch and may end the training.
    """

    def __init__(self, run: RunFolder, watch: Watch | None = None) -> None:
        self.run = run
        self._watch = watch
        self.summary = from_first(run.read_summary)
        self.checkpoints = Checkpoints(run.checkpoints, enabled=run.config.save_weights and leads())
        self.training: Training | None = None
        self._tracker: Tracker | None = None

    @property
    def had_ended(self) -> bool:
        """True where the folder holds a training that is over."""
        return self.summary.get("status") in ENDED

    @property
    def result(self) -> Result:
        """What a training that is over came to."""
        best_epoch, status, metrics, message = (
            self.summary[name] for name in ("best_epoch", "status", "metrics", "message")
        )
        return Result(self.run.path, best_epoch, status, metrics, message)

    @property
    def tracker(self) -> Tracker | None:
        """Where its epochs are written to, once it was taken up; None where another process writes."""
        return self._tracker

    def begin(self, dataset: Dataset, plan: Plan) -> None:
        """Write what is known before the first epoch."""
        facts: dict[str, Any] = {
            "refit_of": plan.refit_of,
            "best_epoch": None,
            "metrics": {},
            "message": "",
        }
        by_first(lambda: self.run.begin(dataset, facts))

    def take_up(self, training: Training, dataset: Dataset, name: str = "") -> None:
        """Write down the epochs of this training from now on; log lines begin with the name."""
        self.training = training
        path = self.run.path
        by_first(lambda: write_reference(path, dataset.names, training.judge.reference))
        self._tracker = by_first(
            lambda: Tracker(path, training.epoch + 1, training.epochs, training.steps_per_epoch, name)
        )

    def look_on(self) -> str:
        """What the watch answers to the epoch done last."""
        training, watch = self.training, self._watch
        assert training is not None
        return from_first(lambda: watch(training.epoch, training.ranking)) if watch else ""

    def conclude(self, status: str, message: str, report: Report) -> None:
        """Write what the training came to."""
        training = self.training
        assert training is not None
        self.summary = from_first(lambda: self._write_end(training, status, message, report))
        best = self.summary["best_epoch"]
        get_logger().info(
            "%s: %s after %d epoch%s, %s",
            self.run.path,
            status.replace("_", " "),
            training.epoch,
            "" if training.epoch == 1 else "s",
            "none of them whole, so there is no best" if best is None else f"best is epoch {best}",
        )
        self.close()

    def _write_end(self, training: Training, status: str, message: str, report: Report) -> dict[str, Any]:
        best = training.best
        if best and report.conformal:
            write_conformal(self.run.path, best.epoch, report.conformal)
        self.checkpoints.wait()  # who reads that it has ended finds its checkpoints
        return self.run.update(
            status=status,
            message=message,
            epochs=training.epoch,
            best_epoch=best.epoch if best else None,
            validation_loss=best.loss if best and training.judge.scored else None,
            metrics=report.metrics,
        )

    def interrupted(self) -> str:
        """Note that Ctrl-C was pressed; what that means for the run."""
        epoch = self.training.epoch if self.training else None
        if not self.run.config.save_weights:
            message = "interrupted; save_weights is False, so nothing was kept: the same command starts again"
        elif epoch is None:
            message = f"interrupted before an epoch began; the same command goes on from what is in {self.run.path}"
        elif epoch == 0:
            message = "interrupted before the first epoch was whole; the same command starts again"
        else:
            message = (
                f"interrupted after {epoch} whole epochs, state saved in {self.run.path}; "
                "the same command goes on from there"
            )
        if leads():
            self.run.update(status="interrupted", message=message)
        return message

    def failed(self, error: BaseException) -> None:
        """Note what else went wrong."""
        if leads():
            self.run.update(status="failed", message=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Finish writing; the folder's claim is the caller's."""
        try:
            if self._tracker is not None:
                self._tracker.close()
        finally:
            self.checkpoints.close()


def announce(runs: list[RunFolder], facts: dict[str, Any]) -> None:
    """Log what is about to be trained, and on what."""
    log = get_logger()
    for run in runs:
        log.info("run %s", run.path)
    for series in facts["series"]:
        log.info(
            "%s: %d bars, %s to %s, calendar %s in %s, %d holes",
            *(series[k] for k in ("name", "bars", "first", "last", "calendar", "timezone", "holes")),
        )
        if series["trained"] and not series["training_windows"]:
            log.warning("%s has no training window: nothing is learnt from it", series["name"])
    for series in facts["series"]:
        if series["windows_lost"]:
            columns = ", ".join(f"{name} is empty in {n} bars" for name, n in series["empty_bars"].items())
            log.warning("%s: %d windows are left out: %s", series["name"], series["windows_lost"], columns)
    _warn_of_warmup([run.config for run in runs])
    for name, lacking in facts["dropped_features"].items():
        log.info("feature %s left out: not in %s", name, ", ".join(lacking))
    windows = facts["windows"]
    if not any(series["scored"] for series in facts["series"]):
        log.info("windows: %d, all of them training", windows["training"])
        return
    log.info(
        "windows: %d training, %d validation (from %s), %d test (from %s)",
        windows["training"],
        windows["validation"],
        facts["validation_from"],
        windows["test"],
        facts["test_from"],
    )


def _warn_of_warmup(configs: Sequence[ExperimentConfig]) -> None:
    """Say where the learning rate never comes down again; once for each pair of lengths."""
    pairs = dict.fromkeys((c.warmup_epochs, c.num_epochs) for c in configs if c.lr_mode == "cosine")
    for warmup, epochs in pairs:
        if warmup >= epochs:
            get_logger().warning(
                "warmup_epochs (%d) is not below num_epochs (%d): the learning rate only rises, to %.0f %% of "
                "learning_rate, and never falls; use fewer warmup_epochs, or lr_mode linear or constant",
                warmup,
                epochs,
                100 * epochs / warmup,
            )
