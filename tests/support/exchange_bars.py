"""Opening times of bars in the sessions of exchanges, as exchange_calendars itself lists them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from nextbar.bars.bars import Bars


def package() -> Any:
    """exchange_calendars; a test that needs it is skipped where it is not installed."""
    return pytest.importorskip("exchange_calendars", reason="needs exchange_calendars: pip install exchange_calendars")


def at(text: str) -> int:
    """Seconds since the epoch of an ISO date, UTC."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


def seconds_of(index: Any) -> np.ndarray:
    """int64 seconds of a pandas index or series of timestamps."""
    return index.to_numpy("datetime64[ns]").astype("datetime64[s]").astype(np.int64)


def sessions_between(exchange: str, first: str, last: str) -> np.ndarray:
    """00:00 UTC of the days of its sessions."""
    return seconds_of(package().get_calendar(exchange, start=first, end=last).sessions)


def bars_between(exchange: str, first: str, last: str, period: str) -> np.ndarray:
    """Opening times of bars that begin with each session and again after its break, by ``trading_index``."""
    calendar = package().get_calendar(exchange, start=first, end=last)
    span = calendar.first_session, calendar.last_session
    index = calendar.trading_index(*span, period, intervals=False, closed="left")
    return seconds_of(index.tz_convert(None))


def series_at(time_N: np.ndarray, resolution: str, ticker: str = "made_up", seed: int = 0) -> Bars:
    """A random walk of the log price with bars at these times."""
    rng = np.random.default_rng(seed)
    n = len(time_N)
    close_N = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(n)))
    open_N = np.concatenate([[100.0], close_N[:-1]])
    columns = {
        "open": open_N, "high": np.maximum(open_N, close_N) * 1.002, "low": np.minimum(open_N, close_N) / 1.002,
        "close": close_N, "volume": 1000 * rng.lognormal(size=n),
    }  # fmt: skip
    return Bars(ticker, resolution, np.asarray(time_N, np.int64), columns)
