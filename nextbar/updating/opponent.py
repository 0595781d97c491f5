"""What a run's forecasts are held against in the log: the law of its rival from each origin, and the unit of errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nextbar.baselines.rivals import Rival
from nextbar.config import ExperimentConfig
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import DataError
from nextbar.inference.rival import ALONE, rival_of
from nextbar.inference.series_reference import series_reference
from nextbar.logger import get_logger
from nextbar.metrics.reference import BASELINE_NAMES, baseline_forecast, target_unit
from nextbar.metrics.scorer import FreeForecast
from nextbar.metrics.task import Task
from nextbar.runs.records import read_reference
from nextbar.runs.summary import fit_folder, read_summary
from nextbar.types import Forecast, Outcomes, Reference
from nextbar.updating.law_values import is_finite, plain_law


class Opponent(NamedTuple):
    """What the forecasts from N origins are held against."""

    law_N: list[dict[str, Any] | None]
    """name and law of the rival, or else of the plain baseline; None where a number of the law is not finite"""
    unit_NH: np.ndarray
    """standard deviation of the move over 1 ... H bars in training, in the unit of the target"""

    @classmethod
    def of(
        cls,
        run_dir: Path,
        config: ExperimentConfig,
        task: Task,
        panel: Panel,
        fits: Sequence[SeriesFit],
        origin_N: np.ndarray,
    ) -> Opponent:
        """That of a run; tells where it has no rival, or one that cannot forecast a series.

        Args:
            run_dir: its folder.
            config: its configuration.
            task: what it predicts.
            panel: bars that have closed.
            fits: calendar and statistics of each series.
            origin_N: rows of the last known bars, series by series.

        Raises:
            RunError: a file of the run is damaged.
        """
        fit_dir = fit_folder(run_dir, read_summary(run_dir))
        reference = series_reference(panel, fits, origin_N, "test", task, *read_reference(fit_dir))
        series_N = panel.series_R[origin_N]
        unit_N = target_unit(reference, series_N, panel.close_R[origin_N], task)
        unit_NH = np.asarray(reference.move_std_SH[series_N] * unit_N[:, None])
        rival, notice = rival_of(run_dir, fit_dir, config, own=False)
        if notice:
            get_logger().warning("%s: %s", run_dir, notice)
        laws: list[dict[str, Any] | None] = []
        for s in range(len(panel.bars)):
            own_N = origin_N[series_N == s]
            if len(own_N):
                strongest = _of_rival(run_dir, rival, panel, fits, own_N, reference)
                if strongest is None:
                    laws += _laws(BASELINE_NAMES[task.output_mode], _of_baseline(panel, own_N, reference, task))
                else:
                    laws += _laws(strongest.name, strongest.forecast)
        return cls(laws, unit_NH)


def _of_rival(
    run_dir: Path,
    rival: Rival | None,
    panel: Panel,
    fits: Sequence[SeriesFit],
    origin_N: np.ndarray,
    reference: Reference,
) -> FreeForecast | None:
    """The rival's forecasts from the origins of one series; None where there is none, or not from each of them.

    On a series that the run did not train it is fitted by itself, on the bars that the run had of it, or else on those
    up to the first of the origins.
    """
    if rival is None:
        return None
    calendars = [fit.calendar for fit in fits]
    try:
        rival = rival.with_own(panel, calendars, origin_N, keep=True)
        strongest = rival.strongest(panel, calendars, origin_N, reference)
    except DataError as error:
        get_logger().warning("%s: %s: %s", run_dir, ALONE, error)
        return None
    return strongest if strongest is not None and is_finite(strongest.forecast).all() else None


def _of_baseline(panel: Panel, origin_N: np.ndarray, reference: Reference, task: Task) -> Forecast:
    """The plain baseline's forecasts from some origins, whose outcomes have not come: they are NaN."""
    waiting_NH = np.full((len(origin_N), task.horizon), np.nan)
    series_N, close_N = panel.series_R[origin_N], panel.close_R[origin_N]
    pending = Outcomes(series_N, panel.names, panel.close_time_R[origin_N], close_N, waiting_NH)
    return baseline_forecast(reference, pending, task)


def _laws(name: str, forecast: Forecast) -> list[dict[str, Any] | None]:
    """Name and law of each of some forecasts, as the log has them."""
    return [
        {"name": name, "law": plain_law(forecast, n)} if finite else None
        for n, finite in enumerate(is_finite(forecast))
    ]
