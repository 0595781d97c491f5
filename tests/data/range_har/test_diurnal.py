from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.calendar import Calendar
from nextbar.data.range_har.diurnal import Diurnal

HOURLY = Calendar.always(3600)
SESSIONS = Calendar("sessions", 3600, 0, tuple(d * 24 + h for d in range(5) for h in range(9, 16)))


def _returns(calendar: Calendar, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    slot = np.arange(n) % len(calendar.open_slots)
    hour, weekday = calendar.slot_clock()[slot].T
    return slot, np.exp(0.5 * np.cos(hour / 4) + 0.2 * weekday) * rng.standard_normal(n)


def _grouped(key: np.ndarray, size: np.ndarray) -> np.ndarray:
    frame = pd.DataFrame({"key": key, "size": size})
    return (frame.groupby("key")["size"].transform("mean") / size.mean()).to_numpy()


def test_hours_times_weekdays_where_the_market_never_closes() -> None:
    slot, returns = _returns(HOURLY, 168 * 40)
    hour, weekday = HOURLY.slot_clock()[slot].T
    by_hour = _grouped(hour, np.abs(returns))
    expected = by_hour * _grouped(weekday, np.abs(returns) / by_hour)
    expected /= np.sqrt(np.mean(expected**2))
    np.testing.assert_allclose(Diurnal.fit(HOURLY, slot, returns).factor_M[slot], expected, rtol=1e-12)


def test_pairs_of_hour_and_weekday_where_there_are_sessions() -> None:
    slot, returns = _returns(SESSIONS, 35 * 50)
    expected = _grouped(slot, np.abs(returns))
    expected = expected / np.sqrt(np.mean(expected**2))
    np.testing.assert_allclose(Diurnal.fit(SESSIONS, slot, returns).factor_M[slot], expected, rtol=1e-12)


def test_a_group_of_few_returns_has_no_factor_and_none_is_tiny() -> None:
    slot, returns = _returns(SESSIONS, 35 * 40)
    returns[slot == 3] *= 1e-6
    rare = np.flatnonzero(slot == 5)[29:]
    keep = np.setdiff1d(np.arange(len(slot)), rare)
    factor = Diurnal.fit(SESSIONS, slot[keep], returns[keep]).factor_M
    untouched = Diurnal.fit(SESSIONS, slot[keep], returns[keep] * 7).factor_M
    np.testing.assert_allclose(factor, untouched, rtol=1e-12)  # the unit of the returns is no matter
    assert factor[3] / factor[5] == pytest.approx(0.05)


def test_daily_bars_and_nothing_to_learn_from_are_flat() -> None:
    daily = Calendar.always(86_400)
    assert (Diurnal.fit(daily, np.arange(500) % 7, np.arange(500.0)).factor_M == 1).all()
    assert (Diurnal.fit(HOURLY, np.arange(0), np.empty(0)).factor_M == 1).all()
    assert (Diurnal.fit(HOURLY, np.arange(500) % 168, np.zeros(500)).factor_M == 1).all()


def test_several_bars_ahead_variances_add_up() -> None:
    slot, returns = _returns(SESSIONS, 35 * 50)
    diurnal = Diurnal.fit(SESSIONS, slot, returns)
    ahead = diurnal.ahead(np.array([[33, 34, 35, 36]]))[0]
    expected = np.sqrt(np.cumsum(diurnal.factor_M[[33, 34, 0, 1]] ** 2))
    np.testing.assert_allclose(ahead, expected, rtol=1e-14)
