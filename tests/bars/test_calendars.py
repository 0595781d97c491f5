"""Calendars of several series of an exchange, and of series beside those that a model was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from exchange_bars import at, bars_between, package, sessions_between

from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn, learn_beside, learn_together
from nextbar.bars.exchange import ExchangeCalendar
from nextbar.bars.sessions import of_years
from nextbar.bars.weekly_template import learn_template
from nextbar.errors import ConfigError, DataError

package()
HOUR, DAY = 3_600, 86_400


def test_all_series_of_an_exchange_have_the_same_sessions_and_slots() -> None:
    """However young one is, and whatever years it has seen."""
    old, young = (bars_between("XTKS", first, "2025-03-28", "1h") for first in ("2023-01-04", "2025-01-06"))
    days = sessions_between("XTKS", "2024-06-03", "2025-03-28")
    hourly, later, nothing, daily = learn_together([old, young, old[:0], days], [HOUR] * 3 + [DAY], "XTKS")
    assert nothing is None
    assert isinstance(hourly, ExchangeCalendar) and isinstance(later, ExchangeCalendar)
    assert isinstance(daily, ExchangeCalendar) and daily.sessions == hourly.sessions == later.sessions
    assert (hourly.n_slots, daily.n_slots) == (later.n_slots, 5)
    assert learn_together([old[:0]], [HOUR], "XTKS") == [None]
    np.testing.assert_array_equal(hourly.next_times_after(young[:-1], 1)[:, 0], young[1:])


def test_a_ticker_that_was_not_trained_has_the_sessions_that_were_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    days = sessions_between("XNYS", "2017-01-03", "2018-12-31")
    trained = learn(days, DAY, "XNYS")
    monkeypatch.setattr("nextbar.config.exchanges.find_spec", lambda name: None)
    beside = learn_beside(days[100:], DAY, "XNYS", "auto", [trained])
    assert isinstance(beside, ExchangeCalendar) and isinstance(trained, ExchangeCalendar)
    assert beside.sessions == trained.sessions
    assert beside.next_times_after(days[-1:], 1)[0, 0] == at("2019-01-02")
    with pytest.raises(DataError, match="known from 2016-01-01 on, but the first bar is of 2015-06-01"):
        learn_beside(np.append(at("2015-06-01"), days), DAY, "XNYS", "auto", [trained])
    of_years.cache_clear()
    with pytest.raises(ConfigError, match="not installed"):
        learn_beside(days, DAY, "XNYS", "auto", [])
    assert learn_beside(days, DAY, "auto", "auto", [trained]).kind == "sessions"


def test_other_calendars_are_learnt_as_ever() -> None:
    time_N = np.arange(at("2019-01-07"), at("2019-06-03"), HOUR)
    assert learn(time_N, HOUR) == learn(time_N, HOUR, "24/7") == learn_template(time_N, HOUR) == Calendar.always(HOUR)
    with pytest.raises(ConfigError, match="calendar: found 'XNYE'"):
        learn(time_N, HOUR, "XNYE")
    with pytest.raises(DataError, match="no bars to learn a calendar from"):
        learn(time_N[:0], HOUR)
