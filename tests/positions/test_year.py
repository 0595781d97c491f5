"""Bars of a year, of markets that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.calendar import Calendar
from nextbar.bars.weekly_template import learn_template
from nextbar.positions.year import bars_per_year

HOUR, DAY = 3600, 86_400


def seconds(dates: pd.DatetimeIndex) -> np.ndarray:
    return dates.tz_localize("UTC").to_numpy("datetime64[s]").astype(np.int64)


@pytest.mark.parametrize(
    ("step", "wanted"), [(HOUR, 8765.82), (4 * HOUR, 2191.455), (DAY, 365.2425), (7 * DAY, 52.1775)]
)
def test_a_market_that_never_closes_has_all_of_them(step: int, wanted: float) -> None:
    time_N = step * np.arange(10, dtype=np.int64)
    assert bars_per_year(time_N, Calendar.always(step)) == pytest.approx(wanted)


def test_weekdays_and_their_holidays() -> None:
    days = pd.bdate_range("2015-01-01", "2019-12-31")
    every = seconds(days)
    calendar = learn_template(every, DAY)
    assert calendar.kind == "sessions" and bars_per_year(every, calendar) == pytest.approx(365.2425 * 5 / 7)
    closed = np.random.default_rng(0).choice(len(days) - 2, 45, replace=False) + 1
    open_days = seconds(days.delete(closed))
    share = len(open_days) / len(days)
    assert bars_per_year(open_days, learn_template(open_days, DAY)) == pytest.approx(365.2425 * 5 / 7 * share)


def test_a_few_weeks_will_do() -> None:
    """Six hours on weekdays, over six weeks that begin and end in their middle."""
    hours = pd.date_range("2024-01-03 14:00", "2024-02-14 19:00", freq="h")
    time_N = seconds(hours[(hours.day_of_week < 5) & (hours.hour >= 14) & (hours.hour < 20)])
    assert bars_per_year(time_N, learn_template(time_N, HOUR, timezone="UTC")) == pytest.approx(365.2425 * 30 / 7)


def test_a_missing_bar_counts_as_none() -> None:
    time_N = np.delete(HOUR * np.arange(100, dtype=np.int64), [20, 21, 22, 50, 51])
    assert bars_per_year(time_N, Calendar.always(HOUR)) == pytest.approx(0.95 * 8765.82)
