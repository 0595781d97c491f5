"""Suggests the exchange whose sessions fit the dates of a series that a weekly template was learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_together
from nextbar.bars.exchange_grid import fit_grid
from nextbar.bars.sessions import of_years
from nextbar.bars.slots import DAY
from nextbar.bars.zone import local_time, offsets
from nextbar.config import ExperimentConfig
from nextbar.config.exchanges import is_installed
from nextbar.errors import NextbarError

LIKELY = (
    "XNYS", "XTSE", "XLON", "XETR", "XPAR", "XSWX", "XTKS", "XHKG", "XSHG", "XASX", "BVMF", "XAMS", "XMIL", "XMAD",
    "XSTO", "XBOM", "XTAI", "XSES", "XJSE", "CMES",
)  # fmt: skip
"""exchanges that are tried, the likeliest first"""
LOOKED_AT = 2 * 366 * DAY
"""the last years of a series are enough to tell"""
LEAST_SPAN = 300 * DAY
LEAST_HOLIDAYS = 4
"""weekdays a year without bars, on average; with fewer there is nothing to tell exchanges by"""
MOST_EXCEPTIONS = 0.005
"""share of bars off the grid of an exchange or missing in its sessions; the template must have twice as many"""


def exchange_of(time_N: np.ndarray, step: int, learnt: Calendar) -> str | None:
    """Name of the exchange that knows the dates of a series better than the template does; None where none is tried.

    That needs bars of a day or less, most of a year of them, and a template with sessions
    that holidays are exceptions to.

    Args:
        time_N: opening times, int64, ascending.
        step: seconds of a bar.
        learnt: its calendar.
    """
    if learnt.kind != "sessions" or step > DAY or not is_installed() or time_N[-1] - time_N[0] < LEAST_SPAN:
        return None
    late_N = time_N[time_N >= time_N[-1] - LOOKED_AT]
    if not _has_holidays(late_N, learnt.timezone):
        return None
    most: float = min(MOST_EXCEPTIONS * len(late_N), learnt.exceptions(late_N) / 2)
    pattern = offsets(learnt.timezone).pattern(int(late_N[0]), int(late_N[-1]))
    for name in LIKELY:
        if _exceptions(name, late_N, step, pattern if step < DAY else None) < most:
            return name  # no two of them are as alike, but for those whose days are the same
    return None


def exchange_of_all(time_SN: Sequence[np.ndarray], steps: Sequence[int]) -> str | None:
    """Name of the exchange that knows the dates of all S series, if a training loses no window by it: a bar that is
    missing in its sessions is a hole, where the template may take it for a closure. None where there is no such.

    Args:
        time_SN: opening times of training spans, none of them empty.
        steps: seconds of a bar of each.
    """
    learnt = [calendar for calendar in learn_together(time_SN, steps) if calendar]
    names = {exchange_of(*series) for series in zip(time_SN, steps, learnt, strict=True)}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        return None
    try:
        listed = [calendar for calendar in learn_together(time_SN, steps, name) if calendar]
    except NextbarError:  # it may know the last years alone
        return None
    holes = ([int(calendar.hole_before(time_N).sum()) for time_N, calendar in zip(time_SN, calendars, strict=True)]
             for calendars in (learnt, listed))  # fmt: skip
    return name if all(more <= usual for usual, more in zip(*holes, strict=True)) else None


def exchange_of_training(series: Sequence[Bars], config: ExperimentConfig) -> str | None:
    """Name of the exchange whose days and hours bars have: see ``exchange_of_all``. Only the dates that are trained on
    decide, about those before the validation span; no later date does."""
    trained = (1 - config.test_split) * (1 - config.validation_split)
    training_times = [bars.time_N[: math.ceil(trained * len(bars))] for bars in series]
    return exchange_of_all(training_times, [bars.step for bars in series])


def suggestion(time_N: np.ndarray, step: int, learnt: Calendar) -> str | None:
    """A sentence about that exchange, and what to write."""
    name = exchange_of(time_N, step, learnt)
    if name is None:
        return None
    return (
        f"its days and hours are those of {name}: with calendar: {name} in dataset_config the next bar's date is right "
        "around holidays and half days too"
    )


def _has_holidays(time_N: np.ndarray, timezone: str) -> bool:
    """Whether bars are missing on enough weekdays that others of the same have."""
    days = np.unique(local_time(time_N, timezone) // DAY)
    every = np.arange(days[0], days[-1] + 1)
    counts = np.bincount(days % 7, minlength=7)
    usual = np.flatnonzero(2 * counts > len(every) / 7)
    missing = int(np.isin(every % 7, usual).sum()) - int(np.isin(days % 7, usual).sum())
    return missing >= LEAST_HOLIDAYS * len(every) / 365


def _exceptions(name: str, time_N: np.ndarray, step: int, pattern: tuple[tuple[int, int], ...] | None) -> float:
    """Exceptions of bars in the calendar of an exchange; infinitely many where its clocks are changed otherwise."""
    try:
        begin, end = (int(str(np.datetime64(int(time), "s"))[:4]) for time in (time_N[0] - DAY, time_N[-1]))
        sessions = of_years(name, begin, end)
        if pattern is not None and offsets(sessions.timezone).pattern(int(time_N[0]), int(time_N[-1])) != pattern:
            return math.inf
        calendar = fit_grid(sessions, time_N, step)
    except NextbarError:
        return math.inf
    return calendar.exceptions(time_N)
