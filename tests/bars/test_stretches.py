"""Stretches of bars, and that a calendar counts by them what it would count bar by bar."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.bars.calendar import Calendar
from nextbar.bars.slots import DAY, HOUR, WEEK, Slots
from nextbar.bars.stretches import Stretches
from nextbar.bars.weekly_template import template_in
from nextbar.bars.zone import local_time, offsets

ZONES = ("UTC", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe")  # the last by half an hour
STEPS = (HOUR // 2, HOUR, 4 * HOUR, DAY)


@st.composite
def bars(draw: st.DrawFn) -> tuple[np.ndarray, int, str]:
    """Opening times around a change of some clock, by that clock or by UTC, some missing and some off the grid."""
    step, zone = draw(st.sampled_from(STEPS)), draw(st.sampled_from(ZONES))
    change_K = offsets(draw(st.sampled_from(ZONES[1:]))).change_K
    change = int(change_K[np.searchsorted(change_K, draw(st.integers(0, 1_500_000_000)))])
    n = draw(st.integers(1, 6 * WEEK // step if step < DAY else 60))
    time_N = change - draw(st.integers(0, n)) * step + step * np.arange(n)
    if draw(st.booleans()):  # bars by the clock of a zone
        ahead_N = local_time(time_N, zone) - time_N
        time_N = np.unique(time_N - (ahead_N - ahead_N[0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):  # a market that is closed at night
        time_N = time_N[(time_N % DAY < 17 * HOUR) | (step == DAY)]
    time_N = time_N[rng.random(len(time_N)) < draw(st.sampled_from((0.3, 0.98, 2.0)))]
    moved_N = rng.integers(0, step, len(time_N)) * (rng.random(len(time_N)) < draw(st.sampled_from((0.0, 0.05))))
    time_N = np.unique(np.append(time_N + moved_N, change))
    return time_N, step, zone


@settings(max_examples=60, deadline=None)
@given(bars(), st.lists(st.integers(-5, 400), max_size=5))
def test_the_bars_of_a_stretch_follow_step_by_step(made: tuple[np.ndarray, int, str], at: list[int]) -> None:
    time_N, step, _ = made
    whole = Stretches.of(time_N, step)
    turns = np.sort(time_N[0] + np.array(at, np.int64) * step // 2)
    for stretches in (whole, whole.cut(turns)):
        runs = [t + step * np.arange(n) for t, n in zip(stretches.time_J, stretches.count_J, strict=True)]
        np.testing.assert_array_equal(np.concatenate(runs), time_N)
        np.testing.assert_array_equal(time_N[stretches.first_J], stretches.time_J)
    assert (whole.time_J[1:] != whole.time_J[:-1] + whole.count_J[:-1] * step).all()
    for run in runs:
        assert not ((turns > run[0]) & (turns <= run[-1])).any()
    assert len(Stretches.of(time_N[:0], step).cut(turns).time_J) == 0


def template(place_N: np.ndarray, cycle: int, step: int) -> np.ndarray:
    """The open slots by what ``learn_template`` says of them."""
    seen = {(int(place) // cycle, int(place) % cycle) for place in place_N}
    in_week = np.array([sum((week, slot) in seen for week in {w for w, _ in seen}) for slot in range(cycle)])
    length = int(place_N.max() - place_N.min()) + 1
    if length >= 4 * cycle:
        mostly = in_week * 2 >= len({week for week, _ in seen})
        return mostly if mostly.any() else in_week > 0
    is_open = in_week > 0
    if length < cycle and step < DAY:
        unseen = {(int(place_N.min()) + length + i) % cycle for i in range(cycle - length)}
        by_day = is_open.reshape(7, -1).any(axis=0)
        for slot in unseen:
            is_open[slot] |= by_day[slot % len(by_day)]
    return is_open


@settings(max_examples=120, deadline=None)
@given(bars())
def test_a_calendar_counts_by_stretches_as_bar_by_bar(made: tuple[np.ndarray, int, str]) -> None:
    time_N, step, zone = made
    learnt = template_in(zone, Stretches.of(time_N, step), step, "sessions")
    begin, counts = np.unique((local_time(time_N, zone) - 4 * DAY) % step, return_counts=True)
    slots = Slots(step // learnt.slots_per_step, learnt.phase, zone)
    assert learnt.phase == begin[np.argmax(counts)] % slots.step
    number_N = slots.number(time_N)
    is_open = template(slots.place(number_N), slots.cycle, slots.step)
    np.testing.assert_array_equal(learnt.open_slots, np.flatnonzero(is_open))

    fewer = dataclasses.replace(learnt, open_slots=learnt.open_slots[: max(1, len(learnt.open_slots) // 2)])
    always = [Calendar.always(step, learnt.phase, zone)] if learnt.slots_per_step == 1 else []
    for calendar in (learnt, fewer, *always):
        open_slots = np.array(calendar.open_slots)

        def count(first: int, after: int, open_slots: np.ndarray = open_slots) -> int:
            return int(np.isin(slots.place(np.arange(first, after)) % slots.cycle, open_slots).sum())

        missing_N = [0, *(count(a + 1, b) for a, b in pairwise(number_N))]
        np.testing.assert_array_equal(calendar.missing(time_N), missing_N)
        assert set(np.flatnonzero(calendar.hole_before(time_N))) <= set(np.flatnonzero(missing_N))
        own_N = number_N[np.diff(number_N, prepend=number_N[0] - 1) > 0]
        in_open = int(np.isin(slots.place(own_N) % slots.cycle, open_slots).sum())
        lacking, off_grid = count(number_N[0], number_N[-1] + 1) - in_open, (slots.begin(number_N) != time_N).sum()
        assert calendar.exceptions(time_N) == lacking + len(own_N) - in_open + off_grid
        by_bar_N = np.concatenate([calendar.rank(time_N[i : i + 1]) for i in range(len(time_N))])
        np.testing.assert_array_equal(calendar.rank(time_N), by_bar_N)
