"""Fold by fold: all participants are fitted on the history, forecast the fold, and are scored on all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from nextbar.backtesting.causality import require_causal
from nextbar.backtesting.folds import Fold, find_folds, fold_dataset, fold_rows
from nextbar.backtesting.model import ModelPredictor
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant
from nextbar.backtesting.scoring import FoldScorer, pooled, reference
from nextbar.backtesting.strongest import strongest_of
from nextbar.backtesting.table import fold_table, joined
from nextbar.backtesting.times import Times
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.logger import get_logger
from nextbar.metrics.conformal import Conformal, windows_needed
from nextbar.metrics.task import Task
from nextbar.runs.folder import ENDED
from nextbar.runs.records import SUMMARY, read_summary
from nextbar.types import Forecast

PROGRAMS = 4
"""folds whose compiled programs stay in memory: 70 MB each, and the next fold's shapes are others"""


class PlannedFold(NamedTuple):
    """A fold with its windows, before anything is fitted."""

    fold: Fold
    row_N: np.ndarray
    """origins, rows of the panel"""

    def describe(self) -> dict[str, Any]:
        """Plain values for the summary."""
        return self.fold.describe() | {"windows": len(self.row_N)}


class FoldForecasts(NamedTuple):
    """The forecasts of all participants in a fold."""

    forecasts: dict[str, Forecast]
    """by participant"""
    run: Path
    """folder of the model's run"""
    conformal: Conformal | None
    """the model's validation residuals, where intervals are to be adjusted"""


def plan_folds(panel: BacktestPanel, config: ExperimentConfig, options: BacktestOptions) -> list[PlannedFold]:
    """All folds with their windows, checked before the first is trained.

    Raises:
        DataError: too few bars for the folds, for a fold, or for conformal intervals.
    """
    folds = []
    for fold in find_folds(panel, config, options):
        dataset = fold_dataset(panel, config, fold, options)
        validation, needed = len(dataset.origins["validation"]), max(map(windows_needed, options.levels), default=1)
        if options.conformal and validation < needed:
            raise DataError(
                f"{fold}: a conformal interval of {max(options.levels) * 100:g} % needs {needed} validation windows, "
                f"and there are {validation}; use lower levels, a larger validation_split or more bars"
            )
        folds.append(PlannedFold(fold, fold_rows(panel, dataset, fold)))
    return folds


@dataclass(frozen=True, eq=False)
class WalkForward:
    """One backtest.

    Args:
        config: the experiment.
        options: of the backtest.
        panel: all bars.
        folds: with their windows.
        others: the participants beside the model.
        folder: of the model's runs.
        show: progress bars of the trainings.
    """

    config: ExperimentConfig
    options: BacktestOptions
    panel: BacktestPanel
    folds: Sequence[PlannedFold]
    others: Sequence[Participant]
    folder: Path
    show: bool | None

    def run(self) -> tuple[Any, dict[str, Any]]:
        """Fit and ask all participants, fold by fold.

        Returns:
            All forecasts as a pandas frame, and for the summary ``folds``, ``scores``, ``strongest``, ``calibration``,
            ``tests``, ``verdict``.
        """
        by_fold, model, times = [], None, Times(self.folder.parent)
        for planned in self.folds:
            get_logger().info("%s of %d, %d windows", planned.fold, len(self.folds), len(planned.row_N))
            if model is None or planned.fold.fits:
                run = self.folder / str(planned.fold.number)
                model = ModelPredictor(self.config, run, planned.fold.cuts, self.show)
            by_fold.append(self._forecasts(planned, model, times))
            if planned.fold.number % PROGRAMS == 0:
                jax.clear_caches()
        return self._results(by_fold)

    def _forecasts(self, planned: PlannedFold, model: ModelPredictor, times: Times) -> FoldForecasts:
        panel, fold, task = self.panel, planned.fold, Task.of(self.config)
        history = panel.frame(fold.begin, fold.cutoff) if fold.fits else None
        frame, keys = panel.frame(fold.begin, fold.end), panel.keys(planned.row_N)
        forecasts = {}
        for participant in (*self.others, Participant(model, "model")):  # the model last: others fail sooner
            name = participant.name
            if fold.fits:
                trained = participant.kind == "model" and self._is_trained(fold)
                with times.measured(name, "fit", fold.number, keep=trained):
                    participant.fit(history, fold)
            with times.measured(name, "predict", fold.number):
                forecasts[name] = forecast = participant.ask(frame, keys, task, fold)
            if participant.kind == "own":
                require_causal(participant, panel, fold, planned.row_N, forecast, task)
        conformal = model.forecaster.conformal() if self.options.conformal else None
        return FoldForecasts(forecasts, model.result.run_dir, conformal)

    def _is_trained(self, fold: Fold) -> bool:
        """Whether the model of a fold has been trained before, so that its run is taken as it is."""
        runs = [path.parent for path in (self.folder / str(fold.number)).glob(f"*/{SUMMARY}")]
        return any(read_summary(run).get("status") in ENDED for run in runs)

    def _results(self, by_fold: Sequence[FoldForecasts]) -> tuple[Any, dict[str, Any]]:
        task, sizes = Task.of(self.config), [len(planned.row_N) for planned in self.folds]
        forecasts = {name: pooled(name, [fold.forecasts[name] for fold in by_fold]) for name in by_fold[0].forecasts}
        first = fold_dataset(self.panel, self.config, self.folds[0].fold, self.options)
        scorer = FoldScorer(
            self.panel,
            np.concatenate([planned.row_N for planned in self.folds]),
            np.repeat(np.arange(len(sizes)), sizes),
            reference(self.panel, first, task),
            task,
        )
        strongest = strongest_of(self.others, by_fold[0].run)
        scores = scorer.scores(ModelPredictor.name, self.others, forecasts, strongest)
        runs = [str(fold.run.relative_to(self.folder.parent)) for fold in by_fold]
        conformals = [fold.conformal for fold in by_fold if fold.conformal]
        return self._table(by_fold), {
            "folds": [planned.describe() | {"run": run} for planned, run in zip(self.folds, runs, strict=True)],
            "scores": scores,
            "strongest": strongest,
            "calibration": scorer.calibration(forecasts[ModelPredictor.name], conformals),
            "tests": scorer.tests(ModelPredictor.name, self.others, forecasts, strongest),
            "verdict": scores[ModelPredictor.name]["verdict"],
        }

    def _table(self, by_fold: Sequence[FoldForecasts]) -> Any:
        task, levels = Task.of(self.config), self.options.levels
        tables = []
        for participant in (None, *self.others):  # the model first
            name = participant.name if participant else ModelPredictor.name
            for planned, fold_forecasts in zip(self.folds, by_fold, strict=True):
                conformal = None if participant else fold_forecasts.conformal
                forecast = fold_forecasts.forecasts[name]
                question = participant.question(forecast, task) if participant else task
                fold, row_N = planned.fold, planned.row_N
                tables.append(fold_table(name, forecast, self.panel, fold, row_N, question, levels, conformal))
        return joined(tables)
