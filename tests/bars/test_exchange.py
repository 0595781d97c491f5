"""The calendar of an exchange, against exchange_calendars itself and dates that everybody can look up."""

from __future__ import annotations

import datetime as dt
import json
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from exchange_bars import at, bars_between, package, seconds_of, sessions_between
from markets import local_clock

from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import calendar_from, learn, learn_together
from nextbar.bars.dates import iso
from nextbar.bars.exchange import ExchangeCalendar
from nextbar.errors import DataError
from nextbar.positions.year import bars_per_year

xcals = package()
HOUR, DAY, WEEK = 3_600, 86_400, 604_800
STEPS = {"15min": 900, "30min": 1800, "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR}


def fitted(
    time_N: np.ndarray, step: int, exchange: str, until: str = "2018-12-31", timezone: str = "auto"
) -> ExchangeCalendar:
    calendar = learn(time_N[time_N < at(until)], step, exchange, timezone)
    assert isinstance(calendar, ExchangeCalendar)
    return calendar


def require_next(calendar: Calendar, time_N: np.ndarray) -> None:
    """The three bars after each are those that came, and the clock that a model is told is theirs."""
    came_NA = np.lib.stride_tricks.sliding_window_view(time_N[1:], 3)
    np.testing.assert_array_equal(calendar.next_times_after(time_N[:-3], 3), came_NA)
    assert not calendar.missing(time_N).any() and not calendar.outside(time_N).any()
    assert not calendar.hole_before(time_N).any()
    chain, clock = calendar.chain(time_N, 3), calendar.slot_clock()
    local_N = local_clock(time_N, calendar.timezone)
    np.testing.assert_allclose(clock[chain.own_N], local_N)
    np.testing.assert_array_equal(chain.own_N[1:], calendar.rank(time_N[:-1]))
    for ahead in range(3):
        np.testing.assert_allclose(clock[chain.ahead(3)[:-3, ahead]], local_N[1 + ahead : len(time_N) - 2 + ahead])


@pytest.mark.parametrize(
    ("exchange", "period"),
    [
        *(("XNYS", period) for period in STEPS),
        ("XHKG", "1h"),
        ("XTKS", "2h"),
        ("XLON", "1h"),
        ("CMES", "4h"),
        ("XASX", "30min"),
    ],
)
def test_bars_of_sessions_are_those_of_the_package(exchange: str, period: str) -> None:
    """Half days, breaks and clock changes included, fitted on the years before."""
    time_N = bars_between(exchange, "2017-01-03", "2020-12-30", period)
    calendar = fitted(time_N, STEPS[period], exchange)
    assert (calendar.kind, calendar.grid) == (exchange, "session")
    require_next(calendar, time_N)


@pytest.mark.parametrize("exchange", ["XNYS", "XTKS", "XASX", "IEPA"])
def test_a_bar_of_a_day_closes_with_its_session(exchange: str) -> None:
    """Half days, breaks, sessions that begin the evening before and clock changes included, dated at 00:00 UTC, at
    midnight there or when the session begins; also in the years after those that it was fitted on."""
    made = xcals.get_calendar(exchange, start="2017-01-03", end="2020-12-30")
    close_N, zone = seconds_of(made.closes), ZoneInfo(str(made.tz))
    midnight_N = [int(dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) for day in made.sessions]
    for time_N in (seconds_of(made.sessions), np.array(midnight_N), seconds_of(made.schedule["open"])):
        np.testing.assert_array_equal(fitted(time_N, DAY, exchange).close_times(time_N), close_N)


def test_when_well_known_days_close() -> None:
    time_N = sessions_between("XNYS", "2017-01-03", "2020-12-30")
    new_york = fitted(time_N, DAY, "XNYS")
    for day, close in (("2019-11-27", 21), ("2019-11-29", 18), ("2019-07-02", 20), ("2019-11-28", 24)):
        assert new_york.close_times(np.array([at(day)])) == at(day) + close * HOUR, day


@pytest.mark.parametrize(("exchange", "shift"), [("XNYS", 21 * HOUR), ("24/5", 9 * HOUR)])
def test_where_a_session_does_not_end_a_bar_it_closes_a_step_later(exchange: str, shift: int) -> None:
    """Dated by the close, or of a market that is open all day; no bar may count as closed too soon."""
    time_N = sessions_between(exchange, "2018-01-02", "2019-12-30") + shift
    np.testing.assert_array_equal(fitted(time_N, DAY, exchange).close_times(time_N), time_N + DAY)


def test_bars_of_hours_close_an_hour_later() -> None:
    time_N = bars_between("XNYS", "2018-11-20", "2018-12-28", "1h")
    np.testing.assert_array_equal(fitted(time_N, HOUR, "XNYS").close_times(time_N), time_N + HOUR)


def test_half_days_holidays_and_the_change_of_clocks_of_new_york() -> None:
    hourly = fitted(bars_between("XNYS", "2017-01-03", "2018-12-28", "1h"), HOUR, "XNYS")

    def after(text: str, n: int = 1) -> list[str]:
        return list(map(iso, hourly.next_times_after(np.array([at(text)]), n)[0]))

    assert after("2018-11-21T20:30:00") == ["2018-11-23T14:30:00Z"], "Thanksgiving"
    assert after("2018-11-23T14:30:00", 4) == [
        "2018-11-23T15:30:00Z", "2018-11-23T16:30:00Z", "2018-11-23T17:30:00Z", "2018-11-26T14:30:00Z",
    ], "the half day after it ends at 13:00 in New York"  # fmt: skip
    assert after("2019-03-08T20:30:00") == ["2019-03-11T13:30:00Z"], "the clocks went forward on the 10th"
    assert after("2019-11-01T19:30:00") == ["2019-11-04T14:30:00Z"], "and back on the 3rd"
    assert after("2018-12-31T20:30:00") == ["2019-01-02T14:30:00Z"]
    assert after("2021-07-02T19:30:00") == ["2021-07-06T13:30:00Z"], "the 4th was a Sunday"


@pytest.mark.parametrize("opens", ["00:00 UTC", "00:00", "session"])
def test_the_bar_of_a_day_wherever_its_date_puts_it(opens: str) -> None:
    day_N = sessions_between("XNYS", "2016-01-04", "2022-12-30")
    table = xcals.get_calendar("XNYS", start="2016-01-04", end="2022-12-30").schedule
    time_N = seconds_of(table["open"]) if opens == "session" else day_N
    if opens == "00:00":
        time_N = seconds_of(table.index.tz_localize("America/New_York").tz_convert("UTC").tz_localize(None))
    calendar = fitted(time_N, DAY, "XNYS")
    assert calendar.timezone == ("UTC" if opens == "00:00 UTC" else "America/New_York")
    require_next(calendar, time_N)
    late = time_N[np.searchsorted(day_N, [at("2018-12-31"), at("2021-07-02")])]
    due = np.searchsorted(day_N, [at("2019-01-02"), at("2021-07-06")])
    np.testing.assert_array_equal(calendar.next_times_after(late, 1)[:, 0], time_N[due])
    assert calendar.slots_a_day == 1


@pytest.mark.parametrize("opens", ["17:00", "22:00 UTC"])
def test_the_bar_of_a_day_that_begins_on_the_evening_before(opens: str) -> None:
    table = xcals.get_calendar("CMES", start="2016-01-04", end="2020-12-30").schedule
    evening_N = seconds_of(table["open"]) if opens == "17:00" else seconds_of(table.index) - 2 * HOUR
    calendar = fitted(evening_N, DAY, "CMES")
    assert calendar.evening == (opens != "17:00")
    require_next(calendar, evening_N)


@pytest.mark.parametrize(("step", "timezone"), [(4 * HOUR, "UTC"), (6 * HOUR, "UTC"), (HOUR, "America/New_York")])
def test_bars_on_the_clock_are_open_where_they_share_a_moment_with_a_session(step: int, timezone: str) -> None:
    table = xcals.get_calendar("XNYS", start="2016-01-04", end="2020-12-30").schedule
    time_N = np.unique(
        np.concatenate(
            [
                np.arange(opens // step * step, closes, step)
                for opens, closes in zip(seconds_of(table["open"]), seconds_of(table["close"]), strict=True)
            ]
        )
    )
    calendar = fitted(time_N, step, "XNYS")
    assert (calendar.grid, calendar.timezone) == ("clock", timezone)
    require_next(calendar, time_N)


def test_weeks_without_a_session_have_no_bar() -> None:
    """Shanghai closes for a whole week in spring and in October, New York for none."""
    day_N = sessions_between("XSHG", "2014-01-02", "2020-12-30")
    monday_N = np.unique((day_N - 4 * DAY) // WEEK) * WEEK + 4 * DAY
    assert (np.diff(monday_N) > WEEK).sum() >= 6
    calendar = fitted(monday_N, WEEK, "XSHG")
    require_next(calendar, monday_N)
    assert calendar.slots_a_day == pytest.approx(1 / 7)
    day_N = sessions_between("XNYS", "2014-01-02", "2020-12-30")
    first_N = day_N[np.diff((day_N - 4 * DAY) // WEEK, prepend=0) > 0]
    calendar = fitted(first_N, WEEK, "XNYS")
    assert not calendar.missing(first_N).any() and not calendar.outside(first_N).any(), "dated by the first session"
    two_N = np.unique((day_N - 4 * DAY) // (2 * DAY)) * 2 * DAY + 4 * DAY
    require_next(fitted(two_N, 2 * DAY, "XNYS"), two_N)


def test_bars_outside_the_sessions_are_counted_and_no_window_holds_them() -> None:
    day_N = sessions_between("XNYS", "2018-01-02", "2018-12-31")
    extra_N = np.array([at("2018-07-04"), at("2018-12-25")])
    time_N = np.sort(np.append(day_N, extra_N))
    calendar = fitted(time_N, DAY, "XNYS")
    outside_N = np.isin(time_N, extra_N)
    np.testing.assert_array_equal(calendar.outside(time_N), outside_N)
    np.testing.assert_array_equal(calendar.hole_before(time_N), outside_N)
    assert not calendar.missing(time_N).any()
    notice = calendar.outside_notice(time_N)
    assert notice is not None and notice.startswith(
        "2 bars lie outside the sessions of XNYS, first that of 2018-07-04T"
    )
    assert calendar.outside_notice(day_N) is None
    assert str(calendar.outside_notice(extra_N[1:])).startswith(
        "1 bar lies outside the sessions of XNYS, that of 2018-12-25T"
    )
    np.testing.assert_array_equal(calendar.next_times_after(extra_N, 1)[:, 0], [at("2018-07-05"), at("2018-12-26")])


def test_what_is_missing_is_a_hole_but_for_closures_decreed_later() -> None:
    """The day of mourning of 2018-12-05 as somebody saw it who was not told in advance."""
    time_N = bars_between("XNYS", "2017-01-03", "2018-12-31", "1h")
    gone_N = (time_N >= at("2018-10-10")) & (time_N < at("2018-10-11"))
    half_N = (time_N >= at("2018-10-10T19:00")) & (time_N < at("2018-10-11"))
    inside_N = time_N == at("2018-10-10T15:30")
    for missing_N, later in ((gone_N, False), (half_N, False), (inside_N, True)):
        kept_N = time_N[~missing_N]
        known, before = fitted(kept_N, HOUR, "XNYS"), fitted(kept_N, HOUR, "XNYS", until="2018-06-01")
        assert known.missing(kept_N).sum() == missing_N.sum()
        assert known.hole_before(kept_N).sum() == 1
        assert before.hole_before(kept_N).sum() == later
    long_N = time_N[(time_N < at("2018-10-01")) | (time_N >= at("2018-10-06"))]
    assert fitted(long_N, HOUR, "XNYS", until="2018-06-01").hole_before(long_N).sum() == 1, "five days are none"


def test_slots_are_counted_between_instants() -> None:
    calendar = fitted(bars_between("XNYS", "2017-01-03", "2018-12-31", "1h"), HOUR, "XNYS")
    begin = np.array([at("2018-11-22"), at("2018-11-23T14:30"), at("2018-11-23T14:31")])
    np.testing.assert_array_equal(calendar.open_between(begin, np.full(3, at("2018-11-26T15:00"))), [5, 5, 4])


def test_what_was_saved_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = fitted(bars_between("XHKG", "2017-01-03", "2018-12-31", "1h"), HOUR, "XHKG")
    plain = json.loads(json.dumps(calendar.to_dict()))
    monkeypatch.setattr("nextbar.config.exchanges.find_spec", lambda name: None)
    restored = calendar_from(plain)
    assert restored == calendar and hash(restored) == hash(calendar)
    assert calendar_from(Calendar.always(HOUR).to_dict()) == Calendar.always(HOUR)
    with pytest.raises(ValueError, match="'moon' is no grid"):
        calendar_from(plain | {"grid": "moon"})


def test_beyond_its_end_it_says_so() -> None:
    day_N = sessions_between("XNYS", "2018-01-02", "2018-12-31")
    calendar = fitted(day_N, DAY, "XNYS")
    assert calendar.known_until == np.inf
    last = calendar.next_times_after(np.array([at("2028-12-27")]), 2)[0]
    assert list(map(iso, last)) == ["2028-12-28T00:00:00Z", "2028-12-29T00:00:00Z"]
    with pytest.raises(DataError, match=r"XNYS: its sessions are known until 2029-01-01, and 3 bars after 2028-12-27"):
        calendar.next_times_after(np.array([at("2028-12-27")]), 3)


def test_slots_of_a_year_are_those_of_its_sessions() -> None:
    """The New York Stock Exchange has 252 sessions in most years, 251 or 253 in others."""
    time_N = sessions_between("XNYS", "2014-01-02", "2020-12-30")
    calendar = fitted(time_N, DAY, "XNYS")
    years = (time_N[-1] - time_N[0]) / (365.2425 * DAY)
    assert calendar.slots_a_year == pytest.approx(len(time_N) / years, rel=0.01)
    assert bars_per_year(time_N, calendar) == pytest.approx(251.7, abs=1.5)


def test_sessions_reach_ten_years_beyond_the_last_bar_not_the_last_in_training() -> None:
    time_N = sessions_between("XNYS", "1990-01-02", "2020-12-30")
    trained_N = time_N[time_N < at("2005-01-01")]
    (calendar,) = learn_together([trained_N], [DAY], "XNYS", until=int(time_N[-1]))
    assert isinstance(calendar, ExchangeCalendar) and calendar.seen == trained_N[-1]
    assert not calendar.outside(time_N).any() and not calendar.hole_before(time_N).any()
    assert calendar.next_times_after(time_N[-1:], 1)[0, 0] == at("2020-12-31")
