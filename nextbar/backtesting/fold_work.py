"""The folds that one fit forecasts: participants are fitted on the bars before, and forecast; here or on a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from nextbar.backtesting.causality import require_causal
from nextbar.backtesting.folds import Fold
from nextbar.backtesting.model import ModelPredictor
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant, taking_part
from nextbar.backtesting.times import Seconds, Times
from nextbar.bars.handed_over import taken_over
from nextbar.bars.naming import Naming
from nextbar.baselines import Predictor
from nextbar.config import ExperimentConfig
from nextbar.forecasts import Keys
from nextbar.logger import get_logger
from nextbar.machine.interruptible import hear
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.task import Task
from nextbar.runs.summary import ENDED, SUMMARY, read_summary
from nextbar.types import Forecast


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
    start: Forecast | None
    """the forecasts of the model before it was trained; None of a run of an earlier version"""
    conformal: Conformal | None
    """the model's validation residuals, where intervals are to be adjusted"""


@dataclass(frozen=True, eq=False)
class FoldWork:
    """Participants of a backtest, and the bars that they are fitted on and forecast.

    Args:
        config: the experiment.
        options: of the backtest.
        panel: all bars.
        others: the participants beside the model.
        folder: of the model's runs.
        show: progress bars of the trainings.
    """

    config: ExperimentConfig
    options: BacktestOptions
    panel: BacktestPanel
    others: Sequence[Participant]
    folder: Path
    show: bool | None

    def forecasts(self, folds: Sequence[PlannedFold], times: Times) -> list[FoldForecasts]:
        """Fit all participants on the history of the first fold, and ask them for each."""
        first = folds[0].fold
        model = ModelPredictor(self.config, self.folder / str(first.number), first.cuts, self.show)
        return [self._forecasts(planned, model, times) for planned in folds]

    def _forecasts(self, planned: PlannedFold, model: ModelPredictor, times: Times) -> FoldForecasts:
        panel, fold, task = self.panel, planned.fold, Task.of(self.config)
        get_logger().info("%s of %d, %d windows", fold, self.options.folds, len(planned.row_N))
        history = panel.frame(fold.begin, fold.cutoff) if fold.fits else None
        frame, keys = panel.frame(fold.begin, fold.end), panel.keys(planned.row_N)
        forecasts = {}
        for participant in (*self.others, Participant(model, "model")):  # the model last: others fail sooner
            name = participant.name
            hear()
            if fold.fits:
                trained = participant.kind == "model" and self._is_trained(fold)
                with times.measured(name, "fit", fold.number, keep=trained):
                    participant.fit(history, fold)
            hear()
            with times.measured(name, "predict", fold.number):
                forecasts[name] = forecast = participant.ask(frame, keys, task, fold)
            if participant.kind == "own":
                require_causal(participant, panel, fold, planned.row_N, forecast, task, self.options.folds)
        conformal = model.forecaster.conformal() if self.options.conformal else None
        start = self._start(model, frame, keys, task, fold)
        return FoldForecasts(forecasts, model.result.run_dir, start, conformal)

    def _start(self, model: ModelPredictor, frame: Any, keys: Keys, task: Task, fold: Fold) -> Forecast | None:
        """The forecasts of the untrained model, which costs nothing."""
        untrained = model.untrained()
        return None if untrained is None else Participant(untrained, "model").ask(frame, keys, task, fold)

    def _is_trained(self, fold: Fold) -> bool:
        """Whether the model of a fold has been trained before, so that its run is taken as it is."""
        runs = [path.parent for path in (self.folder / str(fold.number)).glob(f"*/{SUMMARY}")]
        return any(read_summary(run).get("status") in ENDED for run in runs)


def forecast_folds(
    bars: str,
    config: ExperimentConfig,
    options: BacktestOptions,
    own: Sequence[Predictor],
    folder: Path,
    folds: Sequence[PlannedFold],
    seconds: Seconds,
) -> tuple[list[FoldForecasts], Seconds]:
    """``FoldWork.forecasts`` as a unit for a worker of a cluster.

    Args:
        bars: where they were handed over, those of the panel.
        config: the experiment.
        options: of the backtest; ``baselines`` names those that take part.
        own: the user's predictors.
        folder: of the model's runs.
        folds: that one fit forecasts.
        seconds: measured before.

    Returns:
        Forecasts by fold, and what has been measured now, or before and is kept.
    """
    dataset, times = config.dataset_config, Times(None, seconds)
    panel = BacktestPanel(tuple(taken_over(bars)), dataset.horizon, Naming.of(dataset))
    work = FoldWork(config, options, panel, taking_part(config, options, own), folder, show=False)
    try:
        return work.forecasts(folds, times), times.seconds
    finally:
        jax.clear_caches()  # the shapes of the next fold are others
