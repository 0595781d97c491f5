"""What a model sees of each series that it forecasts: bars that have closed, calendar and statistics, origins."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from nextbar.bars.bars import Bars, is_bars, table_bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.columns import FrameNames, TableNeeds, refuse_names
from nextbar.bars.dates import iso, read_dates
from nextbar.bars.new_bars import tables_of, trained_on
from nextbar.bars.present import Present
from nextbar.bars.rows_ahead import rows_ahead_of
from nextbar.bars.table import Table
from nextbar.config import DatasetConfig
from nextbar.data.closed_bars import closed_bars, reach
from nextbar.data.covariates import with_ahead
from nextbar.data.origins import known_ahead, usable_origins
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError
from nextbar.forecasts import Keys
from nextbar.inference.fits import fit_of, with_features
from nextbar.logger import get_logger
from nextbar.resolution import seconds

FEWEST_READ = 32
"""bars looked at where the context is shorter, so that another resolution is noticed"""

FIT_SCALER = "to fit them on the bars given, ask for it with fit_scaler=True (--fit-scaler)"


class ModelInput(NamedTuple):
    """One series as a model sees it."""

    bars: Bars
    fit: SeriesFit
    origin_N: np.ndarray
    """rows of the bars that forecasts can be made from"""


def read_model_inputs(
    frame: Any,
    config: DatasetConfig,
    preparation: Preparation,
    *,
    present: Present,
    last_only: bool = True,
    fit_scaler: bool = False,
    told: set[tuple[str, str]] | None = None,
    **names: Unpack[FrameNames],
) -> list[ModelInput]:
    """The series of a frame, by resolution and then by ticker.

    Args:
        frame: pandas or polars, long or of one series, or a list of ``Bars``.
        config: what the model was trained on.
        preparation: what was learnt from its training span.
        present: bars that close later are left out; it notes them, and series that end long before.
        last_only: forecast from the last bar alone; then only the last bars are read, unless indicators or an unknown
            series need the others. Otherwise from every bar whose context is whole.
        fit_scaler: fit the statistics of series that training did not know on all their bars.
        told: see ``last_input``.
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
        inputs.append((last_input if last_only else _whole_input)(full, fit, preparation, told))
        if last_only:
            present.note_end(full.name, int(full.time_N[-1]), fit.calendar)
    return inputs


def forecast_keys(inputs: Sequence[ModelInput], spec: WindowSpec, *, with_resolution: bool) -> Keys:
    """Ticker, resolution and dates of the forecasts from all origins, series after series.

    Args:
        inputs: the series.
        spec: the windows; where covariates are known ahead, the bars and rows after an origin say which bars follow it,
            else the calendar.
        with_resolution: name the resolution of each series; False: all have the same.
    """
    series_N = np.repeat(np.arange(len(inputs)), [len(i.origin_N) for i in inputs])
    times = [i.bars.time_N[i.origin_N] for i in inputs]
    dates = [
        with_ahead(i.bars)[i.origin_N[:, None] + np.arange(1, spec.horizon + 1)]
        if spec.known_ahead
        else i.fit.calendar.next_times_after(time_N, spec.horizon)
        for i, time_N in zip(inputs, times, strict=True)
    ]
    return Keys(
        np.array([i.bars.ticker for i in inputs], object)[series_N],
        np.array([i.bars.resolution for i in inputs], object)[series_N] if with_resolution else None,
        np.concatenate(times),
        np.concatenate(dates),
        np.concatenate([i.bars.columns["close"][i.origin_N] for i in inputs]),
    )


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
        table = dataclasses.replace(table, frame=table.frame[~ahead_N], rows_N=table.rows_N[~ahead_N])
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
    return dataclasses.replace(table, frame=table.frame.iloc[kept], rows_N=table.rows_N[kept])


def last_input(
    bars: Bars, fit: SeriesFit, preparation: Preparation, told: set[tuple[str, str]] | None = None
) -> ModelInput:
    """The last bars that a forecast looks at, and the last of them as origin.

    Args:
        bars: with their indicators.
        fit: of the series.
        preparation: of the model.
        told: series and longer resolutions of which it has been told that there are too few; more are put there.

    Raises:
        DataError: there are fewer than L, a bar is missing among the last L, a column has no value there, or what is to
            be known ahead is not.
    """
    spec, length = preparation.spec, preparation.spec.seq_len
    if len(bars) < length:
        raise DataError(f"{bars.name}: {len(bars)} bars, but the model needs the last {length}")
    recent = bars.last(length)
    holes, outside = fit.calendar.hole_before(recent.time_N), fit.calendar.outside(recent.time_N)
    if outside.any():
        at = iso(recent.time_N[np.argmax(outside)])
        raise DataError(
            f"{bars.name}: the bar of {at}, within the last {length}, lies outside the sessions of "
            f"{fit.calendar.kind}; leave it out"
        )
    if holes.any():
        at = iso(recent.time_N[np.argmax(holes)])
        raise DataError(f"{bars.name}: bars are missing before {at}, within the last {length}; fill them in")
    for name in spec.required:
        if np.isnan(recent.columns[name]).any():
            raise DataError(f"{bars.name}: {name} is not known for all of the last {length} bars; give more history")
    if spec.known_ahead and not known_ahead(bars, fit.calendar, spec)[-1]:
        raise _not_ahead(bars, fit, spec)
    _warn_of_filled(recent, spec)
    longest = preparation.start.of(bars.ticker, bars.resolution).units.lags[-1] if preparation.start else 0
    if len(bars) < longest:
        get_logger().warning(
            "%s: %d bars, but the range HAR that the model starts at looks back on %d; its means are over the bars "
            "there are, which is another forecast: give more history",
            bars.name,
            len(bars),
            longest,
        )
    _warn_of_short_contexts(bars, fit, spec, set() if told is None else told)
    n = preparation.history(bars.ticker, bars.resolution)
    if any(np.isnan(bars.columns[c.name]).any() for c in spec.covariates):
        n = len(bars)  # the last value may lie anywhere before
    looked_at = bars.last(n)
    return ModelInput(looked_at, fit, np.array([len(looked_at) - 1]))


def _warn_of_short_contexts(bars: Bars, fit: SeriesFit, spec: WindowSpec, told: set[tuple[str, str]]) -> None:
    """Warn where longer bars are left out that more history might have given, and that has not been told."""
    for longer in spec.contexts:
        needed = reach(longer, bars.resolution, spec.context_len)
        if len(bars) >= needed or (bars.name, longer) in told:
            continue
        known = int(closed_bars(bars, fit.calendar, longer, spec).known_N[-1])
        if known < spec.context_len:
            told.add((bars.name, longer))
            get_logger().warning(
                "%s: %d bars, which make up %d of the last %d closed bars of %s that the model looks at; the others "
                "are left out, which is another forecast: give more history (%d bars are always enough)",
                bars.name,
                len(bars),
                known,
                spec.context_len,
                longer,
                needed,
            )


def _not_ahead(bars: Bars, fit: SeriesFit, spec: WindowSpec) -> DataError:
    """The error about values that are to be known of the bars ahead."""
    names, horizon = ", ".join(spec.known_ahead), spec.horizon
    due = ", ".join(map(iso, fit.calendar.next_times_after(bars.time_N[-1:], horizon)[0].tolist()))
    given = "none"
    if bars.ahead is not None:
        given = f"{', '.join(map(iso, bars.ahead.time_N[:horizon].tolist()))}, of which some are empty or not the next"
    return DataError(
        f"{bars.name}: {names} must be known ahead of the last bar, that of {iso(int(bars.time_N[-1]))}: give rows "
        f"with the dates {due}, with {names} and without prices; found {given}"
    )


def _warn_of_filled(recent: Bars, spec: WindowSpec) -> None:
    """Warn of empty values of the last L bars that the model has seen none of in training."""
    for c in spec.covariates:
        n = int(np.isnan(recent.columns[c.name]).sum())
        if n and not c.aged:
            get_logger().warning(
                "%s: %s is empty in %d of the last %d bars, which it never was in training; filled as empty_values "
                "says (%s)",
                recent.name,
                c.name,
                n,
                len(recent),
                spec.empty_values,
            )


def _whole_input(
    bars: Bars, fit: SeriesFit, preparation: Preparation, told: set[tuple[str, str]] | None = None
) -> ModelInput:
    """All bars, and as origins those whose context is whole.

    Raises:
        DataError: no bar has a whole context; says why the last one has not.
    """
    origin_N = np.flatnonzero(usable_origins(bars, fit.calendar, preparation.spec, horizon=0))
    if not len(origin_N):
        last_input(bars, fit, preparation, told)
    return ModelInput(bars, fit, origin_N)
