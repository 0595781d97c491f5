"""Markets at the ends of what numbers can hold."""

from __future__ import annotations

import numpy as np
from builders import make_bars, with_columns

from nextbar.bars.bars import Bars

N = 400


def market(close_N: np.ndarray) -> Bars:
    """Bars that open at the last close and reach no further than their ends."""
    open_N = np.r_[close_N[:1], close_N[:-1]]
    prices = {"open": open_N, "close": close_N, "high": np.maximum(open_N, close_N), "low": np.minimum(open_N, close_N)}
    return with_columns(make_bars(n=len(close_N)), **prices)


def _chain(factor_N: np.ndarray) -> np.ndarray:
    return 100 * np.cumprod(factor_N)


def _runs() -> np.ndarray:
    """Five falls by 99 % one after the other, then rises by 99 % until all is made good."""
    factor_N = np.exp(0.01 * np.random.default_rng(0).standard_normal(N))
    for first in range(0, N, 60):
        factor_N[first : first + 5] = 0.01
        factor_N[first + 5 : first + 38] = 1.99
    return _chain(factor_N)


def _markets() -> dict[str, Bars]:
    rng = np.random.default_rng(0)
    plain = make_bars(n=N)
    halts = plain.columns["close"].copy()
    for first in range(0, N, 60):
        halts[first : first + 30] = halts[first]
    ticks = np.cumsum(rng.integers(-1, 2, N))
    leaps = np.where(rng.random(N) < 0.1, 0.01, np.exp(0.01 * rng.standard_normal(N)))
    leaps[1:][leaps[:-1] == 0.01] = 100  # and back
    return {
        "prices at 1e-8": make_bars(n=N, price=1e-8),
        "prices at 1e9": make_bars(n=N, price=1e9),
        "prices at 1e9 that move by 1": make_bars(n=N, price=1e9, move=1e-9),
        "volumes at 1e15": with_columns(plain, volume=1e15 * rng.lognormal(size=N)),
        "volumes of 0, and 1e15 at times": with_columns(plain, volume=np.where(rng.random(N) < 0.9, 0, 1e15)),
        "constant windows": market(halts),
        "nothing ever moves": market(np.full(N, 100.0)),
        "nothing moves until it is scored": market(np.r_[np.full(256, 100.0), plain.columns["close"][:144]]),
        "falls by 99 % and back": market(_chain(leaps)),
        "runs of ±99 %": market(_runs()),
        "every return is ±99 %": market(_chain(np.where(np.arange(N) % 8 == 7, 0.01, 1.99))),
        "ticks": market(np.round(100 + 0.01 * ticks, 2)),
        "a few ticks in all": market((1 + np.abs(ticks % 8 - 4)) * 1e-8),
    }


MARKETS = _markets()
