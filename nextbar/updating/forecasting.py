"""Forecasts of a run, or of its last refit, for the log: one from every bar since the run's own end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.origins import usable_origins
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import DataError, RunError
from nextbar.inference.fits import fit_of, with_features
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.model_input import last_input
from nextbar.machine.interruptible import run_interruptible
from nextbar.runs.bars import ends
from nextbar.updating.contents import ForecastKey
from nextbar.updating.law_values import is_finite, plain_law
from nextbar.updating.opponent import Opponent

ADVICE = "to fit them on its bars up to the end of the run's, ask for it with fit_scaler=True (--fit-scaler)"


class Model:
    """A run that forecasts some series.

    Args:
        run_dir: its folder.
        series: bars that have closed.
        fit_scaler: let series that the run did not know have statistics of their own.

    Raises:
        DataError: a column is missing, or there are no statistics.
        RunError: the run cannot be loaded.
    """

    def __init__(self, run_dir: Path, series: Sequence[Bars], fit_scaler: bool) -> None:
        self.run_dir = run_dir
        self.forecaster = Forecaster.load(run_dir)
        self.preparation = self.forecaster.preparation
        self.task = self.forecaster.task
        dataset = self.forecaster.config.dataset_config
        self._ends_S = ends([run_dir], series)
        bars = [with_features(b, dataset, self.preparation.spec) for b in series]
        self.fits: list[SeriesFit] = []
        for b, end in zip(bars, self._ends_S, strict=True):
            n_fit = int((b.time_N <= end).sum()) if fit_scaler else 0
            self.fits.append(fit_of(b, dataset, self.preparation, n_fit, ADVICE))
        self.panel: Panel = self.preparation.panel(bars)

    @property
    def until(self) -> int:
        """When the last of its own bars closed."""
        return max(end + bars.step for end, bars in zip(self._ends_S, self.panel.bars, strict=True))

    @cached_property
    def origin_N(self) -> np.ndarray:
        """Rows that it forecasts from: none of their labels was among its own bars."""
        rows = []
        for bars, fit, end in zip(self.panel.bars, self.fits, self._ends_S, strict=True):
            usable = np.flatnonzero(usable_origins(bars, fit.calendar, self.preparation.spec, horizon=0))
            rows.append(usable[bars.time_N[usable] >= end])
        return self.panel.join(rows)

    def not_forecast(self) -> list[str]:
        """Why there is no forecast from the last bar of some series, a sentence each."""
        reasons = []
        for bars, fit in zip(self.panel.bars, self.fits, strict=True):
            try:
                last_input(bars, fit, self.preparation, self.forecaster.warned_short)
            except DataError as error:
                reasons.append(str(error))
        return reasons

    def lines(self, criterion: Callable[[ForecastKey, int], bool]) -> list[dict[str, Any]]:
        """A line of the log for each forecast that fulfils a criterion, by when it is known and then by series.

        Args:
            criterion: of the forecast from each origin, and of the time at which that closed.

        Raises:
            RunError: a forecast is no number.
        """
        panel = self.panel
        place_N = np.flatnonzero([criterion(self._key(row), int(panel.close_time_R[row])) for row in self.origin_N])
        if not len(place_N):
            return []
        rows = self.origin_N[place_N]
        forecast = run_interruptible(lambda: self.forecaster.forecast(panel.bars, self.fits, rows), lambda: None)
        if not is_finite(forecast).all():
            raise RunError(f"{self.run_dir}: a forecast is not a finite number; look at the bars, or train anew")
        lines = [self._line(int(place), plain_law(forecast, n)) for n, place in enumerate(place_N)]
        return sorted(lines, key=lambda line: (line["known"], line["series"]))

    def _key(self, row: int) -> ForecastKey:
        bars = self.panel.bars[self.panel.series_R[row]]
        return ForecastKey(bars.name, int(self.panel.time_R[row]))

    def _line(self, place: int, law: dict[str, Any]) -> dict[str, Any]:
        """The line of the forecast from the origin at a place among all of them."""
        panel, row = self.panel, int(self.origin_N[place])
        s = int(panel.series_R[row])
        dates_H = self.fits[s].calendar.next_times_after(panel.time_R[row : row + 1], self.task.horizon)[0]
        unit_H = self._opponent.unit_NH[place]
        return {
            "kind": "forecast",
            "series": panel.bars[s].name,
            "origin": iso(panel.time_R[row]),
            "known": iso(panel.close_time_R[row]),
            "dates": [iso(date) for date in dates_H],
            "model": self.run_dir.name,
            "late": bool(row + 1 < panel.starts[s + 1]),
            "close": float(panel.close_R[row]),
            "law": law,
            "rival": self._opponent.law_N[place],
            "unit": unit_H.tolist() if np.isfinite(unit_H).all() else None,
        }

    @cached_property
    def _opponent(self) -> Opponent:
        """For all origins, also those of forecasts that are in the log, since rounding must not depend on which are."""
        config = self.forecaster.config
        return Opponent.of(self.run_dir, config, self.task, self.panel, self.fits, self.origin_N)
