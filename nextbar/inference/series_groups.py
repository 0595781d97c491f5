"""Forecasts of many series on a cluster, whose workers do them in groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.handed_over import hand_over, taken_over
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import RunError
from nextbar.inference.loading import load_run
from nextbar.inference.models import Models
from nextbar.machine.clusters import answers_of, job_folder, joined
from nextbar.machine.compilation import enable_cache
from nextbar.machine.units import Unit
from nextbar.types import Forecast

GROUPS = 4
"""groups of series for each worker, so that one that is slower than the others does fewer"""


def forecast_on_cluster(
    on: str, models: Models, bars: Sequence[Bars], fits: Sequence[SeriesFit], origins: Sequence[np.ndarray]
) -> Forecast:
    """The forecasts of models, the same to the bit as here.

    Args:
        on: address of the cluster, whose workers have the runs in sight.
        models: as they were loaded.
        bars: series with their indicators.
        fits: calendar and statistics of each of them.
        origins: rows of each series.

    Raises:
        RunError: the models were not loaded from runs; a worker fails, or finds other models in their folders; or see
            ``Cluster.answers``.
    """
    if not models.source:
        raise RunError(
            "workers of a cluster load the model from its run's folder, and this one has been made of parameters; "
            "load it (Forecaster.load), or forecast with on='local'"
        )
    digest = models.digest()
    with joined(on) as cluster, job_folder(Path(models.source[0][0]).parent) as job:
        assert cluster is not None
        folder = hand_over(bars, job / "bars")
        groups = np.array_split(np.arange(len(bars)), min(len(bars), GROUPS * cluster.workers))
        units = [
            Unit(f"series {group[0] + 1} to {group[-1] + 1} of {len(bars)}", forecast_group,
                 (models.source, digest, folder, group.tolist(), [fits[s] for s in group], [origins[s] for s in group]))
            for group in groups
        ]  # fmt: skip
        by_group = dict(answers_of(cluster, units, job))
    return Forecast.joined(by_group[g] for g in range(len(groups)))


def forecast_group(
    source: tuple[tuple[str, int], ...],
    digest: str,
    folder: str,
    numbers: Sequence[int],
    fits: Sequence[SeriesFit],
    origins: Sequence[np.ndarray],
) -> Forecast:
    """A unit for a worker: forecasts of some of the series that were handed over."""
    models, bars = _loaded(source, digest), taken_over(folder, numbers)
    return models.forecast(bars, fits, models.preparation.panel(bars).join(origins))


@lru_cache(maxsize=1)
def _loaded(source: tuple[tuple[str, int], ...], digest: str) -> Models:
    """The models that the command has; kept from unit to unit, and for later commands that have the same ones.

    Raises:
        RunError: the folders hold others by now.
    """
    runs = [load_run(path, epoch) for path, epoch in source]
    models = Models(tuple(forward for run in runs for forward in run.forwards()), runs[0].preparation, source)
    if models.digest() != digest:
        raise RunError(
            f"{', '.join(path for path, _ in source)}: other weights lie there than those that are to forecast; was it "
            "trained anew meanwhile? Load it once more, and forecast again"
        )
    enable_cache()
    return models
