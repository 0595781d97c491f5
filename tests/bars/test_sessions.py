"""Sessions as they are kept: those of exchange_calendars, second by second, and made up beyond its end."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from exchange_bars import at, package, seconds_of

from nextbar.bars import sessions as sessions_module
from nextbar.bars.sessions import Sessions, of_years, sessions_of
from nextbar.errors import ConfigError

xcals = package()


@pytest.mark.parametrize("exchange", ["XNYS", "XHKG", "XTKS", "CMES", "XASX", "24/5", "XNYS", "NYSE"])
def test_days_hours_and_breaks_are_those_of_the_package(exchange: str) -> None:
    """Over years with half days, other hours from 2024 on (Tokyo), breaks, and sessions that begin in the evening."""
    kept = Sessions.from_dict(json.loads(json.dumps(of_years(exchange, 2017, 2026).to_dict())))
    assert kept == of_years(exchange, 2017, 2026) and hash(kept) == hash(of_years(exchange, 2017, 2026))
    table = xcals.get_calendar(exchange, start="2017-01-01", end="2026-12-31").schedule
    np.testing.assert_array_equal(kept.day_D * 86_400, seconds_of(table.index))
    parts = kept.parts
    first_D = np.searchsorted(parts.session_P, np.arange(len(table)))
    last_D = np.searchsorted(parts.session_P, np.arange(len(table)), side="right") - 1
    np.testing.assert_array_equal(parts.open_P[first_D], seconds_of(table["open"]))
    np.testing.assert_array_equal(parts.close_P[last_D], seconds_of(table["close"]))
    has_break_D = table["break_start"].notna().to_numpy()
    np.testing.assert_array_equal(last_D - first_D, has_break_D)
    np.testing.assert_array_equal(parts.close_P[first_D[has_break_D]], seconds_of(table["break_start"])[has_break_D])
    np.testing.assert_array_equal(parts.open_P[last_D[has_break_D]], seconds_of(table["break_end"])[has_break_D])
    assert str(table["open"].dt.tz) == "UTC" and kept.until == kept.last == kept.end // 86_400 - 1
    assert len(json.dumps(kept.to_dict())) < 10_000


def test_years_around_the_bars_and_ten_more() -> None:
    kept = sessions_of("XNYS", at("2019-01-15"), at("2020-06-01"))
    assert (kept.first, kept.last) == (at("2018-01-01") // 86_400, at("2030-12-31") // 86_400)
    assert sessions_of("XNYS", at("2019-03-15"), at("2020-06-01")).first == at("2019-01-01") // 86_400


def test_after_the_last_known_year_each_usual_weekday_is_open_at_local_hours() -> None:
    """Bombay's holidays are listed year by year."""
    bound = xcals.get_calendar("XBOM").bound_max()
    kept = of_years("XBOM", bound.year - 1, bound.year + 2)
    assert kept.until == (bound.date() - dt.date(1970, 1, 1)).days
    after_D = kept.day_D[kept.day_D > kept.until]
    week_N = np.arange(kept.until + 1, kept.last + 1)
    np.testing.assert_array_equal(after_D, week_N[(week_N + 3) % 7 < 5])
    late_P = kept.parts.open_P > kept.end - 700 * 86_400
    assert set(kept.parts.open_P[late_P] % 86_400) == {3 * 3600 + 45 * 60}, "9:15 in India"


def test_made_up_sessions_move_with_the_clocks() -> None:
    table = xcals.get_calendar("XNYS", start="2019-01-01", end="2020-12-31").schedule
    days, opens, closes = (seconds_of(table.index), seconds_of(table["open"]), seconds_of(table["close"]))
    known = {int(d // 86_400): (int(o - d), int(c - d)) for d, o, c in zip(days, opens, closes, strict=True)}
    until = at("2020-12-31") // 86_400
    made = sessions_module._made_up(known, "America/New_York", until, until + 365)
    later = xcals.get_calendar("XNYS", start="2021-01-01", end="2021-12-31").schedule
    usual = later[(later["close"] - later["open"]).dt.total_seconds() == 6.5 * 3600]
    for day, opens_at in zip(seconds_of(usual.index), seconds_of(usual["open"]), strict=True):
        assert made[int(day // 86_400)][0] == opens_at - day
    assert at("2021-07-05") // 86_400 in made, "a holiday that is not known"


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(
        ConfigError, match=r"'XTKS', of which exchange_calendars knows no sessions before 1997-01-01, but the"
    ):
        sessions_of("XTKS", at("1990-05-01"), at("2000-01-01"))
    with pytest.raises(ConfigError, match=r"'XTKS'.*from 1997-01-01 to .*, and the bars lie outside: use auto"):
        of_years("XTKS", 1980, 1990)
    with pytest.raises(ConfigError, match=r"should be auto"):
        of_years("XNYE", 2000, 2010)


def test_a_calendar_that_the_package_cannot_make_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **names: object) -> None:
        raise ValueError("special dates\nare no sessions")

    monkeypatch.setattr(xcals, "get_calendar", fails)
    with pytest.raises(ConfigError, match=r"cannot list \(special dates\): use auto, or another version"):
        of_years("XLON", 1995, 1997)


@pytest.mark.parametrize("exchange", ["ASEX", "XBEL"])
def test_an_exchange_that_the_package_cannot_list_is_told_in_a_sentence(exchange: str) -> None:
    package()
    try:
        of_years(exchange, 2018, 2036)
    except ConfigError as error:
        assert "cannot list" in str(error)  # a later version of the package may
