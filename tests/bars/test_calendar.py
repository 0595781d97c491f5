"""The weekly template against a brute-force walk, and the gaps of real markets."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import MARKETS, local_clock, opening_times

from nextbar.bars.bars import load_bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_together, shared_zone
from nextbar.bars.slots import DAY, HOUR, MONDAY, WEEK
from nextbar.errors import ConfigError, DataError


def week_times(slots: np.ndarray, weeks: int, step: int, phase: int = 0, first_week: int = 2600) -> np.ndarray:
    """Opening times of the given slots in each of several weeks."""
    starts = MONDAY + phase + (first_week + np.arange(weeks)) * WEEK
    return (starts[:, None] + np.asarray(slots) * step).ravel()


@st.composite
def templates(draw):
    step = draw(st.sampled_from([HOUR, 4 * HOUR, 12 * HOUR, DAY]))
    cycle = WEEK // step
    slots = draw(st.lists(st.integers(0, cycle - 1), min_size=1, max_size=cycle, unique=True))
    return step, draw(st.integers(0, step - 1)), sorted(slots)


@settings(max_examples=60, deadline=None)
@given(templates(), st.integers(1, 6))
def test_a_full_template_is_learnt_as_it_is(template, weeks):
    step, phase, slots = template
    calendar = Calendar.learn(week_times(slots, weeks, step, phase), step, "sessions")
    assert calendar.phase == phase
    first, last = slots[0], slots[-1]
    if weeks > 1 or last - first + 1 == WEEK // step:
        assert calendar.open_slots == tuple(slots)
    else:  # a single week shows nothing before its first and after its last bar
        inside = tuple(slot for slot in calendar.open_slots if first <= slot <= last)
        assert inside == tuple(slots)


@settings(max_examples=60, deadline=None)
@given(templates(), st.data())
def test_counting_agrees_with_a_walk_from_slot_to_slot(template, data):
    step, phase, slots = template
    calendar = Calendar("sessions", step, phase, tuple(slots))
    cycle = WEEK // step
    numbers = sorted(data.draw(st.lists(st.integers(-2 * cycle, 3 * cycle), min_size=2, max_size=12, unique=True)))
    time = MONDAY + phase + np.asarray(numbers) * step

    def walk(number: int):
        while True:
            number += 1
            if number % cycle in slots:
                yield number

    expected = [0]
    for before, number in pairwise(numbers):
        expected.append(sum(k % cycle in slots for k in range(before + 1, number)))
    np.testing.assert_array_equal(calendar.missing(time), expected)
    clock = calendar.slot_clock()
    assert clock.shape == (len(slots), 2)
    for number, upcoming, rank in zip(numbers, calendar.next_times_after(time, 5), calendar.rank(time), strict=True):
        steps = walk(number)
        after = [next(steps) for _ in range(5)]
        np.testing.assert_array_equal(upcoming, MONDAY + phase + np.asarray(after) * step)
        assert slots[rank] == after[0] % cycle
        ranks = (rank + np.arange(5)) % len(slots)
        weekday = (upcoming - MONDAY) // DAY % 7
        np.testing.assert_allclose(clock[ranks], np.stack([upcoming % DAY / HOUR, weekday], axis=1))
    np.testing.assert_array_equal(
        calendar.rank(calendar.next_times_after(time[:1], 3)[0, :-1]),
        (calendar.rank(time[:1]) + np.arange(1, 3)) % len(slots),
    )


@settings(max_examples=60, deadline=None)
@given(templates(), st.data())
def test_a_hole_is_what_the_rule_says(template, data):
    step, phase, slots = template
    calendar = Calendar("sessions", step, phase, tuple(slots))
    cycle = WEEK // step
    walk = [k for k in range(4 * cycle) if k % cycle in slots]
    cut = data.draw(st.integers(1, len(walk) - 2))
    length = data.draw(st.integers(0, len(walk) - cut - 1))
    gone, kept = walk[cut : cut + length], walk[:cut] + walk[cut + length :]
    days = [((phase + slot * step) // DAY) % 7 for slot in slots]
    day = np.median([days.count(one) for one in set(days)])
    edge = any((k - 1) % cycle not in slots or (k + 1) % cycle not in slots for k in gone)
    closure = len(gone) <= 4 * day and (len(gone) >= day or edge)
    hole = calendar.hole_before(MONDAY + phase + np.asarray(kept) * step)
    assert hole.sum() == hole[cut] == (bool(gone) and not closure)


def test_every_missing_bar_of_a_market_that_never_closes_is_a_hole():
    time = np.delete(week_times(np.arange(168), 8, HOUR), [500, 501, 900])
    calendar = Calendar.learn(time, HOUR)
    assert calendar.kind == "24/7"
    assert np.flatnonzero(calendar.hole_before(time)).tolist() == [500, 898]
    assert calendar.missing(time)[[500, 898]].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("hours", "hole"),
    [
        ([10, 11], True),
        ([14, 15], True),
        ([12], True),
        ([9], False),
        ([9, 10], False),
        ([15, 16], False),
        ([9, 10, 11, 12, 13, 14, 15, 16], False),
    ],
)
def test_a_late_opening_and_an_early_close_are_closures(hours, hole):
    office = week_times(np.arange(168), 8, HOUR)
    office = office[(office % DAY >= 9 * HOUR) & (office % DAY < 17 * HOUR)]
    calendar = Calendar.learn(office, HOUR)
    gone = (office // DAY == office[200] // DAY) & np.isin(office % DAY // HOUR, hours)
    assert gone.sum() == len(hours)
    assert calendar.hole_before(office[~gone]).sum() == hole


def test_a_slot_open_in_half_of_the_weeks_is_open():
    always, half = np.arange(0, 100), np.arange(100, 120)
    even = np.concatenate([week_times(always, 8, HOUR), week_times(half, 4, HOUR)])
    assert Calendar.learn(np.sort(even), HOUR).open_slots == tuple(range(120))
    fewer = np.concatenate([week_times(always, 8, HOUR), week_times(half, 3, HOUR)])
    assert Calendar.learn(np.sort(fewer), HOUR).open_slots == tuple(range(100))


def test_a_market_that_is_traded_now_and_then_is_open_wherever_there_was_a_bar():
    """No slot has a bar in half of the weeks; a template without any open slot would have no next bar."""
    time = week_times([3], 40, HOUR) + HOUR * np.arange(40) * 4
    calendar = Calendar.learn(time, HOUR)
    assert calendar.kind == "sessions" and len(calendar.open_slots) == 40
    assert (calendar.next_times_after(time, 3)[:, 0] > time).all()


def test_few_weeks_with_a_hole_are_not_taken_for_sessions():
    days = week_times(np.arange(168), 1, HOUR)[:120]
    assert Calendar.learn(np.delete(days, [30, 31]), HOUR).kind == "24/7"
    office = days[(days % DAY >= 9 * HOUR) & (days % DAY < 17 * HOUR)]
    learnt = Calendar.learn(office, HOUR)
    assert learnt.kind == "sessions"
    assert {hour for hour, _ in learnt.slot_clock()} == set(range(9, 17))


def test_daily_bars_on_local_midnight_stay_on_their_grid_when_the_clocks_change():
    weekdays = week_times(np.arange(5), 52, DAY, phase=5 * HOUR)
    summer = np.arange(len(weekdays)) > 130
    local = weekdays - summer * HOUR
    calendar = Calendar.learn(local, DAY, timezone="UTC")
    assert calendar.open_slots == (0, 1, 2, 3, 4)
    assert calendar.missing(local).sum() == 0
    # a zone with other clocks was asked for: a forecast keeps the hour the last bar has
    np.testing.assert_array_equal(calendar.next_times_after(local[-6:-5], 5)[0], local[-5:])


@pytest.mark.parametrize("step", [WEEK, 2 * WEEK, 5 * HOUR, 30 * DAY])
def test_steps_without_a_week_never_close(step):
    time = 1_600_000_000 + np.arange(50) * step
    calendar = Calendar.learn(time, step)
    assert calendar.kind == "24/7"
    assert not calendar.missing(time).any()
    np.testing.assert_array_equal(calendar.next_times_after(time[10:11], 7)[0], time[11:18])
    clock = calendar.slot_clock()[calendar.rank(time)]
    following = time + step
    np.testing.assert_allclose(clock[:, 0], following % DAY / HOUR)
    np.testing.assert_array_equal(clock[:, 1], (following - MONDAY) // DAY % 7)


def test_forced_kinds_and_refusals():
    weekdays = week_times(np.arange(5), 10, DAY)
    assert Calendar.learn(weekdays, DAY).kind == "sessions"
    always = Calendar.learn(weekdays, DAY, "24/7")
    assert always.kind == "24/7" and always.hole_before(weekdays).sum() == 9
    daily = week_times(np.arange(7), 10, DAY)
    assert Calendar.learn(daily, DAY, "sessions").kind == "sessions"
    with pytest.raises(ConfigError, match="'never'"):
        Calendar.learn(weekdays, DAY, "never")
    for step, length in ((5 * HOUR, "5h"), (WEEK, "1w"), (2 * WEEK, "2w"), (30 * DAY, "30d")):
        with pytest.raises(
            ConfigError, match=f"'sessions' with bars of {length}, should be auto or 24/7.*divide a week"
        ):
            Calendar.learn(weekdays, step, "sessions")
        assert Calendar.learn(weekdays, step, "24/7").kind == "24/7"
    with pytest.raises(DataError, match="no bars"):
        Calendar.learn(weekdays[:0], DAY)


def learnt_slots(time_N: np.ndarray, step: int = HOUR, kind: str = "sessions") -> tuple[int, ...]:
    return Calendar.learn(np.sort(time_N), step, kind).open_slots


def test_four_weeks_are_enough_to_tell_a_slot_that_is_seldom_open() -> None:
    """As many slots as four weeks have; of one less all that have a bar are open."""
    whole = week_times(np.arange(168), 4, HOUR)
    seldom = np.delete(whole, [50, 50 + 168, 50 + 2 * 168])
    assert learnt_slots(seldom) == tuple(slot for slot in range(168) if slot != 50)
    assert learnt_slots(seldom[:-1]) == tuple(range(168))


def test_in_under_four_weeks_a_seventh_of_the_week_must_be_closed() -> None:
    for closed, weeks, kind in ((23, 3, "24/7"), (24, 3, "sessions"), (1, 4, "24/7"), (1, 5, "sessions")):
        time_N = week_times(np.delete(np.arange(168), np.arange(100, 100 + closed)), weeks, HOUR)
        assert Calendar.learn(time_N, HOUR).kind == kind
    exactly = week_times(np.delete(np.arange(168), 100), 5, HOUR)[: 4 * 167 + 1]
    assert exactly[-1] - exactly[0] == 4 * WEEK
    assert Calendar.learn(exactly, HOUR).kind == "sessions" and Calendar.learn(exactly[:-1], HOUR).kind == "24/7"


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


def test_counts_are_whole_numbers() -> None:
    weekdays = week_times(np.arange(5), 5, DAY)
    calendar = Calendar.learn(weekdays, DAY)
    for array in (calendar.missing(weekdays), calendar.rank(weekdays), calendar.next_times_after(weekdays, 2)):
        assert array.dtype == np.int64
    assert calendar.hole_before(weekdays).dtype == bool and calendar.slot_clock().dtype == np.float64
    assert calendar.next_times_after(weekdays.astype(np.float64), 1).dtype == np.int64


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        Calendar.learn(*arguments, **options)  # type: ignore[arg-type]
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
        assert Calendar.learn(weekdays, DAY, usual=usual).timezone == usual
        assert Calendar.learn(year, HOUR, usual=usual).timezone == "America/New_York"


def test_the_shared_zone_is_that_of_most_but_utc() -> None:
    zones = ["UTC", "Asia/Tokyo", "Europe/London", "UTC", "UTC", "Europe/London", "Asia/Tokyo"]
    calendars = [Calendar.always(HOUR, timezone=zone) for zone in zones]
    assert shared_zone(calendars) == "Asia/Tokyo" and shared_zone(calendars[2:]) == "Europe/London"
    assert shared_zone(calendars[:1]) == shared_zone([]) == "UTC"


def test_a_calendar_is_plain_json_of_known_keys() -> None:
    """Runs keep it, so every version must find it again."""
    always = {"kind": "24/7", "step": DAY, "phase": 60, "timezone": "Asia/Tokyo"}
    assert Calendar.always(DAY, 60, "Asia/Tokyo").to_dict() == always
    sessions = Calendar("sessions", DAY, 0, (0, 2))
    assert sessions.to_dict() == {"kind": "sessions", "step": DAY, "phase": 0, "timezone": "UTC", "open_slots": [0, 2]}
    texts = {"kind": "sessions", "step": "3600", "phase": "5", "open_slots": ["1", "2"]}
    assert Calendar.from_dict(texts) == Calendar("sessions", HOUR, 5, (1, 2))
    assert Calendar.from_dict({"kind": "24/7", "step": "3600", "phase": "5"}) == Calendar.always(HOUR, 5)


def test_calendars_learnt_together_are_those_asked_for() -> None:
    weekdays, none = week_times(np.arange(5), 10, DAY), np.empty(0, np.int64)
    learnt = learn_together([weekdays, none], [DAY, DAY], "24/7", "Asia/Tokyo")
    assert learnt == [Calendar.always(DAY, 9 * HOUR, "Asia/Tokyo"), None]
    assert learn_together([weekdays], [DAY]) == [Calendar.learn(weekdays, DAY)]


def test_exceptions_are_gaps_bars_of_closed_slots_and_bars_off_the_grid() -> None:
    calendar = Calendar("sessions", HOUR, 0, (9, 10, 11))
    time_N = np.sort(np.append(week_times([9, 11, 12, 168 + 10], 1, HOUR), week_times([9], 1, HOUR) + 900))
    assert calendar.exceptions(time_N) == 2 + 1 + 1


def test_a_young_series_takes_the_zone_of_the_others_if_none_is_asked_for() -> None:
    year = opening_times(MARKETS["New York"], HOUR, dt.date(2019, 1, 7), 364)
    series = [year[-60:], year[:0], year]
    for timezone, expected in (("auto", "America/New_York"), ("UTC", "UTC")):
        learnt = learn_together(series, [HOUR] * 3, timezone=timezone)
        assert [calendar and calendar.timezone for calendar in learnt] == [expected, None, expected]
        assert [calendar and calendar.kind for calendar in learnt] == ["sessions", None, "sessions"]


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("slots", [range(5), range(7)])
def test_a_calendar_survives_json(slots, timezone):
    calendar = Calendar.learn(week_times(np.asarray(slots), 9, DAY, phase=1800), DAY, timezone=timezone)
    assert calendar.timezone == timezone
    plain = json.loads(json.dumps(calendar.to_dict()))
    assert Calendar.from_dict(plain) == calendar
    # saved before calendars had a zone
    del plain["timezone"]
    assert Calendar.from_dict(plain) == dataclasses.replace(calendar, timezone="UTC")


# holes and missing bars: counted for the same files by an independent scan (evidence table of the shared
# bars); EUR/USD: the ten hours of 2015-08-20 (its 21:00 hour is open) and the 103 hours from Sunday 2016-12-11, 22:00
# (17:00 in New York), to Friday 05:00, checked by hand
@pytest.mark.parametrize(
    ("ticker", "resolution", "kind", "holes", "missing"),
    [
        ("spx", "1d", "sessions", 0, 0),
        ("nasdaq_comp", "1d", "sessions", 0, 0),
        ("btc_usd", "1d", "24/7", 0, 0),
        ("sol_usdt", "4h", "24/7", 0, 0),
        ("btc_usdt", "1h", "24/7", 10, 20),
        ("eth_usdt", "1h", "24/7", 10, 20),
        ("btc_usdt", "30m", "24/7", 10, 45),
        ("btc_usdt_trades", "1h", "24/7", 7, 12),
        ("eur_usd", "1h", "sessions", 2, 112),
    ],
)
def test_real_markets(shared_data: Path, ticker, resolution, kind, holes, missing):
    (bars,) = load_bars(shared_data, [ticker], [resolution])
    calendar = Calendar.learn(bars.time_N[: int(0.8 * len(bars))], bars.step)
    hole_N = calendar.hole_before(bars.time_N)
    assert calendar.kind == kind
    assert (hole_N.sum(), calendar.missing(bars.time_N)[hole_N].sum()) == (holes, missing)


def test_holidays_of_the_currency_market_are_closures_and_its_outage_is_a_hole(shared_data: Path):
    (bars,) = load_bars(shared_data, ["eur_usd"], ["1h"])
    calendar = Calendar.learn(bars.time_N, bars.step)
    hole_N = calendar.hole_before(bars.time_N)
    after = [str(np.datetime64(int(time), "s")) for time in bars.time_N[hole_N]]
    assert after == ["2015-08-21T04:00:00", "2016-12-16T05:00:00"]
