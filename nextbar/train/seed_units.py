"""Seeds of an experiment trained on a cluster, each by a worker alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nextbar.bars.columns import FrameNames
from nextbar.bars.handed_over import hand_over, taken_over
from nextbar.bars.series import series_of
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.errors import TrainingInterrupted
from nextbar.machine.clusters import Cluster, answers_of, job_folder
from nextbar.machine.hosts import require_alone
from nextbar.machine.units import Unit
from nextbar.runs.folder import RunFolder
from nextbar.storage.address import require_local
from nextbar.train.result import Result
from nextbar.train.trainer import Trainer


def train_on_cluster(
    cluster: Cluster, configs: Sequence[ExperimentConfig], bars: Any, overwrite: bool, **names: Unpack[FrameNames]
) -> list[Result]:
    """Train an experiment with several seeds, each as ``Trainer`` would here.

    Args:
        cluster: its workers have the log folder in sight, on a disk.
        configs: the experiment with each seed.
        bars: as for ``Trainer``.
        overwrite: throw earlier runs of these seeds on these bars away first.
        names: as for ``Trainer``.

    Raises:
        NextbarError: bars or folders that cannot be used; a worker fails, or see ``Cluster.answers``.
        TrainingInterrupted: Ctrl-C; the state after each one's last whole epoch is saved.
    """
    require_alone("training on a cluster")
    require_local(
        configs[0].log_dir, "log_dir: the workers of a cluster share it", "without --on seeds can be trained there"
    )
    series = series_of(configs[0], bars, **names)
    dataset = build_dataset(configs[0], series)
    runs = [RunFolder(config, dataset.fingerprint) for config in configs]
    for run in runs:  # refused before anything is sent; and nothing is thrown away when a worker's unit is done again
        with run.claimed(overwrite, dataset.used):
            pass
    folder = runs[0].experiment
    try:
        with job_folder(folder) as job:
            path = hand_over(series, job / "bars")
            units = [Unit(f"seed {config.seed}", train_seed, (path, config)) for config in configs]
            results = dict(answers_of(cluster, units, job))
    except KeyboardInterrupt:
        raise TrainingInterrupted(
            f"interrupted; the workers stop too, whole epochs are kept in {folder}, the same command goes on from there"
        ) from None
    return [results[i] for i in range(len(configs))]


def train_seed(bars: str, config: ExperimentConfig) -> Result:
    """A unit for a worker: one training, or what is left of it."""
    return Trainer(config, taken_over(bars), show=False).train_and_evaluate()
