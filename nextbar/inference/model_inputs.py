"""Inputs of a model from the series in a frame: checked bars that have closed, and the origins of forecasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from nextbar.bars.bars import Bars, is_bars, table_bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.columns import FrameNames, TableNeeds, refuse_names
from nextbar.bars.dates import read_dates
from nextbar.bars.new_bars import tables_of, trained_on
from nextbar.bars.present import Present
from nextbar.bars.rows_ahead import rows_ahead_of
from nextbar.bars.table import Table
from nextbar.config import DatasetConfig
from nextbar.data.covariates import with_ahead
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.data.window_spec import WindowSpec
from nextbar.forecasts import Keys
from nextbar.inference.fits import fit_of, with_features
from nextbar.inference.model_input import ModelInput, last_input, whole_input
from nextbar.resolution import seconds

FEWEST_READ = 32
"""bars looked at where the context is shorter, so that another resolution is noticed"""

FIT_SCALER = "to fit them on the bars given, ask for it with fit_scaler=True (--fit-scaler)"


class ModelInputs(NamedTuple):
    """Series as a model sees them, by resolution and then by ticker."""

    each: Sequence[ModelInput]

    @property
    def bars(self) -> list[Bars]:
        """Of each."""
        return [series.bars for series in self.each]

    @property
    def fits(self) -> list[SeriesFit]:
        """Of each."""
        return [series.fit for series in self.each]

    @property
    def origins(self) -> list[np.ndarray]:
        """Of each the rows that forecasts can be made from, N in all."""
        return [series.origin_N for series in self.each]

    @property
    def series_N(self) -> np.ndarray:
        """int64 (N,): the series of each forecast."""
        return np.repeat(np.arange(len(self.each)), list(map(len, self.origins)))

    def keys(self, spec: WindowSpec, *, with_resolution: bool = False) -> Keys:
        """Ticker, resolution and dates of the forecasts, series after series.

        Args:
            spec: the windows; where covariates are known ahead, the bars and rows after an origin say which bars follow
                it, else the calendar.
            with_resolution: name the resolution of each series; False: all have the same.
        """
        series_N = self.series_N
        times = [series.bars.time_N[series.origin_N] for series in self.each]
        dates = [
            with_ahead(series.bars)[series.origin_N[:, None] + np.arange(1, spec.horizon + 1)]
            if spec.known_ahead
            else series.fit.calendar.next_times_after(time_N, spec.horizon)
            for series, time_N in zip(self.each, times, strict=True)
        ]
        return Keys(
            np.array([b.ticker for b in self.bars], object)[series_N],
            np.array([b.resolution for b in self.bars], object)[series_N] if with_resolution else None,
            np.concatenate(times),
            np.concatenate(dates),
            np.concatenate([series.bars.columns["close"][series.origin_N] for series in self.each]),
        )


def read_model_inputs(
    frame: Any,
    config: DatasetConfig,
    preparation: Preparation,
    *,
    present: Present,
    last_only: bool = True,
    fit_scaler: bool = False,
    warned: set[tuple[str, str]] | None = None,
    **names: Unpack[FrameNames],
) -> ModelInputs:
    """The series of a frame.

    Args:
        frame: pandas or polars, long or of one series, or a list of ``Bars``.
        config: what the model was trained on.
        preparation: what was learnt from its training span.
        present: bars that close later are left out; it notes them, and series that end long before.
        last_only: forecast from the last bar alone; then only the last bars are read, unless indicators or an unknown
            series need the others. Otherwise from every bar whose context is whole.
        fit_scaler: fit the statistics of series that training did not know on all their bars.
        warned: see ``last_input``.
        names: what the frame calls its columns.

    Raises:
        DataError: no bars, or a series that nothing can be forecast for.
        ConfigError: names of columns, but no frame.
    """
    series: Sequence[Bars] | Iterator[Bars]
    if is_bars(frame):
        refuse_names(names)
        series = frame
    else:
        series = _read(frame, config, preparation, last_only, present, **names)
    inputs = []
    for bars in (present.closed_bars(b, preparation.calendar(b.ticker, b.resolution)) for b in series):
        full = with_features(bars, config, preparation.spec)
        fit = fit_of(full, config, preparation, len(bars) if fit_scaler else 0, FIT_SCALER)
        inputs.append((last_input if last_only else whole_input)(full, fit, preparation, warned))
        if last_only:
            present.note_end(full.name, int(full.time_N[-1]), fit.calendar)
    return ModelInputs(inputs)


def _read(
    frame: Any,
    config: DatasetConfig,
    preparation: Preparation,
    last_only: bool,
    present: Present,
    **names: Unpack[FrameNames],
) -> Iterator[Bars]:
    """The series of a frame, checked as those of the training were."""
    needs = TableNeeds.of(config, **names)
    for resolution, ticker, table in tables_of(frame, config, **names):
        is_trained = preparation.find(ticker, resolution) is not None
        needed = (
            max(preparation.history(ticker, resolution), FEWEST_READ)
            if last_only and is_trained and not config.indicators
            else None
        )
        if not config.known_ahead:  # bars that have not closed are left out after the checks, and become rows ahead
            calendar = preparation.calendar(ticker, resolution)
            table = _closed_rows(table, f"{ticker}_{resolution}", needs, seconds(resolution), needed, present, calendar)
        with trained_on(config):
            yield table_bars(table, ticker, resolution, needs)


def _closed_rows(
    table: Table,
    name: str,
    needs: TableNeeds,
    step: int,
    n: int | None,
    present: Present,
    calendar: Calendar | None,
) -> Table:
    """The bars of a table that have closed; only the last ``n``, where they can be found without reading the others.

    Values of an unfinished bar must not forbid a forecast, so it is left out before anything is checked.
    """
    ahead_N = rows_ahead_of(table, needs)
    if ahead_N.any():
        table = table.of_rows(~ahead_N)
    at = needs.match(list(table.frame.columns))[0].get("date")
    if at is None or not len(table):
        return table
    column = table.frame.iloc[:, at]
    ends = read_dates(column.iloc[[0, -1]])
    # dates that are text take as long to read as the rest of the table
    if not present.near(ends.seconds_N[ends.good_N], step) and (n is None or column.dtype.kind != "M"):
        return table
    dates = read_dates(column)
    closed_N = ~dates.good_N
    closed_N[dates.good_N] = present.closed(name, dates.seconds_N[dates.good_N], step, calendar)
    kept = np.flatnonzero(closed_N)
    if n is not None and dates.good_N.all() and (np.diff(dates.seconds_N) > 0).all():
        kept = kept[-n:]
    if not len(kept):
        raise present.nothing_closed(table.source)
    return table.of_rows(kept)
