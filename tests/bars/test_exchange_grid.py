"""Bars that lie on no grid of an exchange's sessions are refused."""

from __future__ import annotations

import numpy as np
import pytest
from exchange_bars import at, bars_between, package, sessions_between

from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn
from nextbar.bars.exchange_grid import fit_grid
from nextbar.bars.sessions import sessions_of
from nextbar.errors import ConfigError, DataError

package()
HOUR, DAY = 3_600, 86_400


def test_bars_of_another_market_are_refused() -> None:
    always_N = np.arange(at("2018-01-01"), at("2018-06-01"), DAY)
    with pytest.raises(
        ConfigError, match=r"'XNYS', outside whose sessions 47 of 151 bars of 1d lie, the first that of 2018-01-01"
    ):
        learn(always_N, DAY, "XNYS")
    with pytest.raises(DataError, match="no bars"):
        learn(always_N[:0], DAY, "XNYS")


def test_before_its_first_day_it_says_so() -> None:
    sessions = sessions_of("XNYS", at("2018-06-01"), at("2018-12-31"))
    with pytest.raises(
        DataError, match=r"known from 2018-01-01 on, but the first bar is of 2017-01-03T00:00:00Z; leave"
    ):
        fit_grid(sessions, sessions_between("XNYS", "2017-01-03", "2018-12-31"), DAY)


def test_a_time_zone_that_the_bars_do_not_keep_is_refused() -> None:
    day_N = sessions_between("XNYS", "2017-01-03", "2018-12-31")
    hour_N = bars_between("XNYS", "2017-01-03", "2018-12-31", "1h")
    assert grid_of(day_N, DAY, "UTC").timezone == grid_of(hour_N, HOUR, "UTC").timezone == "UTC"
    with pytest.raises(
        ConfigError, match=r"timezone: found 'America/New_York', whose time the bars do not keep.*auto or UTC"
    ):
        grid_of(day_N, DAY, "America/New_York")


def grid_of(time_N: np.ndarray, step: int, timezone: str) -> Calendar:
    return fit_grid(sessions_of("XNYS", int(time_N[0]), int(time_N[-1])), time_N, step, timezone)
