"""Slots of a local clock against a walk from second to second of UTC, and zones against ``zoneinfo``."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextbar.bars.slots import DAY, HOUR, MONDAY, Slots, Tally, least_gap, weekday
from nextbar.bars.zone import MARKET_ZONES, local_time, offsets

QUARTER = 900
# Lord Howe's clocks change by half an hour; Casablanca's go back for one month of the year; Apia left out a whole day
ZONES = (*MARKET_ZONES, "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns")


def utc_offset(time: int, zone: str) -> int:
    offset = dt.datetime.fromtimestamp(time, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def test_days_of_the_week_are_those_of_the_calendar() -> None:
    epoch = dt.date(1970, 1, 1)
    days = [-8, -1, 0, 3, 4, 20_000]
    assert [weekday(day) for day in days] == [(epoch + dt.timedelta(day)).weekday() for day in days]
    assert weekday(np.array(days)).tolist() == [weekday(day) for day in days]


def test_only_long_bars_may_lack_an_hour() -> None:
    assert [least_gap(hours * HOUR) // HOUR for hours in (1, 3, 4, 24)] == [1, 3, 3, 23]
    assert least_gap(4 * HOUR - 1) == 4 * HOUR - 1


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_zoneinfo(zone: str) -> None:
    """At random instants, and at the second before and of each change."""
    first, end = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (1900, 2200))
    changes = offsets(zone).change_K
    times = np.concatenate([np.random.default_rng(0).integers(first, end, 300), changes, changes - 1])
    np.testing.assert_array_equal(local_time(times, zone) - times, [utc_offset(int(time), zone) for time in times])
    assert (np.diff(offsets(zone).offset_K) != 0).all()


@st.composite
def grids(draw: st.DrawFn) -> tuple[Slots, int]:
    """A grid, and a time near a change of its clock."""
    zone = draw(st.sampled_from([zone for zone in ZONES if len(offsets(zone).change_K)]))
    step = draw(st.sampled_from([QUARTER, 2 * QUARTER, HOUR, 2 * HOUR, 4 * HOUR, 5 * HOUR, DAY, 7 * DAY]))
    phase = draw(st.integers(0, step // QUARTER - 1)) * QUARTER
    recent = [int(time) for time in offsets(zone).change_K if abs(time - 1_500_000_000) < 8 * 365 * DAY]
    change = draw(st.sampled_from(recent or [int(offsets(zone).change_K[-1])]))
    return Slots(step, phase, zone), change


def walk(slots: Slots, first: int, end: int) -> list[tuple[int, int]]:
    """(time, place) of every slot, from the definition: it begins where the local clock shows a place's beginning."""
    out: list[tuple[int, int]] = []
    longest = max(abs(np.diff(offsets(slots.timezone).offset_K)))
    for time in range(first, end, QUARTER):
        place, rest = divmod(time + utc_offset(time, slots.timezone) - MONDAY - slots.phase, slots.step)
        again = [(before, at) for before, at in out if at >= place and time - before <= longest]
        back = utc_offset(again[0][0], slots.timezone) - utc_offset(time, slots.timezone) if again else 0
        if rest == 0 and not (again and slots.step > back):
            out.append((time, place))
    return out


# New York's clocks, put forward on 2017-03-12 and back on 2017-11-05
@example((Slots(2 * HOUR, HOUR, "America/New_York"), 1_509_861_600), 1, 0)  # a bar at 1:00, which comes twice
@example((Slots(HOUR, 0, "America/New_York"), 1_509_861_600), 1, 0)
@example((Slots(2 * HOUR, 0, "America/New_York"), 1_489_302_000), 1, 0)  # a bar at 2:00, which is left out
@given(grids(), st.integers(1, 5), st.integers(0, 4))
def test_slots_and_tallies_agree_with_a_walk(grid: tuple[Slots, int], every: int, first: int) -> None:
    slots, change = grid
    reach = 3 * max(slots.step, DAY)
    start = change // QUARTER * QUARTER - reach
    time_N, place_N = np.array(walk(slots, start, start + 2 * reach)).T
    number_N = slots.number(time_N)
    np.testing.assert_array_equal(np.diff(number_N), 1)
    np.testing.assert_array_equal(slots.begin(number_N), time_N)
    np.testing.assert_array_equal(slots.place(number_N), place_N)
    chosen = np.unique(np.arange(place_N[0] + first % len(place_N), place_N[-1] + 1, every) % slots.cycle)
    tally = Tally(slots, chosen)
    counted_N = np.isin(place_N % slots.cycle, chosen)
    before_N = tally.before(number_N)
    np.testing.assert_array_equal(np.diff(before_N), counted_N[:-1])
    at_N, index_N = tally.nth(before_N[counted_N])
    np.testing.assert_array_equal(at_N, number_N[counted_N])
    np.testing.assert_array_equal(chosen[index_N], place_N[counted_N] % slots.cycle)


def test_a_time_belongs_to_the_slot_whose_beginning_is_nearest() -> None:
    slots = Slots(HOUR, 1800)
    first = MONDAY + 1800
    times = [first, first + 1799, first + 1800, first + 2400, first + HOUR, first - 1800, first - 1801]
    for time_N in (np.array(times), np.array(times, np.float64)):
        number_N = slots.number(time_N)
        assert number_N.dtype == np.int64 and number_N.tolist() == [0, 0, 1, 1, 1, 0, -1]


def test_a_tally_counts_from_the_first_monday_of_the_epoch() -> None:
    tally = Tally(Slots(HOUR), np.array([9, 10]))
    number_N = np.array([0, 9, 10, 11, 168, 178, -1, -158, -159])
    assert tally.before(number_N).tolist() == [0, 0, 1, 2, 2, 3, 0, -1, -2]


def test_local_time_is_whole_whatever_the_times_are() -> None:
    for zone in ("UTC", "Asia/Tokyo"):
        local = local_time(np.array([0.0, 3600.0]), zone)
        assert local.dtype == np.int64 and (local - local[0]).tolist() == [0, 3600]


def test_a_pattern_has_the_changes_after_the_first_time_until_the_last() -> None:
    changes, found = offsets("America/New_York"), []
    for k in (100, 101):
        change, by = int(changes.change_K[k]), int(changes.offset_K[k + 1] - changes.offset_K[k])
        found.append((change, by))
        assert changes.pattern(change - 1, change) == ((change, by),)
        assert changes.pattern(change - 1, change - 1) == changes.pattern(change, change + 1) == ()
    assert changes.pattern(found[0][0] - 1, found[1][0]) == tuple(found) and found[0][1] == -found[1][1] != 0
    assert all(type(value) is int for pair in changes.pattern(0, 10**9) for value in pair)
