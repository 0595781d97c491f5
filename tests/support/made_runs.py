"""Run folders without a training: the windows of made-up bars, and a model of random parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from builders import make_bars, make_config, make_frame

from nextbar.bars.bars import Bars
from nextbar.bars.series import series_tickers
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.forward import expected_shapes
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.task import Task
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.folder import RunFolder
from nextbar.runs.records import write_conformal, write_reference, write_rival
from nextbar.train.scored_spans import ScoredSpans, reference_of


@dataclass
class MadeRun:
    """A run folder, and what it was made of."""

    run_dir: Path
    config: ExperimentConfig
    bars: list[Bars]
    dataset: Dataset

    @property
    def frame(self) -> pd.DataFrame:
        """The bars in long format."""
        return make_frame(*self.bars)

    def load(self, epoch: int | None = None) -> Forecaster:
        """The forecaster of an epoch."""
        return Forecaster.load(self.run_dir, epoch)


def make_run(
    log_dir: Path,
    bars: list[Bars] | None = None,
    n: int = 150,
    losses: tuple[float, ...] = (0.2, 0.1),
    **overrides: Any,
) -> MadeRun:
    """A finished run with an epoch for each of ``losses``; fields of the experiment as in ``make_config``."""
    config = make_config(log_dir=str(log_dir), **overrides)
    pairs = [(r, t) for r in config.dataset_config.resolutions for t in series_tickers(config)]
    bars = bars or [make_bars(t, r, n, seed=i, price=100 * 10**i) for i, (r, t) in enumerate(pairs)]
    dataset = build_dataset(config, bars)
    run = RunFolder(config, dataset.fingerprint)
    best = int(np.argmin(losses)) + 1
    with run.claimed(overwrite=False):
        run.begin(dataset, {"metrics": {}, "message": ""})
        checkpoints = Checkpoints(run.checkpoints, enabled=config.save_weights)
        for epoch, loss in enumerate(losses, start=1):
            checkpoints.save(epoch, {"params": random_parameters(config, dataset, epoch)}, {}, loss)
        checkpoints.close()
        task = Task.of(config)
        write_reference(run.path, dataset.names, reference_of(dataset, "test", task))
        write_rival(run.path, ScoredSpans(config, dataset).rival.to_dict())
        run.update(status="finished", best_epoch=best)
    made = MadeRun(run.path, config, bars, dataset)
    if task.output_mode == "distribution":
        rows = dataset.origins["validation"]
        forecast = made.load().forecast(dataset.bars, dataset.preparation.series, rows)
        write_conformal(run.path, best, Conformal.fit(dataset.outcomes_at(rows), forecast, task))
    return made


def random_parameters(config: ExperimentConfig, dataset: Dataset, seed: int = 0) -> Any:
    """Parameters of the experiment's model whose forecasts differ from window to window; of members with axis M."""
    rng = np.random.default_rng(seed)
    members = () if config.seeds == 1 else (config.seeds,)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return 0.3 * rng.standard_normal((*members, *shape)).astype(np.float32)

    shapes = expected_shapes(config, dataset.preparation.spec)
    return jax.tree.map(draw, shapes, is_leaf=lambda node: isinstance(node, tuple))
