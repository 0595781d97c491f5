"""What slots are open, by which clock, as the dates of bars show it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import MARKETS, local_clock, opening_times
from weekly_templates import templates, week_times

from nextbar.bars.slots import DAY, HOUR, WEEK
from nextbar.bars.weekly_template import learn_template
from nextbar.errors import ConfigError, DataError


@settings(max_examples=60, deadline=None)
@given(templates(), st.integers(1, 6))
def test_a_full_template_is_learnt_as_it_is(template, weeks):
    step, phase, slots = template
    calendar = learn_template(week_times(slots, weeks, step, phase), step, "sessions")
    assert calendar.phase == phase
    first, last = slots[0], slots[-1]
    if weeks > 1 or last - first + 1 == WEEK // step:
        assert calendar.open_slots == tuple(slots)
    else:  # a single week shows nothing before its first and after its last bar
        inside = tuple(slot for slot in calendar.open_slots if first <= slot <= last)
        assert inside == tuple(slots)


def test_a_slot_open_in_half_of_the_weeks_is_open():
    always, half = np.arange(0, 100), np.arange(100, 120)
    even = np.concatenate([week_times(always, 8, HOUR), week_times(half, 4, HOUR)])
    assert learn_template(np.sort(even), HOUR).open_slots == tuple(range(120))
    fewer = np.concatenate([week_times(always, 8, HOUR), week_times(half, 3, HOUR)])
    assert learn_template(np.sort(fewer), HOUR).open_slots == tuple(range(100))


def test_a_market_that_is_traded_now_and_then_is_open_wherever_there_was_a_bar():
    """No slot has a bar in half of the weeks; a template without any open slot would have no next bar."""
    time = week_times([3], 40, HOUR) + HOUR * np.arange(40) * 4
    calendar = learn_template(time, HOUR)
    assert calendar.kind == "sessions" and len(calendar.open_slots) == 40
    assert (calendar.next_times_after(time, 3)[:, 0] > time).all()


def test_few_weeks_with_a_hole_are_not_taken_for_sessions():
    days = week_times(np.arange(168), 1, HOUR)[:120]
    assert learn_template(np.delete(days, [30, 31]), HOUR).kind == "24/7"
    office = days[(days % DAY >= 9 * HOUR) & (days % DAY < 17 * HOUR)]
    learnt = learn_template(office, HOUR)
    assert learnt.kind == "sessions"
    assert {hour for hour, _ in learnt.slot_clock()} == set(range(9, 17))


def test_forced_kinds_and_refusals():
    weekdays = week_times(np.arange(5), 10, DAY)
    assert learn_template(weekdays, DAY).kind == "sessions"
    always = learn_template(weekdays, DAY, "24/7")
    assert always.kind == "24/7" and always.hole_before(weekdays).sum() == 9
    daily = week_times(np.arange(7), 10, DAY)
    assert learn_template(daily, DAY, "sessions").kind == "sessions"
    with pytest.raises(ConfigError, match="'never'"):
        learn_template(weekdays, DAY, "never")
    for step, length in ((5 * HOUR, "5h"), (WEEK, "1w"), (2 * WEEK, "2w"), (30 * DAY, "30d")):
        with pytest.raises(
            ConfigError, match=f"'sessions' with bars of {length}, should be auto or 24/7.*divide a week"
        ):
            learn_template(weekdays, step, "sessions")
        assert learn_template(weekdays, step, "24/7").kind == "24/7"
    with pytest.raises(DataError, match="no bars"):
        learn_template(weekdays[:0], DAY)


def learnt_slots(time_N: np.ndarray, step: int = HOUR, kind: str = "sessions") -> tuple[int, ...]:
    return learn_template(np.sort(time_N), step, kind).open_slots


def test_four_weeks_are_enough_to_tell_a_slot_that_is_seldom_open() -> None:
    """As many slots as four weeks have; of one less all that have a bar are open."""
    whole = week_times(np.arange(168), 4, HOUR)
    seldom = np.delete(whole, [50, 50 + 168, 50 + 2 * 168])
    assert learnt_slots(seldom) == tuple(slot for slot in range(168) if slot != 50)
    assert learnt_slots(seldom[:-1]) == tuple(range(168))


def test_in_under_four_weeks_a_seventh_of_the_week_must_be_closed() -> None:
    for closed, weeks, kind in ((23, 3, "24/7"), (24, 3, "sessions"), (1, 4, "24/7"), (1, 5, "sessions")):
        time_N = week_times(np.delete(np.arange(168), np.arange(100, 100 + closed)), weeks, HOUR)
        assert learn_template(time_N, HOUR).kind == kind
    exactly = week_times(np.delete(np.arange(168), 100), 5, HOUR)[: 4 * 167 + 1]
    assert exactly[-1] - exactly[0] == 4 * WEEK
    assert learn_template(exactly, HOUR).kind == "sessions" and learn_template(exactly[:-1], HOUR).kind == "24/7"


def test_what_a_span_under_a_week_cannot_show_follows_from_other_days_if_bars_have_a_time_of_day() -> None:
    office = np.concatenate([day * 24 + np.arange(9, 17) for day in (0, 1)])
    assert learnt_slots(week_times(office, 1, HOUR)) == tuple(
        day * 24 + hour for day in range(7) for hour in range(9, 17)
    )
    until_noon = np.concatenate([np.arange(9, 17), np.arange(33, 37)])  # the hours after on that day are not shown
    assert learnt_slots(week_times(until_noon, 1, HOUR))[8:16] == tuple(range(33, 41))
    assert learnt_slots(week_times([0, 1, 3], 1, DAY), DAY) == (0, 1, 3)
    assert learnt_slots(week_times([0, 1, 3], 1, 7 * HOUR), 7 * HOUR) == (0, 1, 3)
    assert learnt_slots(week_times([0, 1, 3], 2, 7 * HOUR), 7 * HOUR) == (0, 1, 3)


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        learn_template(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_cannot_be_learnt_is_told_in_a_sentence() -> None:
    weekdays = week_times(np.arange(5), 10, DAY)
    assert refusal(weekdays, DAY, "never") == "calendar: found 'never', should be one of auto, 24/7, sessions"
    assert refusal(weekdays[:0], DAY) == "no bars to learn a calendar from"
    assert refusal(weekdays, 2 * WEEK, "sessions") == (
        "calendar: found 'sessions' with bars of 2w, should be auto or 24/7: sessions need bars that are shorter than "
        "a week and divide a week"
    )
    always = week_times(np.arange(42), 52, 4 * HOUR)
    hours = np.unique(local_clock(always, "America/New_York")[:, 0] % 4, return_counts=True)[1]
    assert refusal(always, 4 * HOUR, timezone="America/New_York") == (
        "timezone: found 'America/New_York', whose time the bars do not keep: after its clock changes "
        f"{len(always) - hours.max()} of {len(always)} bars of 4h open at another hour than the others (in UTC 0); "
        "should be auto or UTC"
    )


def test_the_usual_zone_is_kept_where_no_other_is_better() -> None:
    weekdays = week_times(np.arange(5), 4, DAY)
    year = opening_times(MARKETS["New York"], HOUR, dt.date(2019, 1, 7), 364)
    for usual in ("UTC", "Asia/Tokyo", "Europe/London"):
        assert learn_template(weekdays, DAY, usual=usual).timezone == usual
        assert learn_template(year, HOUR, usual=usual).timezone == "America/New_York"
