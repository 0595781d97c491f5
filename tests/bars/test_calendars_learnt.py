"""Calendars of several series, learnt from their dates."""

from __future__ import annotations

import datetime as dt

import numpy as np
from markets import MARKETS, opening_times
from weekly_templates import week_times

from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_together, shared_zone
from nextbar.bars.slots import DAY, HOUR
from nextbar.bars.weekly_template import learn_template


def test_the_shared_zone_is_that_of_most_but_utc() -> None:
    zones = ["UTC", "Asia/Tokyo", "Europe/London", "UTC", "UTC", "Europe/London", "Asia/Tokyo"]
    calendars = [Calendar.always(HOUR, timezone=zone) for zone in zones]
    assert shared_zone(calendars) == "Asia/Tokyo" and shared_zone(calendars[2:]) == "Europe/London"
    assert shared_zone(calendars[:1]) == shared_zone([]) == "UTC"


def test_calendars_learnt_together_are_those_asked_for() -> None:
    weekdays, none = week_times(np.arange(5), 10, DAY), np.empty(0, np.int64)
    learnt = learn_together([weekdays, none], [DAY, DAY], "24/7", "Asia/Tokyo")
    assert learnt == [Calendar.always(DAY, 9 * HOUR, "Asia/Tokyo"), None]
    assert learn_together([weekdays], [DAY]) == [learn_template(weekdays, DAY)]


def test_a_young_series_takes_the_zone_of_the_others_if_none_is_asked_for() -> None:
    year = opening_times(MARKETS["New York"], HOUR, dt.date(2019, 1, 7), 364)
    series = [year[-60:], year[:0], year]
    for timezone, expected in (("auto", "America/New_York"), ("UTC", "UTC")):
        learnt = learn_together(series, [HOUR] * 3, timezone=timezone)
        assert [calendar and calendar.timezone for calendar in learnt] == [expected, None, expected]
        assert [calendar and calendar.kind for calendar in learnt] == ["sessions", None, "sessions"]
