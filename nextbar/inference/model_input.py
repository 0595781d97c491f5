"""The bars that forecasts begin from: read, cut at the present, and held against what the model was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from nextbar.bars.bars import Bars, is_bars, table_bars
from nextbar.bars.calendar import Calendar, shared_zone
from nextbar.bars.columns import FrameNames, Wanted, refuse_names
from nextbar.bars.dates import iso, read_dates
from nextbar.bars.new_bars import tables_of, trained_on, wanted_of
from nextbar.bars.present import Present
from nextbar.bars.table import Table
from nextbar.config import DatasetConfig
from nextbar.data.dataset import usable_origins
from nextbar.data.indicators import add_indicators
from nextbar.data.preparation import Preparation, SeriesFit
from nextbar.data.scaling import GLOBAL_MODES
from nextbar.data.windows import WindowSpec
from nextbar.errors import DataError
from nextbar.resolution import seconds

FEWEST_READ = 32
"""bars looked at where the context is shorter, so that another resolution is noticed"""


FIT_SCALER = "to fit them on the bars given, ask for it with fit_scaler=True (--fit-scaler)"


class ModelInput(NamedTuple):
    """One series as the model is to see it."""

    bars: Bars
    fit: SeriesFit
    origin_N: np.ndarray
    """rows of the bars that forecasts can be made from"""


def read_histories(
    frame: Any,
    config: DatasetConfig,
    preparation: Preparation,
    *,
    present: Present,
    last_only: bool = True,
    fit_scaler: bool = False,
    **names: Unpack[FrameNames],
) -> list[ModelInput]:
    """The series of a frame, by resolution and then by ticker.

    Args:
        frame: pandas or polars, long or of one series, or a list of ``Bars``.
        config: what the model was trained on.
        preparation: what it learnt there.
        present: bars that close later are left out; it takes note of them, and of series that end long before.
        last_only: forecast from the last bar alone; then only the last bars are looked at, unless indicators or an
            unknown series need the others. Otherwise from every bar whose context is whole.
        fit_scaler: fit the statistics of series that training did not know on all their bars.
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
    histories = []
    for bars in map(present.closed_bars, series):
        full = with_features(bars, config, preparation.spec)
        fit = fit_of(full, config, preparation, len(bars) if fit_scaler else 0, FIT_SCALER)
        histories.append(_last(full, fit, preparation.spec) if last_only else _all(full, fit, preparation.spec))
        if last_only:
            present.note_end(full.name, int(full.time_N[-1]), fit.calendar)
    return histories


def with_features(bars: Bars, config: DatasetConfig, spec: WindowSpec) -> Bars:
    """The bars with their indicators.

    Raises:
        DataError: a column the model was trained with is not there.
    """
    missing = [name for name in spec.volumes if name not in bars.columns]
    if missing:
        raise DataError(f"{bars.name}: no column {', '.join(missing)}, which the model was trained with")
    return add_indicators(bars, config.indicators or ())


def fit_of(bars: Bars, config: DatasetConfig, preparation: Preparation, n_fit: int, advice: str) -> SeriesFit:
    """What is known of a series: what training learnt, or for an unknown one what its own bars tell.

    An unknown series' calendar is learnt from all its bars, its statistics from the first ``n_fit``. Without
    statistics it can be used where the normalisation is that of the window. Where its dates do not tell its time zone,
    it has that of the trained series, whose hours the model learnt.

    Raises:
        DataError: a global normalisation, and no statistics; ends with the ``advice`` how to get them.
    """
    known = preparation.find(bars.ticker, bars.resolution)
    if known is not None:
        return known
    spec = preparation.spec
    usual = shared_zone([s.calendar for s in preparation.series])
    calendar = Calendar.learn(bars.time_N, bars.step, config.calendar, config.timezone, usual)
    fit = SeriesFit.fit(bars, n_fit, spec, calendar) if n_fit >= 2 else SeriesFit.unknown(bars, spec, calendar)
    if config.norm_mode in GLOBAL_MODES:
        unknown = [name for name, group in zip(spec.groups, fit.statistics, strict=True) if np.isnan(group.mean)]
        if (spec.returns or spec.target == "log_return") and np.isnan(fit.return_std):
            unknown.append("return")
        if unknown and n_fit:
            raise DataError(
                f"{bars.name}: norm_mode {config.norm_mode} needs statistics of {', '.join(unknown)}, which the first "
                f"{n_fit} of its bars do not give; use more bars, or a ticker that was trained on"
            )
        if unknown:
            there = ", ".join(s.ticker for s in preparation.series if s.resolution == bars.resolution) or "none"
            raise DataError(
                f"{bars.name}: norm_mode {config.norm_mode} has no training statistics for it, only for {there}; "
                f"{advice}"
            )
    return fit


def _read(
    frame: Any,
    config: DatasetConfig,
    preparation: Preparation,
    last_only: bool,
    present: Present,
    **names: Unpack[FrameNames],
) -> Iterator[Bars]:
    wanted = wanted_of(config, **names)
    for resolution, ticker, table in tables_of(frame, config, **names):
        known = preparation.find(ticker, resolution) is not None
        enough = max(config.seq_len, FEWEST_READ) if last_only and known and not config.indicators else None
        table = _latest(table, f"{ticker}_{resolution}", wanted, seconds(resolution), enough, present)
        with trained_on(config):
            yield table_bars(table, ticker, resolution, wanted)


def _latest(table: Table, name: str, wanted: Wanted, step: int, n: int | None, present: Present) -> Table:
    """The rows that have closed; of those the last ``n``, where that can be told without reading them all.

    What an unfinished bar holds must not forbid a forecast, so it is left out before anything is checked.
    """
    at = wanted.match(list(table.frame.columns))[0].get("date")
    if at is None or not len(table):
        return table
    column = table.frame.iloc[:, at]
    ends = read_dates(column.iloc[[0, -1]])
    # dates that are text take as long to read as the rest of the table
    if not present.near(ends.seconds_N[ends.good_N], step) and (n is None or column.dtype.kind != "M"):
        return table
    dates = read_dates(column)
    closed_N = ~dates.good_N
    closed_N[dates.good_N] = present.closed(name, dates.seconds_N[dates.good_N], step)
    kept = np.flatnonzero(closed_N)
    if n is not None and dates.good_N.all() and (np.diff(dates.seconds_N) > 0).all():
        kept = kept[-n:]
    if not len(kept):
        raise present.nothing_closed(table.source)
    return dataclasses.replace(table, frame=table.frame.iloc[kept], rows_N=table.rows_N[kept])


def _last(bars: Bars, fit: SeriesFit, spec: WindowSpec) -> ModelInput:
    """The last L bars, and why they will not do."""
    length = spec.seq_len
    if len(bars) < length:
        raise DataError(f"{bars.name}: {len(bars)} bars, but the model needs the last {length}")
    columns = {name: values[-length:] for name, values in bars.columns.items()}
    recent = Bars(bars.ticker, bars.resolution, bars.time_N[-length:], columns)
    holes = fit.calendar.hole_before(recent.time_N)
    if holes.any():
        at = iso(recent.time_N[np.argmax(holes)])
        raise DataError(f"{bars.name}: bars are missing before {at}, within the last {length}; fill them in")
    for name in spec.columns + spec.plain:
        if np.isnan(recent.columns[name]).any():
            raise DataError(f"{bars.name}: {name} is not known for all of the last {length} bars; give more history")
    return ModelInput(recent, fit, np.array([length - 1]))


def _all(bars: Bars, fit: SeriesFit, spec: WindowSpec) -> ModelInput:
    origin_N = np.flatnonzero(usable_origins(bars, fit.calendar, spec, horizon=0))
    if not len(origin_N):
        _last(bars, fit, spec)  # says what is wrong with one of them
    return ModelInput(bars, fit, origin_N)
