"""Dates that are closing times are told from opening ones."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from builders import make_bars
from markets import MARKETS, opening_times

from nextbar.auditing.labels import closing_times
from nextbar.bars.bars import Bars
from nextbar.resolution import seconds

FIRST = dt.date(2019, 9, 2)


def market(name: str, resolution: str) -> Bars:
    time_N = opening_times(MARKETS[name], seconds(resolution), FIRST, 150)
    return replace(make_bars(n=len(time_N), resolution=resolution), time_N=time_N)


@pytest.mark.parametrize("resolution", ["1h", "30m"])
@pytest.mark.parametrize("name", ["New York", "London", "Frankfurt", "Sydney", "Tokyo", "currencies"])
def test_the_hours_of_a_market_tell(name: str, resolution: str) -> None:
    bars = market(name, resolution)
    assert not list(closing_times([bars]))
    (leak,) = closing_times([replace(bars, time_N=bars.time_N + bars.step)])
    assert "dated by when its bars close" in leak.text and leak.series == bars.name


def test_daily_bars_dated_the_day_after_or_at_the_close() -> None:
    days = np.array([FIRST.toordinal() + n for n in range(400)])
    days = days[(days - 1) % 7 < 5]  # Monday to Friday
    midnight_N = (days - dt.date(1970, 1, 1).toordinal()) * 86_400
    bars = replace(make_bars(resolution="1d", n=len(days)), time_N=midnight_N)
    assert not list(closing_times([bars]))
    assert "Tuesdays to Saturdays" in next(closing_times([replace(bars, time_N=midnight_N + 86_400)])).text


def test_the_last_second_of_a_bar_tells() -> None:
    bars = make_bars(n=200)
    (leak,) = closing_times([replace(bars, time_N=bars.time_N + 3_599)])
    assert "last second" in leak.text


@pytest.mark.parametrize(("shift", "found"), [(0, 0), (14_400, 1)])
def test_a_finer_resolution_tells(shift: int, found: int) -> None:
    fine = make_bars(n=400)
    rows = slice(3, None, 4)
    coarse = Bars("made_up", "4h", fine.time_N[rows] - 3 * 3_600 + shift, {"close": fine.columns["close"][rows]})
    leaks = list(closing_times([fine, coarse]))
    assert [leak.series for leak in leaks] == ["made_up_4h"] * found
