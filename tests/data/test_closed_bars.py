"""Longer bars as far as they have closed, against pandas and against less history and other futures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, with_columns
from exchange_bars import at as at_date
from exchange_bars import bars_between, series_at, sessions_between
from markets import MARKETS, opening_times
from window_reference import OF_LONGER

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn
from nextbar.bars.weekly_template import learn_template
from nextbar.data.closed_bars import SPARE, ClosedBars, closed_bars, reach
from nextbar.data.window_spec import WindowSpec
from nextbar.resolution import seconds

J = 3


def spec_of(*contexts: str, features: str = "ohlcv", resolution: str = "1h", size: int = J) -> WindowSpec:
    config = make_config(features=features, resolution=resolution, context_resolutions=contexts, context_len=size)
    return WindowSpec.of(config.dataset_config, [make_bars(resolution=resolution)], {"trades": ["made_up"]})


def session_market(name: str, step: int, resolution: str, days: int = 60) -> Bars:
    time_N = opening_times(MARKETS[name], step, dt.date(2020, 3, 2), days)
    return Bars("aaa", resolution, time_N, make_bars("aaa", n=len(time_N)).columns)


@pytest.mark.parametrize(
    ("name", "resolution", "longer", "rule"),
    [("New York", "30m", "1d", "D"), ("New York", "1h", "1w", "W-SUN"), ("currencies", "4h", "1d", "D")],
)
def test_days_and_weeks_of_a_market_with_sessions_are_those_of_its_clock(
    name: str, resolution: str, longer: str, rule: str
) -> None:
    """A day is over at midnight there, so that it counts from the next session's first bar on."""
    bars = session_market(name, seconds(resolution), resolution)
    spec = spec_of(longer, resolution=resolution)
    got = closed_bars(bars, learn_template(bars.time_N, bars.step), longer, spec)
    local = pd.DatetimeIndex(pd.to_datetime(bars.time_N, unit="s", utc=True)).tz_convert(MARKETS[name].timezone)
    period = local.tz_localize(None).to_period(rule)
    ends = (period.end_time + pd.Timedelta("1ns")).tz_localize(local.tz).as_unit("s").asi8
    frame = pd.DataFrame(bars.columns | {"row": np.arange(len(bars)), "end": ends})
    groups = list(frame.groupby(period))[1:]  # of the first, the bar before is not there
    closed = [max(int(np.searchsorted(bars.close_time_N, g["end"].iloc[0])), int(g["row"].max())) for _, g in groups]
    whole = [(g, row) for (_, g), row in zip(groups, closed, strict=True) if row < len(bars)]
    assert len(whole) > 5
    np.testing.assert_array_equal(got.closed_U, [row for _, row in whole])
    for values, (group, _) in zip(got.rows_UX, whole, strict=True):
        wanted = [*(OF_LONGER[c](group[c].to_numpy()) for c in ("open", "high", "low", "close", "volume")), len(group)]
        np.testing.assert_allclose(values, wanted, rtol=1e-12)
    np.testing.assert_array_equal(got.until_N, [(np.array(closed) <= i).sum() for i in range(len(bars))])


def at(found: ClosedBars, i: int) -> tuple[np.ndarray, list[int]]:
    """What stands beside row ``i``: numbers of the longer bars, and how many rows ago each closed."""
    which = slice(found.until_N[i] - found.known_N[i], found.until_N[i])
    return found.rows_UX[which], (i - found.closed_U[which]).tolist()


def assert_same(first: tuple[np.ndarray, list[int]], second: tuple[np.ndarray, list[int]]) -> None:
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


def holed(bars: Bars, share: float, seed: int = 3) -> Bars:
    kept = np.random.default_rng(seed).random(len(bars)) >= share
    return Bars(bars.ticker, bars.resolution, bars.time_N[kept], {n: v[kept] for n, v in bars.columns.items()})


LAWS = [
    ("always", "1h", "1d", 0.01), ("always", "4h", "1w", 0.005), ("New York", "30m", "1d", 0.01),
    ("New York", "1h", "1w", 0.003), ("currencies", "4h", "1d", 0.01),
]  # fmt: skip


@pytest.mark.parametrize(("name", "resolution", "longer", "share"), LAWS)
def test_a_context_knows_nothing_later_and_no_more_history_than_its_reach(
    name: str, resolution: str, longer: str, share: float
) -> None:
    """It is the same from the bars until its origin, from the last of these that it looks back on, and whatever bars
    follow: other prices, other dates, none."""
    whole = session_market(name, seconds(resolution), resolution, days=60)
    calendar = learn_template(whole.time_N, whole.step)
    bars, spec, counts = holed(whole, share), spec_of(longer, resolution=resolution), set()
    found, back = closed_bars(bars, calendar, longer, spec), reach(longer, resolution, J)
    rng = np.random.default_rng(0)
    for i in np.linspace(1, len(bars) - 2, 60).astype(int).tolist():
        here, counts = at(found, i), counts | {int(found.known_N[i])}
        assert_same(at(closed_bars(bars.first(i + 1), calendar, longer, spec), i), here)
        recent = bars.first(i + 1).last(back)
        assert_same(at(closed_bars(recent, calendar, longer, spec), len(recent) - 1), here)
        others = {n: np.where(np.arange(len(bars)) > i, v * rng.lognormal(size=len(bars)), v) for n, v in
                  bars.columns.items()}  # fmt: skip
        time_N = np.where(np.arange(len(bars)) > i, bars.time_N + int(rng.integers(1, 9)) * bars.step, bars.time_N)
        assert_same(at(closed_bars(replace(bars, time_N=time_N, columns=others), calendar, longer, spec), i), here)
    assert {1, 2, 3} <= counts


def test_a_half_day_of_an_exchange_is_a_whole_one() -> None:
    """The Friday after Thanksgiving closes at 13:00, and is seen with Monday's first bar."""
    time_N = bars_between("XNYS", "2018-11-01", "2018-12-07", "1h")
    bars, spec = series_at(time_N, "1h"), spec_of("1d")
    found = closed_bars(bars, learn(time_N, 3_600, "XNYS"), "1d", spec)
    friday, monday = (int(np.searchsorted(time_N, at_date(day))) for day in ("2018-11-23", "2018-11-26"))
    half = int(np.flatnonzero(found.closed_U == monday)[0])
    assert found.rows_UX[half, -1] == 4 and found.rows_UX[half, 0] == bars.columns["open"][friday]
    days = len(sessions_between("XNYS", "2018-11-01", "2018-12-07"))
    assert len(found.closed_U) == days - 2  # not the first, and not the last, whose midnight has not been


def test_a_day_that_lacks_a_bar_or_a_volume_is_left_out() -> None:
    """An earlier one takes its place."""
    bars, spec = make_bars(n=200), spec_of("1d")
    always = Calendar.always(3_600)
    volume = bars.columns["volume"].copy()
    volume[60] = np.nan  # on the third day
    holed = make_bars(n=200, holes=[60])
    for other in (with_columns(bars, volume=volume), holed):
        found = closed_bars(other, always, "1d", spec)
        assert (found.closed_U - (len(other) - 200)).tolist()[-4:] == [95 + 24, 143, 167, 191][-4:]
        np.testing.assert_array_equal(found.rows_UX[:, 0], bars.columns["open"][[24, 72, 96, 120, 144, 168]])
    plain = closed_bars(with_columns(bars, volume=volume), always, "1d", spec_of("1d", features="close"))
    assert len(plain.rows_UX) == 7


@pytest.mark.parametrize("missing", [[71], [48, 60, 71], range(48, 72), range(50, 97)])
def test_a_day_before_which_bars_are_missing_is_left_out(missing: Sequence[int]) -> None:
    """Its returns would begin with a close from before the hole; over a closure they do."""
    bars, spec = make_bars(n=200, holes=list(missing)), spec_of("1d", features="returns")
    found = closed_bars(bars, Calendar.always(3_600), "1d", spec)
    without = {row // 24 for hour in missing for row in (hour, hour + 1)}
    first = [24 * day for day in range(1, 8) if day not in without]
    np.testing.assert_array_equal(found.rows_UX[:, 0], make_bars(n=200).columns["open"][first])


def test_a_context_looks_back_no_further_than_its_reach() -> None:
    """After long gaps there are fewer than asked for."""
    assert reach("1d", "1h", J) == (J + SPARE) * 24 == 120
    bars, spec = make_bars(n=400), spec_of("1d")
    volume = bars.columns["volume"].copy()
    volume[[150, 170]] = np.nan  # two days are left out; at their end the bar before the third one back is the 121st
    found = closed_bars(with_columns(bars, volume=volume), Calendar.always(3_600), "1d", spec)
    assert found.known_N[[23, 47, 71, 95]].tolist() == [0, 1, 2, 3]
    assert found.known_N[[190, 191]].tolist() == [3, 2] and found.until_N[190:192].tolist() == [5, 5]
    gaps = make_bars(n=400, holes=[n for n in range(100, 300) if n % 24 == 5])
    poor = closed_bars(gaps, Calendar.always(3_600), "1d", spec)
    assert poor.known_N.min() == 0 and poor.known_N[250] == 0 and poor.until_N[250] == 3
