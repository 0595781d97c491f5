"""Input of a model from one series that it forecasts, and the reasons why there may be too little."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.closed_bars import closed_bars, reach
from nextbar.data.origins import known_ahead, usable_origins
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError
from nextbar.logger import get_logger


class ModelInput(NamedTuple):
    """One series as a model sees it."""

    bars: Bars
    fit: SeriesFit
    origin_N: np.ndarray
    """rows of the bars that forecasts can be made from"""


def last_input(
    bars: Bars, fit: SeriesFit, preparation: Preparation, warned: set[tuple[str, str]] | None = None
) -> ModelInput:
    """The last bars that a forecast looks at, and the last of them as origin.

    Args:
        bars: with their indicators.
        fit: of the series.
        preparation: of the model.
        warned: (series, longer resolution) pairs of too few bars that the user was warned of; new ones are added.

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
    _warn_of_short_contexts(bars, fit, spec, set() if warned is None else warned)
    n = preparation.history(bars.ticker, bars.resolution)
    if any(np.isnan(bars.columns[c.name]).any() for c in spec.covariates):
        n = len(bars)  # the last value may lie anywhere before
    looked_at = bars.last(n)
    return ModelInput(looked_at, fit, np.array([len(looked_at) - 1]))


def whole_input(
    bars: Bars, fit: SeriesFit, preparation: Preparation, warned: set[tuple[str, str]] | None = None
) -> ModelInput:
    """All bars, and as origins those whose context is whole.

    Raises:
        DataError: no bar has a whole context; says why the last one has not.
    """
    origin_N = np.flatnonzero(usable_origins(bars, fit.calendar, preparation.spec, horizon=0))
    if not len(origin_N):
        last_input(bars, fit, preparation, warned)
    return ModelInput(bars, fit, origin_N)


def _warn_of_short_contexts(bars: Bars, fit: SeriesFit, spec: WindowSpec, warned: set[tuple[str, str]]) -> None:
    """Warn once where longer bars are left out that more history might have given."""
    for longer in spec.contexts:
        needed = reach(longer, bars.resolution, spec.context_len)
        if len(bars) >= needed or (bars.name, longer) in warned:
            continue
        count = int(closed_bars(bars, fit.calendar, longer, spec).known_N[-1])
        if count < spec.context_len:
            warned.add((bars.name, longer))
            get_logger().warning(
                "%s: %d bars, which make up %d of the last %d closed bars of %s that the model looks at; the others "
                "are left out, which is another forecast: give more history (%d bars are always enough)",
                bars.name,
                len(bars),
                count,
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
