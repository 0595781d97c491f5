"""The model as a predictor like any other: trained in a run folder of its own, forecasting through a Forecaster."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from nextbar.bars.new_bars import read_new_bars
from nextbar.config import ExperimentConfig
from nextbar.data.splits import Cuts
from nextbar.errors import RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.logger import get_logger
from nextbar.resolution import seconds
from nextbar.runs.records import read_rival
from nextbar.runs.summary import fit_folder, read_summary
from nextbar.train.trainer import Plan, Trainer


class ModelPredictor:
    """The transformer of an experiment as a :class:`nextbar.baselines.Predictor`.

    Args:
        config: the experiment.
        folder: of its run.
        cuts: where validation begins, and where the bars to forecast begin.
        show: progress bar and closing table, as for the Trainer.
    """

    name = "transformer"

    def __init__(self, config: ExperimentConfig, folder: Path, cuts: Cuts, show: bool | None = None) -> None:
        self.config = replace(config, log_dir=str(folder.parent), experiment_name=folder.name)
        self.cuts = cuts
        self._show = show

    def fit(self, frame: Any) -> None:
        """Train on the bars known at the cutoff; a run that has ended is taken as it is.

        Raises:
            RunError: the training diverged before an epoch was whole.
            TrainingInterrupted: Ctrl-C.
        """
        bars = read_new_bars(self.config, frame)  # a resolution may have no bars yet
        result = Trainer(self.config, bars, plan=Plan(cuts=self.cuts), show=self._show).train_and_evaluate()
        if result.best_epoch is None:
            raise RunError(f"the training {result.status}: {result.message}")
        if result.status == "diverged":
            get_logger().warning("%s diverged; its best epoch is used. %s", result.run_dir, result.message)
        self.result = result
        self.forecaster = Forecaster.load(result.run_dir)

    def untrained(self) -> ModelPredictor | None:
        """The same model before it was trained; None of a run of an earlier version, which did not keep its start."""
        record = read_rival(fit_folder(self.result.run_dir, read_summary(self.result.run_dir)))
        if record is None or not record.get("start"):
            return None
        other = copy.copy(self)
        other.forecaster = self.forecaster.untrained(record["start"])
        return other

    def predict(self, frame: Any) -> Any:
        """Forecasts from every bar of the scored tickers after the cutoff, and from a few before."""
        scored = frame[frame["ticker"].isin(self.config.scored_tickers)]
        return self.forecaster.predict(self._reached(scored), levels=(), last_only=False, law=True)

    def _reached(self, frame: Any) -> Any:
        """The frame without bars too early for any forecast; all of it with indicators, which may need the first."""
        import pandas as pd

        dataset = self.config.dataset_config
        if dataset.indicators:
            return frame
        keys = [name for name in ("ticker", "resolution") if name in frame]
        late = frame["date"] >= pd.Timestamp(
            self.cuts.test - max(map(seconds, dataset.resolutions)), unit="s", tz="UTC"
        )
        number = late.groupby([frame[key] for key in keys]).transform("sum")
        resolution = frame["resolution"] if "resolution" in frame else [dataset.resolutions[0]] * len(frame)
        history = self.forecaster.preparation.history
        looked_at = {pair: history(*pair) for pair in set(zip(frame["ticker"], resolution, strict=True))}
        needed = [looked_at[pair] for pair in zip(frame["ticker"], resolution, strict=True)]
        return frame[frame.groupby(keys).cumcount(ascending=False) - number < needed]
