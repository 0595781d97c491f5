"""Forecasts of series by trained models: here, or in groups of series on the workers of a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np

from nextbar import checksums
from nextbar.bars.bars import Bars
from nextbar.bars.handed_over import hand_over, taken_over
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import RunError
from nextbar.forecasts.mixture import mixture
from nextbar.inference.forward import Forward
from nextbar.inference.loading import load_run
from nextbar.machine.clusters import answers_of, job_folder, joined
from nextbar.machine.compilation import enable_cache
from nextbar.machine.units import Unit
from nextbar.types import Forecast

GROUPS = 4
"""groups of series for each worker, so that one that is slower than the others does fewer"""


def forecast_series(
    forwards: Sequence[Forward],
    preparation: Preparation,
    bars: Sequence[Bars],
    fits: Sequence[SeriesFit],
    origin_N: np.ndarray,
) -> Forecast:
    """The mixture of the models' forecasts; nothing is checked.

    Args:
        forwards: the models.
        preparation: what was learnt from the training span.
        bars: series with their indicators.
        fits: calendar and statistics of each of them.
        origin_N: rows of the series end to end with a whole context.
    """
    tape = preparation.tape(bars, fits)
    # a window's place in its batch follows from its ticker and time, as ``Forward`` needs it
    place_R = preparation.panel(bars).per_bar(lambda b: b.time_N // b.step + crc32(b.name.encode()))
    return mixture([forward(tape, origin_N, place_R[origin_N]) for forward in forwards])


def forecast_on_cluster(
    on: str,
    source: Sequence[tuple[str, int]],
    forwards: Sequence[Forward],
    preparation: Preparation,
    bars: Sequence[Bars],
    fits: Sequence[SeriesFit],
    origins: Sequence[np.ndarray],
) -> Forecast:
    """The same on a cluster.

    Args:
        on: address of the cluster, whose workers have the runs in sight.
        source: absolute paths of the runs that the models were loaded from, and the epoch of each.
        forwards: see ``forecast_series``.
        preparation: see ``forecast_series``.
        bars: see ``forecast_series``.
        fits: see ``forecast_series``.
        origins: rows of each series.

    Raises:
        RunError: a worker fails, or finds other models in the runs' folders; or see ``Cluster.answers``.
    """
    models = tuple(source), _digest(forwards, preparation)
    with joined(on) as cluster, job_folder(Path(source[0][0]).parent) as job:
        assert cluster is not None
        folder = hand_over(bars, job / "bars")
        groups = np.array_split(np.arange(len(bars)), min(len(bars), GROUPS * cluster.workers))
        units = [
            Unit(f"series {group[0] + 1} to {group[-1] + 1} of {len(bars)}", forecast_group,
                 (*models, folder, group.tolist(), [fits[s] for s in group], [origins[s] for s in group]))
            for group in groups
        ]  # fmt: skip
        by_group = dict(answers_of(cluster, units, job))
    parts = zip(*(by_group[g] for g in range(len(groups))), strict=True)
    return Forecast(*(None if arrays[0] is None else np.concatenate(arrays) for arrays in parts))


def forecast_group(
    source: tuple[tuple[str, int], ...],
    digest: str,
    folder: str,
    numbers: Sequence[int],
    fits: Sequence[SeriesFit],
    origins: Sequence[np.ndarray],
) -> Forecast:
    """A unit for a worker: forecasts of some of the series that were handed over."""
    forwards, preparation = _loaded(source, digest)
    bars = taken_over(folder, numbers)
    return forecast_series(forwards, preparation, bars, fits, preparation.panel(bars).join(origins))


@lru_cache(maxsize=1)
def _loaded(source: tuple[tuple[str, int], ...], digest: str) -> tuple[list[Forward], Preparation]:
    """The models that the command has; kept from unit to unit, and for later commands that have the same ones.

    Raises:
        RunError: the folders hold others by now.
    """
    loaded = [load_run(path, epoch) for path, epoch in source]
    forwards, preparation = [forward for run in loaded for forward in run.forwards()], loaded[0].preparation
    if _digest(forwards, preparation) != digest:
        raise RunError(
            f"{', '.join(path for path, _ in source)}: other weights lie there than those that are to forecast; was it "
            "trained anew meanwhile? Load it once more, and forecast again"
        )
    enable_cache()
    return forwards, preparation


def _digest(forwards: Sequence[Forward], preparation: Preparation) -> str:
    """Checksum of all that forecasts follow from beside the bars."""
    parts = [*(forward.digest() for forward in forwards), json.dumps(preparation.to_dict(), sort_keys=True)]
    return checksums.digest("\n".join(parts).encode())
