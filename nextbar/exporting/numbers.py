"""Calendars, statistics and starts of the series of a run, as the arrays that ``forecast`` reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.slots import MONDAY, Slots
from nextbar.bars.zone import offsets
from nextbar.data.covariates import unit_of
from nextbar.data.preparation import Preparation, clock_table
from nextbar.data.range_har.har import RangeHar
from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF
from nextbar.data.series_fit import SeriesFit
from nextbar.data.start import RangeStart
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError
from nextbar.exporting.forecast import NORMAL
from nextbar.metrics.conformal import Conformal

CONFORMAL_LEVELS = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
"""levels whose corrected intervals an export has, as far as the validation span has windows enough"""

EVERYTHING = 2**62
"""bars that a start looks back on where it looks at all there are"""


def calendar_numbers(calendar: Calendar, clock: int) -> dict[str, Any]:
    """A calendar: the slots of its week, and where its clock is changed; see ``forecast.slots``.

    Args:
        calendar: of a series.
        clock: numbers of the clock of one bar.
    """
    slots = Slots(calendar.step, calendar.phase, calendar.timezone)
    is_open = np.zeros(slots.cycle, np.int64)
    is_open[list(calendar.open_slots)] = 1
    inside = is_open & np.roll(is_open, 1) & np.roll(is_open, -1)
    zone = offsets(calendar.timezone)
    return {
        "step": calendar.step,
        "origin": MONDAY + calendar.phase,
        "sessions": calendar.kind == "sessions",
        "day": calendar.slots_a_day,
        "open": is_open,
        "edge": is_open - inside,
        "change": zone.change_K,
        "offset": zone.offset_K,
        "ahead": slots.ahead_K,
        "first": slots.changes[1] + slots.ahead_K[1:],
        "clock": clock_table(calendar, len(calendar.open_slots), clock),
    }


def series_numbers(fit: SeriesFit, preparation: Preparation) -> dict[str, Any]:
    """Statistics of a series, the spreads of its windows, and its start; see ``forecast.Export``."""
    spec = preparation.spec
    minimum, maximum, mean, std = np.array(fit.statistics, np.float64).T
    scale = preparation.spreads.scale([fit.spreads])
    numbers = {
        "history": spec.seq_len,
        "seen": spec.seq_len,
        "global_minmax": np.stack([minimum, maximum - minimum], axis=1),
        "global_meanstd": np.stack([mean, std], axis=1),
        "none": np.tile([0.0, 1.0], (len(mean), 1)),
        "return_unit": fit.return_std,
        "plain": np.array([(0.0, 1.0)] * len(spec.plain) + _covariate_units(fit, preparation)).reshape(-1, 2),
        "spreads": scale.typical_SG[0],
        "token_edges": scale.edges_GT,
    }
    if preparation.start is None:
        return numbers
    har = preparation.start.of(fit.ticker, fit.resolution)
    numbers["history"] = max(spec.seq_len, har.history)
    is_own = (fit.ticker, fit.resolution) in preparation.start.own
    numbers["seen"] = numbers["history"] if is_own else EVERYTHING
    return numbers | _start_numbers(har, preparation.start, spec)


def _covariate_units(fit: SeriesFit, preparation: Preparation) -> list[tuple[float, float]]:
    """What is taken from each own column, and what it is divided by."""
    each = zip(preparation.spec.covariates, fit.covariates, preparation.covariates, strict=True)
    return [unit_of(own, pooled) if c.scaled else (0.0, 1.0) for c, own, pooled in each]


def conformal_numbers(conformal: Conformal, name: str) -> dict[str, np.ndarray]:
    """How many standard deviations the corrected intervals of a series reach, at each level that there is, (Q, H)."""
    factors = {}
    for level in CONFORMAL_LEVELS:
        try:
            factors[level] = conformal.factor(level, [name])[0]
        except DataError:  # too few windows
            continue
    if not factors:
        return {}
    return {"conformal_levels": np.array(list(factors)), "conformal": np.stack(list(factors.values()))}


def _start_numbers(har: RangeHar, start: RangeStart, spec: WindowSpec) -> dict[str, Any]:
    """A range HAR: one column for each step of the horizon."""
    units, laws = har.units, har.laws
    df_H = np.array([NORMAL if law.df is None else law.df for law in laws])
    skew_H = np.array([law.skew or 0.0 for law in laws])
    is_normal = laws[0].df is None
    # what a head begins with: its degrees of freedom are MIN_DF + softplus, its skewness is MAX_SKEW tanh
    raw_df_H = np.zeros(len(laws)) if is_normal else np.log(np.expm1(df_H - MIN_DF))
    numbers = {
        "lags": np.array(units.lags),
        "unit": np.nan if units.unit is None else units.unit,
        "floor": units.floor,
        "factor": units.diurnal.factor_M,
        "coefficients": np.array([law.coefficients for law in laws]).T,
        "location": np.array([law.location for law in laws]),
        "df": df_H,
        "skew": skew_H,
        "raw_shape": np.stack([raw_df_H, np.arctanh(skew_H / MAX_SKEW)], axis=1),
        "trail": har.trail,
        "information": laws[0].scale_information,
        "padding": np.zeros(start.lags - len(units.lags)),
    }
    if spec.edges is None:
        return numbers
    inner = np.array(spec.edges[1:-1])
    with np.errstate(divide="ignore"):
        return numbers | {"edges": np.log1p(np.maximum(inner, -100) / 100)}
