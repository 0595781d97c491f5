"""Calendars, statistics and starts of the series of a run, as the arrays that ``forecast`` reads."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.exchange import ExchangeCalendar
from nextbar.bars.exchange_slots import slots_of
from nextbar.bars.slots import DAY, Slots
from nextbar.config.values import FIRST_YEAR, LAST_YEAR
from nextbar.data.covariates import unit_of
from nextbar.data.preparation import Preparation, clock_table
from nextbar.data.range_har.har import RangeHar
from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF
from nextbar.data.series_fit import SeriesFit
from nextbar.data.start import RangeStart
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError
from nextbar.exporting.forecast import Mixtures
from nextbar.exporting.model import NORMAL
from nextbar.metrics.conformal import Conformal

CONFORMAL_LEVELS = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
"""levels whose corrected intervals an export has, as far as the validation span has windows enough"""

EVERYTHING = 2**62
"""bars that a start looks back on where it looks at all there are"""


def calendar_numbers(calendar: Calendar, clock: int) -> dict[str, Any]:
    """A calendar as runs of open slots, see ``forecast.slots``.

    Those of the week reach over all years that bars may be of, those of an exchange over the sessions that it knows.

    Args:
        calendar: of a series.
        clock: numbers of the clock of one bar.
    """
    exchange = calendar if isinstance(calendar, ExchangeCalendar) else None
    runs = _exchange_runs(exchange) if exchange else _weekly_runs(calendar)
    clocks = clock_table(calendar, calendar.n_slots, clock)
    number_R = np.cumsum(runs.count_R) - runs.count_R
    # a run that only goes on with the one before is none
    goes_on_R = np.r_[False, ~runs.begins_R[1:]]
    goes_on_R[1:] &= np.diff(runs.begin_R) == runs.count_R[:-1] * calendar.step
    goes_on_R[1:] &= (runs.rank_R[:-1] + runs.count_R[:-1] - runs.rank_R[1:]) % len(clocks) == 0
    kept = ~goes_on_R
    return {
        "step": calendar.step,
        "begin": runs.begin_R[kept],
        "number": np.r_[number_R[kept], runs.count_R.sum()],
        "rank": runs.rank_R[kept].astype(np.int32),
        "turns": np.cumsum(np.r_[False, runs.begins_R[kept], True]).astype(np.int32),
        "clocks": clocks,
        # a market that never closes, and bars longer than a day at an exchange, know no closures
        "day": 0 if calendar.kind == "24/7" or (exchange and calendar.step > DAY) else calendar.slots_a_day,
        "exchange": exchange is not None,
        "seen": exchange.seen if exchange else -EVERYTHING,
    }


class Runs(NamedTuple):
    """Open slots, one step apart, in R runs."""

    begin_R: np.ndarray
    """when the first of each opens, seconds since the epoch"""
    count_R: np.ndarray
    rank_R: np.ndarray
    """time of the week of the first, as a row of the clock; the others have the next ones, cyclic"""
    begins_R: np.ndarray
    """whether a session begins with it"""


def _exchange_runs(calendar: ExchangeCalendar) -> Runs:
    """Each open slot as a run."""
    c = calendar
    begin_M, session_M = slots_of(c.sessions, c.step, c.phase, c.timezone, c.grid, c.evening)
    begins_M = np.diff(session_M, prepend=session_M[0] - 1) != 0
    return Runs(begin_M, np.ones(len(begin_M), np.int64), calendar.chain(begin_M, 0).own_N, begins_M)


def _weekly_runs(calendar: Calendar) -> Runs:
    """The runs of the week, over and over, cut where the clock is changed."""
    apart = calendar.slots_per_step
    slots = Slots(calendar.step // apart, calendar.phase, calendar.timezone)
    bounds = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR + 1))
    first, last = (int(place) for place in slots.place(slots.number(np.array(list(bounds)))))
    is_open = np.zeros(slots.cycle, bool)
    is_open[list(calendar.open_slots)] = True
    if is_open.all():
        first_P, end_P = np.array([first]), np.array([last])
    else:
        weeks = np.arange(first // slots.cycle, last // slots.cycle + 1)[:, None] * slots.cycle
        change = np.diff(is_open.astype(int), prepend=0, append=0)
        begins, ends = (np.flatnonzero(change == sign) for sign in (1, -1))
        if apart > 1:  # neighbouring slots are no step apart
            begins, ends = np.flatnonzero(is_open), 1 + np.flatnonzero(is_open)
        first_P, end_P = (weeks + begins).ravel(), (weeks + ends).ravel()
    was_K, is_K = slots.changes
    parts = []
    for part, (begin, end) in enumerate(zip(np.r_[first, is_K], np.r_[was_K, last], strict=True)):
        own = slice(np.searchsorted(end_P, begin, side="right"), np.searchsorted(first_P, end))
        place_P = np.maximum(first_P[own], begin)
        parts.append(np.stack([place_P, np.minimum(end_P[own], end), place_P + slots.ahead_K[part]]))
    place_R, end_R, number_R = np.concatenate(parts, axis=1)
    count_R = end_R - place_R
    begins_R = np.r_[True, number_R[1:] != (number_R + count_R)[:-1] + apart - 1]
    rank_R = (np.cumsum(is_open) - 1)[place_R % slots.cycle]
    return Runs(slots.begin(number_R), count_R, rank_R, begins_R)


def series_numbers(fit: SeriesFit, preparation: Preparation) -> dict[str, Any]:
    """Statistics of a series, the spreads of its windows, and its start; see ``windows``."""
    spec = preparation.spec
    scale = preparation.spreads.scale([fit.spreads])
    numbers = {
        "history": spec.seq_len,
        "seen": spec.seq_len,
        # of bars by when they open, as training has them by when they close
        "first_time": preparation.first_time - fit.calendar.step,
        "time_span": max(preparation.last_time - preparation.first_time, 1),
        "statistics": np.array(fit.statistics, np.float64),
        "return_unit": fit.return_std,
        "singles": np.array([(0.0, 1.0)] * len(spec.plain) + _covariate_units(fit, preparation)).reshape(-1, 2),
        "spreads": scale.typical_SG[0],
        "token_edges": scale.edges_GT,
    }
    if preparation.start is None:
        return numbers
    har = preparation.start.of(fit.ticker, fit.resolution)
    numbers["history"] = max(spec.seq_len, har.history)
    is_own = (fit.ticker, fit.resolution) in preparation.start.own
    numbers["seen"] = numbers["history"] if is_own else EVERYTHING
    return numbers | _start_numbers(har, preparation.start, spec, fit.calendar.n_slots)


def _covariate_units(fit: SeriesFit, preparation: Preparation) -> list[tuple[float, float]]:
    """Offset and divisor of each own column."""
    each = zip(preparation.spec.covariates, fit.covariates, preparation.covariates, strict=True)
    return [unit_of(own, pooled) if c.scaled else (0.0, 1.0) for c, own, pooled in each]


def conformal_numbers(conformal: Conformal | None, name: str) -> dict[str, np.ndarray]:
    """How many standard deviations the corrected intervals of a series reach, at each level that there is, (Q, H)."""
    factors = {}
    for level in CONFORMAL_LEVELS:
        if conformal is None:
            break
        try:
            factors[level] = conformal.factor(level, [name])[0]
        except DataError:  # too few windows
            continue
    return {"conformal_levels": np.array(list(factors)), "conformal": np.array(list(factors.values()))}


def _start_numbers(har: RangeHar, start: RangeStart, spec: WindowSpec, n_slots: int) -> dict[str, Any]:
    """A range HAR: one column for each step of the horizon; see ``windows.record_start``."""
    units, laws, horizon = har.units, har.laws, len(har.laws)
    df_H = np.array([NORMAL if law.df is None else law.df for law in laws])
    skew_H = np.array([law.skew or 0.0 for law in laws])
    lags, widths = len(units.lags), horizon if spec.edges is not None else 0
    # what is behind the start: each lag less the longest, the longest, the level, the widths; lags that other series
    # have more of are 0, as the longest less itself is
    missing = [lags - 1] * (start.lags - lags)
    behind = [*range(lags - 1), *missing, *range(lags, lags + 1 + start.has_level + widths)]
    first = Mixtures(np.zeros(1), np.ones(1), df_H[:1], skew_H[:1])
    over_H = df_H - MIN_DF
    return {
        "lags": np.array(units.lags),
        "follows": float(units.unit is None),
        "least_variance": units.floor if units.unit is None else units.unit**2,
        "floor": units.floor,
        "factor": units.diurnal.factor_M[np.arange(n_slots) % len(units.diurnal.factor_M)],
        "constant": np.array([law.coefficients[0] for law in laws]),
        "coefficients": np.array([law.coefficients[1:] for law in laws]).T,
        "location": np.array([law.location for law in laws]),
        "df": df_H,
        "skew": skew_H,
        # what a head makes them of
        "raw_df": over_H + np.log(-np.expm1(-over_H)),
        "raw_skew": np.arctanh(skew_H / MAX_SKEW),
        "first_shape": np.array([df_H[0], skew_H[0], first.mean[0], first.spread[0]]),
        "information": laws[0].scale_information,
        "regressor_places": np.array(behind),
    }
