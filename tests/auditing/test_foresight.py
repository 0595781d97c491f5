"""Columns made from later rows are told from those made of earlier ones, by their values alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, with_columns
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, filtfilt, savgol_filter

from nextbar.auditing.foresight import foresight
from nextbar.auditing.smoothing import next_move_known
from nextbar.bars.bars import Bars

BARS = make_bars(n=2000, seed=5)
FRAME = pd.DataFrame(BARS.columns)
CLOSE, RETURN = FRAME.close, np.log(FRAME.close).diff()
DAY = np.arange(len(BARS)) // 24
RISE, FALL = (RETURN.clip(lower=0).ewm(alpha=1 / 14).mean(), (-RETURN).clip(lower=0).ewm(alpha=1 / 14).mean())

LEAKY: dict[str, object] = {
    "centred mean": CLOSE.rolling(21, center=True).mean(),
    "centred mean, two decimals": CLOSE.rolling(21, center=True).mean().round(2),
    "centred median": CLOSE.rolling(9, center=True).median(),
    "centred deviation": RETURN.rolling(9, center=True).std(),
    "Savitzky-Golay": savgol_filter(CLOSE, 11, 2),
    "Gaussian": gaussian_filter1d(CLOSE.to_numpy(), 3),
    "Butterworth, there and back": filtfilt(*butter(2, 0.1), CLOSE),
    "smoothing from the end": CLOSE[::-1].ewm(span=10).mean()[::-1],
    "oscillator of smooth closes": pd.Series(gaussian_filter1d(CLOSE.to_numpy(), 3)).diff(5),
    "next close": CLOSE.shift(-1),
    "next range": np.log(FRAME.high / FRAME.low).shift(-1),
    "next volume": FRAME.volume.shift(-1),
    "sign of the next move": np.sign(RETURN.shift(-1)),
    "return of five bars ahead": np.log(CLOSE.shift(-5) / CLOSE),
    "highest of ten bars ahead": FRAME.high[::-1].rolling(10).max()[::-1].shift(-1),
    "the day's close, from its morning on": CLOSE.groupby(DAY).transform("last"),
    "daily close, filled backwards": CLOSE.where(np.arange(len(BARS)) % 24 == 23).bfill(),
}
CAUSAL: dict[str, object] = {
    "mean": CLOSE.rolling(20).mean(),
    "exponential mean": CLOSE.ewm(span=10).mean(),
    "rsi": RISE / (RISE + FALL),
    "momentum": CLOSE.diff(10),
    "deviation": RETURN.rolling(20).std(),
    "highest of twenty": FRAME.high.rolling(20).max(),
    "macd": CLOSE.ewm(span=12).mean() - CLOSE.ewm(span=26).mean(),
    "volume flow": (np.sign(RETURN) * FRAME.volume).cumsum(),
    "signal": (CLOSE.rolling(50).mean() < CLOSE).astype(float),
    "last day's close": CLOSE.where(np.arange(len(BARS)) % 24 == 23).ffill(),
    "another walk": make_bars(n=2000, seed=77).columns["close"],
    "lagged": CLOSE.shift(3),
}


@pytest.mark.parametrize("name", LEAKY)
def test_a_column_made_from_later_rows_is_found(name: str) -> None:
    found = foresight(np.asarray(LEAKY[name], float), BARS)
    assert found is not None and found.share > 0.1 and f"{100 * found.share:.0f} %" in found.words


@pytest.mark.parametrize("name", CAUSAL)
def test_a_column_made_from_earlier_rows_is_clean(name: str) -> None:
    assert foresight(np.asarray(CAUSAL[name], float), BARS) is None


def test_how_far_a_column_looks_ahead_is_told() -> None:
    found = foresight(RETURN.shift(-7).to_numpy(), BARS)
    assert found is not None and (found.reach, found.by) == (7, "moves") and found.share > 0.9
    assert "above all the one 7 ahead" in found.words


def _later_close(bars: Bars) -> np.ndarray:
    return np.r_[bars.columns["close"][2:], np.nan, np.nan]


@pytest.mark.parametrize(("column", "leaks"), [(_later_close, True), (lambda b: b.columns["close"], False)])
def test_a_column_of_one_ticker_may_know_another(column: Callable[[Bars], np.ndarray], leaks: bool) -> None:
    other = make_bars("other", n=2000, seed=6)
    assert (foresight(column(other), BARS, other) is not None) == leaks


def test_prices_that_were_smoothed_know_their_next_move() -> None:
    assert next_move_known(BARS) < 0.02
    smooth = gaussian_filter1d(BARS.columns["close"], 2)
    assert next_move_known(with_columns(BARS, close=smooth)) > 0.5


def test_a_short_column_is_not_judged() -> None:
    bars = BARS.first(90)
    assert foresight(np.r_[bars.columns["close"][1:], np.nan], bars) is None
