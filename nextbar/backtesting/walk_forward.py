"""Fold by fold: everybody learns from what is known, forecasts what comes, and is scored on all of it."""

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
from nextbar.backtesting.table import fold_table, joined
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.logger import get_logger
from nextbar.metrics.conformal import Conformal, windows_needed
from nextbar.metrics.task import Task
from nextbar.types import Forecast

PROGRAMS = 4
"""folds whose compiled programs stay in memory: 70 MB each, and the next fold's shapes are others"""


class Round(NamedTuple):
    """A fold with its windows, before anything is fitted."""

    fold: Fold
    row_N: np.ndarray
    """origins, rows of the panel"""

    def describe(self) -> dict[str, Any]:
        """Plain values for the summary."""
        return self.fold.describe() | {"windows": len(self.row_N)}


class FoldForecasts(NamedTuple):
    """What came out of a fold."""

    forecasts: dict[str, Forecast]
    """by predictor"""
    run: Path
    """of the model"""
    conformal: Conformal | None
    """its validation residuals, where intervals are to be adjusted"""


def plan_rounds(panel: BacktestPanel, config: ExperimentConfig, options: BacktestOptions) -> list[Round]:
    """All folds, found to have windows before the first is trained.

    Raises:
        DataError: too few bars for the folds, for a fold, or for conformal intervals.
    """
    rounds = []
    for fold in find_folds(panel, config, options):
        dataset = fold_dataset(panel, config, fold, options)
        validation, needed = len(dataset.origins["validation"]), max(map(windows_needed, options.levels), default=1)
        if options.conformal and validation < needed:
            raise DataError(
                f"{fold}: a conformal interval of {max(options.levels) * 100:g} % needs {needed} validation windows, "
                f"and there are {validation}; use lower levels, a larger validation_split or more bars"
            )
        rounds.append(Round(fold, fold_rows(panel, dataset, fold)))
    return rounds


@dataclass(frozen=True, eq=False)
class WalkForward:
    """One backtest.

    Args:
        config: the experiment.
        options: what is asked.
        panel: all bars.
        rounds: the folds.
        others: who takes part beside the model.
        folder: where the model's runs lie.
        show: progress bars of the trainings.
    """

    config: ExperimentConfig
    options: BacktestOptions
    panel: BacktestPanel
    rounds: Sequence[Round]
    others: Sequence[Participant]
    folder: Path
    show: bool | None

    def run(self) -> tuple[Any, dict[str, Any]]:
        """Fit and ask everybody, fold by fold.

        Returns:
            All forecasts as a pandas frame, and for the summary ``folds``, ``scores``, ``calibration``, ``verdict``.
        """
        outcomes, model = [], None
        for one in self.rounds:
            get_logger().info("%s of %d, %d windows", one.fold, len(self.rounds), len(one.row_N))
            if model is None or one.fold.fits:
                model = ModelPredictor(self.config, self.folder / str(one.fold.number), one.fold.cuts, self.show)
            outcomes.append(self._outcome(one, model))
            if one.fold.number % PROGRAMS == 0:
                jax.clear_caches()
        return self._results(outcomes)

    def _outcome(self, one: Round, model: ModelPredictor) -> FoldForecasts:
        panel, fold, task = self.panel, one.fold, Task.of(self.config)
        known = panel.frame(fold.begin, fold.cutoff) if fold.fits else None
        frame, keys = panel.frame(fold.begin, fold.end), panel.keys(one.row_N)
        forecasts = {}
        for participant in (*self.others, Participant(model, "model")):  # the model last: others fail sooner
            if fold.fits:
                participant.fit(known, fold)
            forecasts[participant.name] = forecast = participant.ask(frame, keys, task, fold)
            if participant.kind == "own":
                require_causal(participant, panel, fold, one.row_N, forecast, task)
        conformal = model.forecaster.conformal() if self.options.conformal else None
        return FoldForecasts(forecasts, model.result.run_dir, conformal)

    def _results(self, outcomes: Sequence[FoldForecasts]) -> tuple[Any, dict[str, Any]]:
        task, sizes = Task.of(self.config), [len(one.row_N) for one in self.rounds]
        forecasts = {name: pooled(name, [one.forecasts[name] for one in outcomes]) for name in outcomes[0].forecasts}
        first = fold_dataset(self.panel, self.config, self.rounds[0].fold, self.options)
        judge = FoldScorer(
            self.panel,
            np.concatenate([one.row_N for one in self.rounds]),
            np.repeat(np.arange(len(sizes)), sizes),
            reference(self.panel, first, task),
            task,
        )
        scores = judge.scores(ModelPredictor.name, self.others, forecasts)
        runs = [str(one.run.relative_to(self.folder.parent)) for one in outcomes]
        conformals = [one.conformal for one in outcomes if one.conformal]
        return self._table(outcomes), {
            "folds": [one.describe() | {"run": run} for one, run in zip(self.rounds, runs, strict=True)],
            "scores": scores,
            "calibration": judge.calibration(forecasts[ModelPredictor.name], conformals),
            "verdict": scores[ModelPredictor.name]["verdict"],
        }

    def _table(self, outcomes: Sequence[FoldForecasts]) -> Any:
        task, levels = Task.of(self.config), self.options.levels
        tables = []
        for name in (ModelPredictor.name, *(e.name for e in self.others)):
            for one, outcome in zip(self.rounds, outcomes, strict=True):
                conformal = outcome.conformal if name == ModelPredictor.name else None
                forecast = outcome.forecasts[name]
                tables.append(fold_table(name, forecast, self.panel, one.fold, one.row_N, task, levels, conformal))
        return joined(tables)
