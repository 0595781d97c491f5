"""Columns that know later bars are found, and those made of earlier bars and clocks are not, over made-up markets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from markets import MARKETS, opening_times

from nextbar.auditing.foresight import foresight
from nextbar.bars.bars import Bars
from nextbar.resolution import seconds

Column = Callable[[pd.DataFrame], pd.Series]


def market(place: str, resolution: str, n: int, seed: int) -> pd.DataFrame:
    """Bars of a walk whose volatility follows GARCH(1, 1) where the seed is odd, and the time of the day."""
    step, rng = seconds(resolution), np.random.default_rng(seed)
    week = len(opening_times(MARKETS[place], step, dt.date(2020, 1, 6), 7))
    time_N = opening_times(MARKETS[place], step, dt.date(2020, 1, 6), 7 * (n // week + 1))[:n]
    shock_N, size_N, variance = rng.standard_normal(n), np.ones(n), 1.0
    for i in range(n if seed % 2 else 0):
        size_N[i] = np.sqrt(variance)
        variance = 0.02 + 0.08 * variance * shock_N[i] ** 2 + 0.9 * variance
    size_N *= 2e-3 * np.sqrt(step / 3600) * np.exp(0.5 * np.cos(2 * np.pi * (time_N / 3600 - 15) / 24))
    close_N = 100 * np.exp(np.cumsum(size_N * shock_N))
    open_N = np.r_[100.0, close_N[:-1]]
    up_N, down_N = np.exp(0.5 * size_N * rng.exponential(size=(2, n)))
    frame = pd.DataFrame({"open": open_N, "high": np.maximum(open_N, close_N) * up_N})
    frame["low"], frame["close"] = np.minimum(open_N, close_N) / down_N, close_N
    frame["volume"] = 1e6 * size_N * rng.lognormal(0, 0.6, n)
    local = pd.to_datetime(time_N, unit="s", utc=True).tz_convert(MARKETS[place].timezone)
    frame["time"], frame["noise"], frame["walk"] = time_N, rng.standard_normal(n), rng.standard_normal(n).cumsum()
    frame["hour"], frame["weekday"], frame["monthday"] = local.hour, local.day_of_week, local.day
    midnight = local.tz_localize(None).normalize()
    frame["day"] = (midnight - pd.Timestamp(0)).days
    frame["week"] = (frame["day"] + 3) // 7
    return frame


def known(column: Column, frame: pd.DataFrame, resolution: str, skipped: str = "") -> bool:
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    bars = Bars("made_up", resolution, frame["time"].to_numpy(), columns)
    return foresight(np.asarray(column(frame), np.float64), bars, skipped=skipped) is not None


def move(f: pd.DataFrame) -> pd.Series:
    return np.log(f["close"]).diff()


def before(f: pd.DataFrame, period: str, name: str, how: str) -> pd.Series:
    return f[period].map(f.groupby(period)[name].agg(how).shift(1))


LEAKS: dict[str, Column] = {
    "the day's close": lambda f: f.groupby("day")["close"].transform("last"),
    "the day's high": lambda f: f.groupby("day")["high"].transform("max"),
    "the day's volume": lambda f: f.groupby("day")["volume"].transform("sum"),
    "the week's close": lambda f: f.groupby("week")["close"].transform("last"),
    "the week's low": lambda f: f.groupby("week")["low"].transform("min"),
    "the week's volume": lambda f: f.groupby("week")["volume"].transform("sum"),
    "the day's mean, revised halfway": lambda f: (
        f["close"].groupby(f["day"]).transform("mean") / 2
        + f["close"].groupby(f["day"]).transform(lambda c: c.expanding().mean()) / 2
    ),
    "the day's open, filled backwards": lambda f: f["open"].where(f["day"].diff() != 0).bfill(),
    "centred mean": lambda f: f["close"].rolling(21, center=True).mean(),
    "centred deviation": lambda f: move(f).rolling(9, center=True).std(),
    "next close": lambda f: f["close"].shift(-1),
    "revised by the next close": lambda f: 0.7 * f["close"] + 0.3 * f["close"].shift(-1),
    "next volume": lambda f: f["volume"].shift(-1),
}
INNOCENT: dict[str, Column] = {
    "hour": lambda f: f["hour"],
    "sine of the hour": lambda f: np.sin(2 * np.pi * f["hour"] / 24),
    "weekday": lambda f: f["weekday"],
    "Friday afternoon": lambda f: (f["weekday"] == 4) & (f["hour"] > 13),
    "day of the month": lambda f: f["monthday"],
    "end of the month": lambda f: f["monthday"] > 25,
    "day count": lambda f: f["day"],
    "seconds": lambda f: f["time"],
    "bar of the day": lambda f: f.groupby("day").cumcount(),
    "bars left in the day": lambda f: f.groupby("day").cumcount(ascending=False),
    "first bar of the day": lambda f: f.groupby("day").cumcount() == 0,
    "trend with noise": lambda f: f["day"] + 3 * f["noise"],
    "yearly cycle": lambda f: np.sin(2 * np.pi * f["day"] / 365.25),
    "cycle of forty days": lambda f: np.sin(2 * np.pi * f["day"] / 40),
    "noise": lambda f: f["noise"],
    "one noise a day": lambda f: f.groupby("day")["noise"].transform("first"),
    "one noise a week": lambda f: f.groupby("week")["noise"].transform("first"),
    "another walk": lambda f: f["walk"],
    "another price": lambda f: 100 * np.exp(0.01 * f["walk"]),
    "mean": lambda f: f["close"].rolling(20).mean(),
    "expanding mean": lambda f: f["close"].expanding().mean(),
    "highest so far": lambda f: f["high"].cummax(),
    "deviation": lambda f: move(f).rolling(50).std(),
    "mean range": lambda f: (f["high"] - f["low"]).ewm(span=14).mean(),
    "volatility as of GARCH": lambda f: np.sqrt((move(f) ** 2).fillna(0).ewm(alpha=0.08).mean()),
    "momentum": lambda f: f["close"].diff(10),
    "volume flow": lambda f: (np.sign(move(f)) * f["volume"]).cumsum(),
    "signal": lambda f: f["close"] > f["close"].rolling(50).mean(),
    "lagged close": lambda f: f["close"].shift(3),
    "lagged volume": lambda f: f["volume"].shift(2),
    "last day's close": lambda f: before(f, "day", "close", "last"),
    "last day's volume": lambda f: before(f, "day", "volume", "sum"),
    "last week's high": lambda f: before(f, "week", "high", "max"),
    "high of the day so far": lambda f: f.groupby("day")["high"].cummax(),
    "volume of the day so far": lambda f: f.groupby("day")["volume"].cumsum(),
    "open of the day": lambda f: f.groupby("day")["open"].transform("first"),
}
FAST = [("New York", "1h", 4000, 0), ("always", "1h", 4000, 1), ("New York", "5m", 8000, 3)]
SLOW = [
    (place, resolution, n, seed)
    for place, resolution, n in (("New York", "30m", 6000), ("London", "15m", 8000), ("always", "15m", 8000))
    for seed in (4, 5)
]


@pytest.mark.parametrize("made", FAST, ids=str)
def test_every_planted_leak_is_found(made: tuple[str, str, int, int]) -> None:
    frame = market(*made)
    assert [name for name, column in LEAKS.items() if not known(column, frame, made[1])] == []


@pytest.mark.parametrize("made", FAST, ids=str)
def test_no_innocent_column_is_accused(made: tuple[str, str, int, int]) -> None:
    frame = market(*made)
    assert [name for name, column in INNOCENT.items() if known(column, frame, made[1])] == []


@pytest.mark.slow
@pytest.mark.parametrize("made", SLOW, ids=str)
def test_both_laws_over_more_markets(made: tuple[str, str, int, int]) -> None:
    frame = market(*made)
    assert [name for name, column in LEAKS.items() if not known(column, frame, made[1])] == []
    assert [name for name, column in INNOCENT.items() if known(column, frame, made[1])] == []
