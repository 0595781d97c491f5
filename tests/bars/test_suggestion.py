"""The exchange that is suggested is the one whose sessions the dates were made of, or none."""

from __future__ import annotations

import numpy as np
import pytest
from exchange_bars import at, bars_between, package, sessions_between

from nextbar.bars import suggestion as suggestion_module
from nextbar.bars.calendar import Calendar
from nextbar.bars.suggestion import exchange_of, suggestion
from nextbar.bars.weekly_template import learn_template

package()
HOUR, DAY = 3_600, 86_400


def suggested(time_N: np.ndarray, step: int) -> str | None:
    return exchange_of(time_N, step, learn_template(time_N, step))


@pytest.mark.parametrize("exchange", ["XNYS", "XLON", "XTSE"])
def test_days_tell_the_exchange(exchange: str) -> None:
    days = sessions_between(exchange, "2016-01-04", "2018-12-28")
    assert suggested(days, DAY) == exchange
    rng = np.random.default_rng(0)
    assert suggested(np.delete(days, rng.choice(len(days) - 2, 1, replace=False) + 1), DAY) == exchange


def test_days_that_no_exchange_keeps_tell_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion_module, "LIKELY", ("XNYS", "XTSE"))
    days = sessions_between("XNYS", "2016-01-04", "2018-12-28")
    rng = np.random.default_rng(0)
    assert suggested(np.delete(days, rng.choice(len(days) - 2, 60, replace=False) + 1), DAY) is None


def test_hours_tell_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion_module, "LIKELY", ("XTSE", "XNYS", "XLON"))
    time_N = bars_between("XNYS", "2017-01-03", "2018-12-28", "1h")
    assert suggested(time_N, HOUR) == "XNYS"
    assert suggested(time_N[time_N % DAY < 20 * HOUR], HOUR) is None, "without its last hours"


def test_where_there_is_nothing_to_tell_by_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion_module, "of_years", lambda *_: pytest.fail("looked up"))
    days = np.arange(at("2016-01-04"), at("2018-12-28"), DAY)
    weekdays = days[(days // DAY + 3) % 7 < 5]
    xnys = sessions_between("XNYS", "2016-01-04", "2018-12-28")
    assert suggested(weekdays, DAY) is None, "no holidays"
    assert suggested(days, DAY) is None, "open always"
    assert suggested(xnys[-100:], DAY) is None, "too few"
    week = xnys[np.diff(xnys // DAY // 7, prepend=0) > 0]
    assert exchange_of(week, 7 * DAY, learn_template(xnys, DAY)) is None
    monkeypatch.setattr("nextbar.config.exchanges.find_spec", lambda name: None)
    assert suggested(xnys, DAY) is None, "not installed"


def test_the_sentence_says_what_to_write() -> None:
    days = sessions_between("XNYS", "2016-01-04", "2018-12-28")
    sentence = suggestion(days, DAY, learn_template(days, DAY))
    assert sentence is not None and "those of XNYS: with calendar: XNYS in dataset_config" in sentence
    assert suggestion(days, DAY, Calendar.always(DAY)) is None
