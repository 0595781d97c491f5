"""Origins of windows in one series: rows with a whole context before them and bars after them."""

from __future__ import annotations

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.covariates import empty_ahead, with_ahead
from nextbar.data.splits import Cuts, spans, whole_windows
from nextbar.data.window_spec import WindowSpec


def usable_origins(bars: Bars, calendar: Calendar, spec: WindowSpec, horizon: int) -> np.ndarray:
    """bool (N,): rows whose context has no hole and nothing empty, with ``horizon`` bars without a hole after them.

    Where covariates are known ahead, with bars or rows ahead that say so of all H bars after them.
    """
    valid_N = np.ones(len(bars), bool)
    for name in spec.required:
        valid_N &= ~np.isnan(bars.columns[name])
    whole_N = whole_windows(calendar.hole_before(bars.time_N), spec.seq_len, horizon, valid_N)
    return whole_N & known_ahead(bars, calendar, spec) if spec.known_ahead else whole_N


def known_ahead(bars: Bars, calendar: Calendar, spec: WindowSpec) -> np.ndarray:
    """bool (N,): bars followed, without a hole, by H bars or rows ahead that have all that is to be known ahead."""
    length, whole_T = spec.horizon, ~empty_ahead(bars, spec)
    followed_T = whole_windows(calendar.hole_before(with_ahead(bars)), 1, length)
    known_T = whole_windows(np.zeros(len(whole_T), bool), length, 0, whole_T)  # of the H rows up to each
    return (followed_T & np.append(known_T[length:], np.zeros(length, bool)))[: len(bars)]


def window_origins(bars: Bars, calendar: Calendar, spec: WindowSpec, cuts: Cuts) -> dict[str, np.ndarray]:
    """Rows that windows end at, int64, by span; see ``spans``."""
    return spans(bars.close_time_N, usable_origins(bars, calendar, spec, spec.horizon), spec.horizon, cuts)


def moves_in_training(bars: Bars, calendar: Calendar, horizon: int, cuts: Cuts) -> np.ndarray:
    """Rows whose next ``horizon`` bars follow without a hole and close in the training span, whatever their context."""
    return spans(bars.close_time_N, _followed(bars, calendar, horizon), horizon, cuts)["training"]


def moves_until(bars: Bars, calendar: Calendar, horizon: int, origin: int) -> np.ndarray:
    """Rows whose next ``horizon`` bars follow without a hole and are known at the row ``origin``."""
    rows = np.flatnonzero(_followed(bars, calendar, horizon))
    return rows[rows + horizon <= origin]


def late_origins(row_N: np.ndarray, least: int) -> np.ndarray:
    """The rows that have ``least`` bars up to and with themselves; all rows where none has as many."""
    late_N = row_N[row_N + 1 >= least]
    return late_N if len(late_N) else row_N


def _followed(bars: Bars, calendar: Calendar, horizon: int) -> np.ndarray:
    """bool (N,): rows with ``horizon`` bars without a hole after them."""
    return whole_windows(calendar.hole_before(bars.time_N), 1, horizon)
