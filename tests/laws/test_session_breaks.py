"""After a break of the session bars begin anew, on another grid; predicted dates are still those of the next bars."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from exchange_bars import bars_between, package
from markets import MARKETS, Market, local_clock, session_bars

from nextbar.bars.calendar import Calendar
from nextbar.bars.weekly_template import learn_template
from nextbar.bars.zone import MARKET_ZONES

MINUTE, HOUR, DAY = 60, 3_600, 86_400
FIRST, YEAR = dt.date(2016, 10, 3), 364
STEPS = (HOUR, 30 * MINUTE, 15 * MINUTE, 5 * MINUTE)
SHAPES = ("one break", "two breaks", "early close", "night", "23 hours")
SEEDS = 8


def made_up_market(shape: str, rng: np.random.Generator) -> Market:
    """A market whose sessions begin and end at some five minutes, in some zone, on Monday to Friday."""

    def hours(low: float, high: float) -> float:
        return float(rng.integers(round(low * 12), round(high * 12) + 1)) / 12

    zone = str(rng.choice(MARKET_ZONES))
    if shape == "23 hours":
        opens = hours(16, 19)
        return Market(zone, {day: [(opens, opens + 23)] for day in (6, 0, 1, 2, 3)})
    sessions, clock = [], hours(7, 10)
    for _ in range(3 if shape == "two breaks" else 2):
        sessions.append((clock, clock + hours(1, 3)))
        clock = sessions[-1][1] + hours(0.25, 2)
    by_day = {day: list(sessions) for day in range(5)}
    if shape == "early close":
        by_day[4] = sessions[:1]
    if shape == "night":
        opens = hours(19, 22)
        by_day = {day: [*sessions, (opens, hours(24.5, 27))] for day in range(5)}
    return Market(zone, by_day)


def require_next_dates(calendar: Calendar, time_N: np.ndarray, decreed_N: np.ndarray) -> None:
    """The date and the clock of the next bar of each but the last, and no hole, unless a closure that no template can
    know comes before the next bar."""
    next_N = calendar.next_times_after(time_N[:-1], 1)[:, 0]
    wrong_N = next_N != time_N[1:]
    assert not (wrong_N & ~decreed_N).any(), f"{(wrong_N & ~decreed_N).sum()} of {len(wrong_N)} dates are wrong"
    assert (next_N[wrong_N] < time_N[1:][wrong_N]).all()
    assert not (calendar.missing(time_N)[1:] > 0)[~decreed_N].any()
    assert not calendar.hole_before(time_N).any()
    clock_N2 = calendar.slot_clock()[calendar.rank(time_N[:-1])]
    np.testing.assert_allclose(clock_N2[~decreed_N], local_clock(time_N[1:], calendar.timezone)[~decreed_N])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_predicted_date_of_a_year_is_that_of_the_next_bar(shape: str, step: int) -> None:
    """Learnt on the year before, of both years ten days off and three early closes."""
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, step, SHAPES.index(shape)])
        market = made_up_market(shape, rng)
        whole_N = session_bars(market, step, FIRST, 2 * YEAR)
        night = step if shape == "23 hours" else 4 * HOUR
        day_N = np.cumsum(np.diff(whole_N, prepend=0) > night)
        off, half = np.split(rng.choice(np.arange(1, day_N[-1]), 26, replace=False), [20])
        place_N = np.arange(len(whole_N)) - np.searchsorted(day_N, day_N)
        gone_N = np.isin(day_N, off) | (np.isin(day_N, half) & (place_N >= 2))
        time_N, row_N = whole_N[~gone_N], np.flatnonzero(~gone_N)
        end = int(np.searchsorted(time_N, time_N[0] + YEAR * DAY))
        calendar = learn_template(time_N[:end], step)
        require_next_dates(calendar, time_N[end:], np.diff(row_N[end:]) > 1)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("exchange", ["XTKS", "XHKG", "XSHG", "XNYS"])
def test_the_dates_of_an_exchange_are_wrong_around_its_holidays_alone(exchange: str, step: int) -> None:
    """Learnt on two years: what comes later than predicted comes after a day, or half a day, without bars."""
    package()
    time_N = bars_between(exchange, "2017-01-04", "2019-12-27", f"{step // MINUTE}min")
    end = int(np.searchsorted(time_N, time_N[0] + 2 * YEAR * DAY))
    calendar = learn_template(time_N[:end], step)
    later_N = time_N[end:]
    next_N = calendar.next_times_after(later_N[:-1], 1)[:, 0]
    wrong_N = next_N != later_N[1:]
    assert (next_N[wrong_N] < later_N[1:][wrong_N]).all() and 5 <= wrong_N.sum() <= 15
    assert (np.diff(later_N)[wrong_N] > 12 * HOUR).all()


def test_a_calendar_of_several_grids_is_kept_and_counts_as_one_of_a_grid() -> None:
    time_N = session_bars(MARKETS["Tokyo"], HOUR, FIRST, 2 * YEAR)
    calendar = learn_template(time_N, HOUR)
    assert Calendar.from_dict(calendar.to_dict()) == calendar and calendar.to_dict()["slots_per_step"] == 2
    assert (calendar.slots_a_day, calendar.n_slots, round(calendar.slots_a_year)) == (6, 30, 1565)
    first_day = time_N[:6]
    assert calendar.open_between(first_day[:1], first_day[-1:] + HOUR).tolist() == [6]
    for gone, hole in {1: True, 4: True, 2: False, 3: False, 5: False}.items():  # the first or last of a part
        assert calendar.hole_before(np.delete(time_N, 6 + gone)).any() == hole
        assert calendar.missing(np.delete(time_N, 6 + gone)).sum() == 1


def test_bars_that_lie_off_one_grid_by_chance_have_one() -> None:
    """Times that scatter by seconds or minutes, a clock that is changed otherwise, and a few bars of another hour."""
    office_N = session_bars(Market("UTC", {day: [(9, 17)] for day in range(5)}), HOUR, FIRST, YEAR)
    rng = np.random.default_rng(0)
    for time_N in (
        office_N + rng.integers(0, 5, len(office_N)),
        office_N + 60 * rng.integers(0, 5, len(office_N)),
        office_N - 1800 * (np.arange(len(office_N)) % 50 == 7),
        session_bars(Market("America/Santiago", {day: [(9, 17)] for day in range(5)}), 4 * HOUR, FIRST, YEAR),
    ):
        assert learn_template(time_N, HOUR if len(time_N) > 1_000 else 4 * HOUR).slots_per_step == 1
