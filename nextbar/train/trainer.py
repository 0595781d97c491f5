"""Trainer: the public face of training; resumes, stops and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from nextbar.config import ExperimentConfig
from nextbar.data.bars import Bars, fingerprint, frame_bars, is_bars
from nextbar.data.columns import FrameNames, refuse_names
from nextbar.data.dataset import Dataset, build_dataset, read_series, series_tickers
from nextbar.data.splits import Cuts
from nextbar.errors import DataError, OutOfMemory, TrainingInterrupted
from nextbar.logger import get_logger
from nextbar.train.checkpoint import Checkpoints
from nextbar.train.compilation import bound_arenas, enable_cache, return_memory
from nextbar.train.records import write_conformal, write_reference
from nextbar.train.run import ENDED, Run
from nextbar.train.tracking import Tracker, closing_table
from nextbar.train.training import Divergence, Report, Training
from nextbar.train.worker import run_interruptible


@dataclass(frozen=True)
class Result:
    """What a training came to."""

    run_dir: Path
    best_epoch: int | None
    """epoch with the lowest validation loss; the metrics are its"""
    status: str
    """``finished``, ``stopped_early``, ``diverged`` or ``pruned``"""
    metrics: dict[str, Any]
    """by span (``validation``, ``test``): ``model``, ``baseline``, ``skill``, ``by_ticker``, ..."""
    message: str = ""
    """what to know about the end, where there is something to know"""


@dataclass(frozen=True)
class Plan:
    """What a training does otherwise than its configuration says."""

    cuts: Cuts | None = None
    """where validation and test begin; after the last bar: nothing is scored"""
    epochs: int | None = None
    """end after so many, on the configuration's schedule"""
    refit_of: str | None = None
    """name of the run whose configuration this is"""

    @property
    def name(self) -> str:
        """What tells its run folder from that of the configuration; empty where there is no difference."""
        return "" if self == Plan() else repr((self.cuts, self.epochs))


Watch = Callable[[int, float | None], str]
"""told each epoch that is done and its ranking score (lower is better; None where nothing is validated); what it
answers, where it answers something, is why the training ends there, with status ``pruned``"""


class Trainer:
    """Trains and scores one experiment.

    Args:
        config: the experiment.
        bars: a pandas or polars frame (long, or of a single series) instead of files under ``datapath``; or ``Bars``
            that have been read.
        plan: cuts and epochs that are not the configuration's.
        show: progress bar and closing table; None: the table where ``nextbar`` logs at INFO, the bar if that is on
            a terminal.
        watch: looks on after each epoch and may end the training.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        bars: Any = None,
        *,
        plan: Plan | None = None,
        show: bool | None = None,
        watch: Watch | None = None,
        **names: Unpack[FrameNames],
    ) -> None:
        self.config = config
        self._names = names
        self._bars = bars
        self._plan = plan or Plan()
        self._show = show
        self._watch = watch or (lambda epoch, ranking: "")

    def train_and_evaluate(self, overwrite: bool = False) -> Result:
        """Train, or go on with an interrupted training; a finished one is reported as it is.

        Args:
            overwrite: throw an earlier run of this configuration on these bars away first.

        Raises:
            NextbarError: bars or folder that cannot be used; the message says what to do.
            TrainingInterrupted: Ctrl-C; the state after the last whole epoch is saved.
        """
        log = get_logger()
        bars = self.read()
        dataset = build_dataset(self.config, bars, self._plan.cuts)
        run = Run(self.config, fingerprint(bars), self._plan.name)
        with run.claimed(overwrite):
            summary = run.read_summary()
            if summary.get("status") in ENDED:
                log.info(
                    "%s has ended before (%s): reported, not trained anew (that takes overwrite=True, --overwrite)",
                    run.path,
                    summary["status"],
                )
                closing_table(summary["metrics"], show=self._show)
            else:
                try:
                    summary = self._train(run, dataset)
                finally:
                    return_memory()  # here, where no frame holds the training's state any more
        return Result(run.path, summary["best_epoch"], summary["status"], summary["metrics"], summary["message"])

    def read(self) -> list[Bars]:
        """The checked series.

        Raises:
            DataError: bars that cannot be used.
            ConfigError: names of columns, but no frame.
        """
        if self._bars is None or is_bars(self._bars):
            refuse_names(self._names)
        if self._bars is None:
            return read_series(self.config)
        if is_bars(self._bars):
            return _wanted_of(self._bars, self.config)
        dataset = self.config.dataset_config
        return frame_bars(
            self._bars,
            dataset.resolution,
            dataset.features,
            tickers=series_tickers(self.config),
            target=dataset.target,
            output_mode=dataset.output_mode,
            indicators=dataset.indicators or (),
            **self._names,
        )

    def _train(self, run: Run, dataset: Dataset) -> dict[str, Any]:
        enable_cache()
        bound_arenas()
        log = get_logger()
        facts = dataset.describe()
        said = {"data": facts, "scored_bars": dataset.scored_digest(), "refit_of": self._plan.refit_of}
        run.begin(dataset.preparation, dataset.cuts, said | {"best_epoch": None, "metrics": {}, "message": ""})
        _announce(run, facts)
        checkpoints = Checkpoints(run.checkpoints, enabled=self.config.save_weights)
        training: Training | None = None
        try:
            training = run_interruptible(self._start(dataset, checkpoints), lambda: None)
            write_reference(run.path, dataset.names, training.reference)
            status, message = self._epochs(run, training)
            metrics, conformal = (
                Report({}, None) if status == "pruned" else run_interruptible(training.report, training.cancel)
            )
        except KeyboardInterrupt:
            raise TrainingInterrupted(self._interrupted(run, training)) from None
        except BaseException as error:
            run.update(status="failed", message=f"{type(error).__name__}: {error}")
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # of the machine, of its GPU
                raise OutOfMemory(
                    f"not enough memory ({str(error).partition(chr(10))[0]}); "
                    "use a smaller batch_size, seq_len, d_model or dim_feedforward"
                ) from error
            raise
        finally:
            checkpoints.close()
        best = training.best
        if best and conformal:
            write_conformal(run.path, best.epoch, conformal)
        summary = run.update(
            status=status,
            message=message,
            epochs=training.epoch,
            best_epoch=best.epoch if best else None,
            validation_loss=best.loss if best and training.scored else None,
            metrics=metrics,
        )
        log.info(
            "%s: %s after %d epochs, best is epoch %s",
            run.path,
            status,
            training.epoch,
            summary["best_epoch"],
        )
        closing_table(metrics, show=self._show)
        return summary

    def _start(self, dataset: Dataset, checkpoints: Checkpoints) -> Callable[[], Training]:
        return lambda: Training(self.config, dataset, checkpoints, self._plan.epochs)

    def _epochs(self, run: Run, training: Training) -> tuple[str, str]:
        with Tracker(
            run.path, training.epoch + 1, training.epochs, training.engine.steps_per_epoch, self._show
        ) as tracker:
            while not training.complete:
                try:
                    run_interruptible(lambda: training.run_epoch(tracker), training.cancel)
                except Divergence as divergence:
                    get_logger().error("diverged: %s", divergence)
                    return "diverged", str(divergence)
                reason = self._watch(training.epoch, training.ranking)
                if reason and not training.complete:
                    return "pruned", reason
        return ("stopped_early" if training.stopped_early else "finished"), ""

    def _interrupted(self, run: Run, training: Training | None) -> str:
        if not self.config.save_weights:
            message = "interrupted; save_weights is False, so nothing was kept: the same command starts again"
        elif training is None:
            message = f"interrupted before an epoch began; the same command goes on from what is in {run.path}"
        elif training.epoch == 0:
            message = "interrupted before the first epoch was whole; the same command starts again"
        else:
            message = (
                f"interrupted after {training.epoch} whole epochs, state saved in {run.path}; "
                "the same command goes on from there"
            )
        run.update(status="interrupted", message=message)
        return message


def _wanted_of(given: Sequence[Bars], config: ExperimentConfig) -> list[Bars]:
    """The series that the experiment trains or scores, as far as they are there."""
    dataset = config.dataset_config
    there = {(b.resolution, b.ticker): b for b in given}
    wanted = [(resolution, ticker) for resolution in dataset.resolutions for ticker in series_tickers(config)]
    found = [there[key] for key in wanted if key in there]
    absent = ", ".join(f"{ticker}_{resolution}" for resolution, ticker in wanted if (resolution, ticker) not in there)
    if not any(b.ticker in dataset.tickers for b in found):
        raise DataError(f"no bars of {absent}; there are {', '.join(b.name for b in given)}")
    if absent:
        get_logger().warning("no bars of %s: left out", absent)
    return found


def _announce(run: Run, facts: dict[str, Any]) -> None:
    log = get_logger()
    log.info("run %s", run.path)
    for series in facts["series"]:
        log.info(
            "%s: %d bars, %s to %s, calendar %s, %d holes",
            *(series[k] for k in ("name", "bars", "first", "last", "calendar", "holes")),
        )
        if series["trained"] and not series["training_windows"]:
            log.warning("%s has no training window: nothing is learnt from it", series["name"])
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
