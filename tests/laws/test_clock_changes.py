"""A market that keeps local time moves against UTC twice a year; its predicted dates and clock move with it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import jax
import numpy as np
import pytest
from builders import make_bars, make_config
from markets import HOUR, MARKETS, local_clock, opening_times
from window_reference import MODES, gather_all

from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_together
from nextbar.bars.weekly_template import learn_template
from nextbar.data.dataset import build_dataset
from nextbar.errors import ConfigError
from nextbar.train.announcement import announce

MINUTE, DAY = 60, 86_400
FIRST, YEAR = dt.date(2016, 10, 3), 364  # São Paulo changed its clocks until February 2019
AHEAD = 3
# zones whose clocks change at the same instants cannot be told from each other: then it is the first of the list
NAMED = {"Frankfurt": "Europe/London", "Chicago": "America/New_York", "Tokyo": "UTC", "Hong Kong": "UTC"}


def require_next_dates(calendar: Calendar, time_N: np.ndarray) -> None:
    """Dates and clock of the next bars of each of the times but the last ones."""
    origin_N = time_N[:-AHEAD]
    came_NA = np.lib.stride_tricks.sliding_window_view(time_N[1:], AHEAD)
    np.testing.assert_array_equal(calendar.next_times_after(origin_N, AHEAD), came_NA)
    assert not calendar.missing(time_N).any() and not calendar.hole_before(time_N).any()
    clock = calendar.slot_clock()
    local_N = local_clock(time_N[1:], calendar.timezone)
    for ahead in range(AHEAD):
        rank_N = (calendar.rank(origin_N) + ahead) % len(clock)
        np.testing.assert_allclose(clock[rank_N], local_N[ahead : ahead + len(origin_N)])


STEPS = (30 * MINUTE, HOUR, 2 * HOUR)


@pytest.mark.parametrize(
    ("name", "step"),
    [*((name, step) for name in MARKETS for step in STEPS), ("New York", 15 * MINUTE), ("Sydney", 15 * MINUTE)],
)
def test_every_predicted_date_of_a_year_is_that_of_the_next_bar(name: str, step: int) -> None:
    """Learnt on the year before, with the zone named and without."""
    market = MARKETS[name]
    time_N = opening_times(market, step, FIRST, 2 * YEAR)
    end = int(np.searchsorted(time_N, time_N[0] + YEAR * DAY))
    learnt = learn_template(time_N[:end], step)
    assert learnt.timezone == NAMED.get(name, market.timezone)
    for calendar in (learnt, learn_template(time_N[:end], step, timezone=market.timezone)):
        require_next_dates(calendar, time_N[end:])
        assert calendar.kind == ("24/7" if name == "always" else "sessions")


@pytest.mark.parametrize("days", [range(7), range(5)])
@pytest.mark.parametrize("step", [4 * HOUR, DAY])
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Australia/Sydney", "UTC"])
def test_long_bars_that_begin_at_local_midnight(zone: str, step: int, days: range) -> None:
    """Day and night: one bar is an hour longer and one an hour shorter than the others."""
    market = MARKETS["always"]._replace(timezone=zone, sessions={day: [(0.0, 24.0)] for day in days})
    time_N = opening_times(market, step, FIRST, 2 * YEAR)
    end = len(time_N) // 2
    learnt = learn_template(time_N[:end], step)
    assert (learnt.timezone, learnt.kind) == (zone, "24/7" if len(days) == 7 else "sessions")
    require_next_dates(learnt, time_N[end:])
    hours = set(range(0, 24, 4)) if step < DAY else {0}
    assert set(learnt.slot_clock()[:, 0]) == hours


@pytest.mark.parametrize(
    ("zone", "step"),
    [("America/New_York", HOUR), ("Australia/Sydney", 15 * MINUTE), ("Australia/Lord_Howe", 15 * MINUTE)],
)
def test_a_market_that_is_open_when_its_clocks_change(zone: str, step: int) -> None:
    """Of the hour that is left out there is no bar, of the one that comes twice there are two."""
    time_N = opening_times(MARKETS["always"], step, FIRST, YEAR + 100)
    calendar = learn_template(time_N[: YEAR * DAY // step], step, timezone=zone)
    np.testing.assert_array_equal(calendar.next_times_after(time_N[:-1], 1)[:, 0], time_N[1:])
    assert not calendar.hole_before(time_N).any()
    clock_N2 = calendar.slot_clock()[calendar.rank(time_N[:-1])]
    np.testing.assert_allclose(clock_N2, local_clock(time_N[1:], zone))
    gone = np.delete(time_N, np.arange(5_000, 5_003))
    assert calendar.missing(gone).sum() == 3 and calendar.hole_before(gone).sum() == 1


def test_bars_that_keep_utc_are_no_bars_of_a_zone_with_other_clocks() -> None:
    """Bars of an hour lie on the hours of both; longer ones show whose hours they keep."""
    time_N = opening_times(MARKETS["always"], 4 * HOUR, FIRST, YEAR)
    assert learn_template(time_N, 4 * HOUR).timezone == "UTC"
    with pytest.raises(ConfigError, match=r"found 'America/New_York'.*bars of 4h open.*in UTC 0.*auto or UTC"):
        learn_template(time_N, 4 * HOUR, timezone="America/New_York")
    assert learn_template(time_N, 4 * HOUR, timezone="Asia/Tokyo").timezone == "Asia/Tokyo"


def test_chance_is_no_time_zone() -> None:
    """Where bars miss at random some zone's template always fits a little better."""
    rng = np.random.default_rng(0)
    for share in (0.4, 0.5, 0.6, 0.9):
        time_N = np.flatnonzero(rng.random(2 * 365 * 24) < share) * HOUR + 1_500_001_200
        assert learn_template(time_N, HOUR).timezone == "UTC"


def test_a_series_too_young_to_tell_its_zone_has_that_of_the_others() -> None:
    """Bars of a market that never closes as well, so that one model knows one clock; not where that is no fit."""
    old = opening_times(MARKETS["currencies"], HOUR, FIRST, YEAR)
    young, always = old[-24 * 50 :], opening_times(MARKETS["always"], HOUR, FIRST, 100)
    fixed = opening_times(MARKETS["Tokyo"], HOUR, FIRST, YEAR)
    empty = old[:0]
    learnt = learn_together([young, empty, always, old, fixed], [HOUR] * 5)
    zones = [calendar.timezone if calendar else None for calendar in learnt]
    assert zones == ["America/New_York", None, "America/New_York", "America/New_York", "UTC"]
    alone = learn_together([young, always], [HOUR] * 2)
    assert [calendar and calendar.timezone for calendar in alone] == ["UTC", "UTC"]


def test_the_friday_evening_that_was_two_days_wrong(shared_data: Path) -> None:
    """EUR/USD: nothing but holidays and outages, where bars come later than any template can know, is wrong."""
    (bars,) = load_bars(shared_data, ["eur_usd"], ["1h"])
    calendar = learn_template(bars.time_N[: int(0.8 * len(bars))], bars.step)
    assert calendar.timezone == "America/New_York"
    friday = int(dt.datetime(2017, 1, 20, 20, tzinfo=dt.UTC).timestamp())
    assert friday in bars.time_N and friday + HOUR in bars.time_N
    assert calendar.next_times_after(np.array([friday]), 1)[0, 0] == friday + HOUR
    late_N = bars.time_N[1:] - calendar.next_times_after(bars.time_N[:-1], 1)[:, 0]
    in_utc = learn_template(bars.time_N[: int(0.8 * len(bars))], bars.step, timezone="UTC")
    before_N = bars.time_N[1:] - in_utc.next_times_after(bars.time_N[:-1], 1)[:, 0]
    assert ((before_N == -48 * HOUR).sum(), (before_N == HOUR).sum()) == (160, 156)  # what it was without a zone
    assert (late_N >= 0).all() and (late_N > 0).sum() == 19
    assert (calendar.missing(bars.time_N)[1:][late_N > 0] > 0).all()


def test_the_model_is_told_the_hour_of_the_market(caplog: pytest.LogCaptureFixture) -> None:
    """Sines and cosines in the batch, from the bars of a New York exchange, in both seasons; and the log says so."""
    time_N = opening_times(MARKETS["New York"], HOUR, dt.date(2019, 9, 2), 210)
    made = make_bars("made_up", "1h", len(time_N))
    bars = Bars("made_up", "1h", time_N, made.columns)
    dataset = build_dataset(make_config(horizon=2), [bars])
    assert [one["timezone"] for one in dataset.describe()["series"]] == ["America/New_York"]
    with caplog.at_level("INFO", "nextbar"):
        announce([], dataset.describe())
    assert "calendar sessions in America/New_York, 0 holes" in caplog.text
    row_N = np.concatenate(list(dataset.origins.values()))
    seasons = local_clock(time_N[row_N], "America/New_York")[:, 0] * HOUR - time_N[row_N] % DAY
    assert len(np.unique(seasons)) == 2, "both sides of a change"
    batch = jax.device_get(
        gather_all(
            dataset.tape(), row_N.astype(np.int32), np.ones(len(row_N), np.float32), MODES[:1], dataset.preparation.spec
        )
    )
    for ahead in (1, 2):
        hour_N, weekday_N = local_clock(time_N[row_N + ahead], "America/New_York").T
        angle_N2 = 2 * np.pi * np.stack([weekday_N / 7, hour_N / 24], axis=1)
        told = batch.clock_BHC[0][:, ahead - 1]
        np.testing.assert_allclose(told, np.concatenate([np.sin(angle_N2), np.cos(angle_N2)], axis=1), atol=1e-6)
