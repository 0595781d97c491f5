"""The weekly template of a market, learnt from the dates of its bars, never from a list of holidays."""

from __future__ import annotations

from math import gcd

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.slots import DAY, MONDAY, WEEK, Slots
from nextbar.bars.stretches import Stretches
from nextbar.bars.zone import MARKET_ZONES, UTC, local_time, offsets
from nextbar.config.exchanges import KINDS
from nextbar.errors import ConfigError, DataError
from nextbar.resolution import span

LEAST_GAIN = 0.1
"""Share of the exceptions by which another zone, or several grids, must be better than the usual zone, or one grid;
among bars that miss at random chance alone makes up to 1 %."""
LEAST_BETWEEN = 60
"""Seconds that grids of bars may be apart: sessions begin at whole minutes."""


def learn_template(
    time_N: np.ndarray, step: int, kind: str = "auto", timezone: str = "auto", usual: str = UTC
) -> Calendar:
    """Template of the weeks seen in the opening times ``time_N`` (int64, ascending) of a training span.

    A slot is open when there is a bar in it in at least half of the weeks with any bar; in a span under
    four weeks, or if no slot has as many, when there is one at all. A slot that a span under one week cannot
    show is open if the same time of another day is. ``kind="auto"`` says ``sessions`` when the template leaves
    slots out (under four weeks, where a missing bar looks like a closed slot: when it leaves out at least a
    seventh of the week), else ``24/7``.

    The bars of a market with sessions may begin anew after a break of the session, so that those of a week lie on
    several grids of steps. A template of all grids is taken if it has a tenth fewer exceptions than that of the
    commonest grid.

    ``timezone="auto"`` takes the zone of ``MARKET_ZONES`` whose template is the sharpest: the one with the fewest
    exceptions in the span, which are open slots without a bar, bars in closed slots, and bars that do not open
    exactly when their slot does. It is ``usual`` unless another has a tenth fewer, hence ``usual`` wherever the
    clocks do not matter; of equally sharp zones it is the first of the list.

    Raises:
        ConfigError: an unknown ``kind``, sessions for a step that is no part of a week, or a zone whose time
            the bars do not keep.
        DataError: no bars.
    """
    if kind not in ("auto", *KINDS):
        raise ConfigError(f"calendar: found {kind!r}, should be one of auto, {', '.join(KINDS)}")
    if not len(time_N):
        raise DataError("no bars to learn a calendar from")
    if kind == "sessions" and not _is_part_of_week(step):
        raise ConfigError(
            f"calendar: found 'sessions' with bars of {span(step)}, should be auto or 24/7: sessions need bars "
            "that are shorter than a week and divide a week"
        )
    stretches = Stretches.of(np.asarray(time_N, np.int64), step)
    if timezone != "auto":
        template = template_in(timezone, stretches, step, kind)
        _require_its_time(template, stretches)
        return template
    best = template_in(usual, stretches, step, kind)
    fewest = best.exceptions_in(stretches)
    enough = fewest * (1 - LEAST_GAIN)
    patterns = {offsets(usual).pattern(int(time_N[0]), int(time_N[-1]))}
    for zone in MARKET_ZONES:
        pattern = offsets(zone).pattern(int(time_N[0]), int(time_N[-1]))
        if fewest and pattern not in patterns:
            patterns.add(pattern)
            template = template_in(zone, stretches, step, kind)
            exceptions = template.exceptions_in(stretches)
            if exceptions < fewest and exceptions <= enough:
                best, fewest = template, exceptions
    return best


def template_in(timezone: str, stretches: Stretches, step: int, kind: str) -> Calendar:
    """The template by the clock of one zone; see :func:`learn_template`."""
    stretches = stretches.cut(Slots(step, timezone=timezone).turns)
    local_J = local_time(stretches.time_J, timezone) - MONDAY
    begin_P, index_J = np.unique(local_J % step, return_inverse=True)
    count_P = np.bincount(index_J, stretches.count_J)
    one_grid = _on_grid(Slots(step, int(begin_P[np.argmax(count_P)]), timezone), stretches, step, kind)
    if one_grid.kind == "24/7" or step >= DAY:
        return one_grid
    between = _between_grids(begin_P, count_P, stretches, step)
    if between == step:
        return one_grid
    slots = Slots(between, int(begin_P[np.argmax(count_P)]) % between, timezone)
    separate = Stretches.of(stretches.time_N, between).cut(slots.turns)
    several = _on_grid(slots, separate, step, "sessions")
    enough = (1 - LEAST_GAIN) * one_grid.exceptions_in(stretches)
    return several if several.exceptions_in(stretches) <= enough else one_grid


def _between_grids(begin_P: np.ndarray, count_P: np.ndarray, stretches: Stretches, step: int) -> int:
    """Greatest length that divides a step and the distances between the grids that bars lie on; ``step`` for one grid.

    Args:
        begin_P: where in a step bars begin, seconds.
        count_P: how many of them. A grid counts if it has a bar in every second week, and two at least.
        stretches: the bars.
        step: seconds of a bar.
    """
    weeks = (int(stretches.time_N[-1]) - int(stretches.time_N[0])) / WEEK
    grid_G = begin_P[count_P >= max(2, weeks / 2)]
    between = gcd(step, *np.diff(grid_G).tolist())
    return between if between >= LEAST_BETWEEN else step


def _on_grid(slots: Slots, stretches: Stretches, step: int, kind: str) -> Calendar:
    """The template whose open slots are among some slots."""
    everyday = Calendar.always(step, slots.phase, slots.timezone)
    if kind == "24/7" or not _is_part_of_week(step):
        return everyday
    first_J = slots.place(slots.number(stretches.time_J))
    is_open = _open_slots(first_J, first_J + stretches.count_J, slots.cycle, slots.step)
    if kind == "auto":
        closed = int((~is_open).sum())
        scanty = int(stretches.time_N[-1] - stretches.time_N[0]) < 4 * WEEK
        if closed == 0 or (scanty and closed * 7 < len(is_open)):
            return everyday
    places = tuple(np.flatnonzero(is_open).tolist())
    return Calendar("sessions", step, slots.phase, places, slots.timezone, step // slots.step)


def _open_slots(first_J: np.ndarray, after_J: np.ndarray, cycle: int, step: int) -> np.ndarray:
    """bool (cycle,): the slots of the week that are open, by the places ``first_J`` to ``after_J`` that bars are in."""
    order_J = np.argsort(first_J, kind="stable")
    first_J, after_J = first_J[order_J], np.maximum.accumulate(after_J[order_J])
    first_J[1:] = np.maximum(first_J[1:], after_J[:-1])  # of a slot that comes twice, one
    in_week = _counts(first_J, after_J, cycle)
    length = int(after_J[-1] - first_J[0])
    if length >= 4 * cycle:
        week_J, last_J = first_J // cycle, (after_J - 1) // cycle
        weeks = 1 + last_J[-1] - week_J[0] - np.maximum(week_J[1:] - last_J[:-1] - 1, 0).sum()
        mostly = in_week * 2 >= weeks
        return mostly if mostly.any() else in_week > 0
    is_open = in_week > 0
    if length < cycle and DAY % step == 0 and step < DAY:
        shown = (np.arange(cycle) - first_J[0]) % cycle < length
        at_time = is_open.reshape(7, -1).any(axis=0)
        is_open |= ~shown & np.tile(at_time, 7)
    return is_open


def _counts(first_J: np.ndarray, after_J: np.ndarray, cycle: int) -> np.ndarray:
    """int64 (cycle,): how often each place of the week comes among those from ``first_J`` on and before ``after_J``."""
    weeks_J, rest_J = np.divmod(after_J - first_J, cycle)
    begin_J = first_J % cycle
    changes = np.bincount(begin_J, minlength=2 * cycle) - np.bincount(begin_J + rest_J, minlength=2 * cycle)
    return weeks_J.sum() + np.cumsum(changes).reshape(2, cycle).sum(axis=0)


def _require_its_time(template: Calendar, stretches: Stretches) -> None:
    """Refuse bars that keep UTC and not the time of the zone, which only a change of its clocks shows."""
    in_utc = template_in(UTC, stretches, template.step, "24/7")
    off, off_utc = template.off_grid_in(stretches), in_utc.off_grid_in(stretches)
    if off > off_utc:
        raise ConfigError(
            f"timezone: found {template.timezone!r}, whose time the bars do not keep: after its clock changes {off} of "
            f"{len(stretches.time_N)} bars of {span(template.step)} open at another hour than the others (in UTC "
            f"{off_utc}); should be auto or UTC"
        )


def _is_part_of_week(step: int) -> bool:
    return step < WEEK and WEEK % step == 0
