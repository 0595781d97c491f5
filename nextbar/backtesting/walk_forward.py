"""Fold by fold: all participants are fitted on the history, forecast the fold, and are scored on all folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import jax
import numpy as np

from nextbar.backtesting.fold_work import FoldForecasts, FoldWork, PlannedFold, forecast_folds
from nextbar.backtesting.folds import find_folds, fold_dataset, fold_rows
from nextbar.backtesting.model import ModelPredictor
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.pooling import pooled
from nextbar.backtesting.scoring import FoldScorer, reference
from nextbar.backtesting.strongest import strongest_of
from nextbar.backtesting.table import fold_table, joined
from nextbar.backtesting.times import Times
from nextbar.bars.handed_over import hand_over
from nextbar.baselines import Predictor
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.machine.clusters import Cluster, answers_of, job_folder
from nextbar.machine.units import Unit
from nextbar.metrics.conformal import windows_needed
from nextbar.metrics.scorer import START, FreeForecast
from nextbar.metrics.task import Task
from nextbar.types import Forecast

PROGRAMS = 4
"""folds whose compiled programs stay in memory: 70 MB each, and the next fold's shapes are others"""


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
        work: the participants, and what they are fitted on.
        folds: with their windows.
        own: those of the participants that are the user's objects.
        cluster: whose workers do the folds; None: this process does.
    """

    work: FoldWork
    folds: Sequence[PlannedFold]
    own: Sequence[Predictor] = ()
    cluster: Cluster | None = None

    def run(self) -> tuple[Any, dict[str, Any]]:
        """Fit and ask all participants, fold by fold.

        Returns:
            All forecasts as a pandas frame, and for the summary ``folds``, ``scores``, ``strongest``, ``calibration``,
            ``tests``, ``verdict``.
        """
        times = Times(self.work.folder.parent)
        fits = [list(folds) for _, folds in groupby(self.folds, lambda planned: planned.fold.fitted_in)]
        by_fit = self._here(fits, times) if self.cluster is None else self._by_workers(self.cluster, fits, times)
        return self._results([forecasts for of_fit in by_fit for forecasts in of_fit])

    def _here(self, fits: Sequence[list[PlannedFold]], times: Times) -> list[list[FoldForecasts]]:
        by_fit = []
        for k, folds in enumerate(fits, start=1):
            by_fit.append(self.work.forecasts(folds, times))
            if k % PROGRAMS == 0:
                jax.clear_caches()
        return by_fit

    def _by_workers(
        self, cluster: Cluster, fits: Sequence[list[PlannedFold]], times: Times
    ) -> list[list[FoldForecasts]]:
        work = self.work
        names = [other.name for other in work.others if other.kind == "baseline"]
        options = replace(work.options, baselines=names)
        by_fit: dict[int, list[FoldForecasts]] = {}
        with job_folder(work.folder.parent) as job:
            bars = hand_over(work.panel.bars, job / "bars")
            arguments = bars, work.config, options, tuple(self.own), work.folder
            units = [
                Unit(", ".join(str(planned.fold) for planned in folds), forecast_folds,
                     (*arguments, folds, times.seconds))
                for folds in fits
            ]  # fmt: skip
            for k, (forecasts, seconds) in answers_of(cluster, units, job):
                by_fit[k] = forecasts
                times.take(seconds, [planned.fold.number for planned in fits[k]])
        return [by_fit[k] for k in range(len(fits))]

    def _results(self, by_fold: Sequence[FoldForecasts]) -> tuple[Any, dict[str, Any]]:
        task, sizes = Task.of(self.work.config), [len(planned.row_N) for planned in self.folds]
        forecasts = {name: pooled(name, [fold.forecasts[name] for fold in by_fold]) for name in by_fold[0].forecasts}
        strongest = strongest_of(self.work.others, by_fold[0].run)
        first = fold_dataset(self.work.panel, self.work.config, self.folds[0].fold, self.work.options)
        scorer = FoldScorer(
            self.work.panel,
            np.concatenate([planned.row_N for planned in self.folds]),
            np.repeat(np.arange(len(sizes)), sizes),
            reference(self.work.panel, first, task),
            task,
            self._strongest(strongest, forecasts),
        )
        parts = [fold.start for fold in by_fold if fold.start is not None]
        start = pooled(START[0], parts) if len(parts) == len(by_fold) else None
        scores = scorer.scores(ModelPredictor.name, self.work.others, forecasts, strongest, start)
        runs = [str(fold.run.relative_to(self.work.folder.parent)) for fold in by_fold]
        conformals = [fold.conformal for fold in by_fold if fold.conformal]
        return self._table(by_fold), {
            "folds": [planned.describe() | {"run": run} for planned, run in zip(self.folds, runs, strict=True)],
            "scores": scores,
            "strongest": strongest,
            "calibration": scorer.calibration(forecasts[ModelPredictor.name], conformals),
            "tests": scorer.tests(ModelPredictor.name, self.work.others, forecasts, strongest),
            "verdict": scores[ModelPredictor.name]["verdict"],
        }

    def _strongest(self, name: str | None, forecasts: Mapping[str, Forecast]) -> FreeForecast | None:
        """The strongest baseline with its forecasts of all folds; None where there is none."""
        words = {other.name: other.words for other in self.work.others}
        return FreeForecast(name, words[name], forecasts[name]) if name else None

    def _table(self, by_fold: Sequence[FoldForecasts]) -> Any:
        task, levels = Task.of(self.work.config), self.work.options.levels
        tables = []
        for participant in (None, *self.work.others):  # the model first
            name = participant.name if participant else ModelPredictor.name
            for planned, fold_forecasts in zip(self.folds, by_fold, strict=True):
                conformal = None if participant else fold_forecasts.conformal
                forecast = fold_forecasts.forecasts[name]
                question = participant.question(forecast, task) if participant else task
                fold, row_N = planned.fold, planned.row_N
                tables.append(fold_table(name, forecast, self.work.panel, fold, row_N, question, levels, conformal))
        return joined(tables)
