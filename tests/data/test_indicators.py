"""Indicators against slow float64 loops written from their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nextbar.bars.bars import Bars
from nextbar.data.indicators import FORMULAS, Formula, add_indicators, is_computed, price_valued
from nextbar.errors import DataError

NAMES = ("rsi", "bb_upper", "bb_middle", "bb_lower", "ema_5", "ema_1", "ema_30")
closes = arrays(np.float64, st.integers(0, 80), elements=st.floats(1.0, 1e5).map(lambda x: round(x, 2)))


def series(close_N: np.ndarray, **columns: np.ndarray) -> Bars:
    return Bars("btc_usd", "1h", 3600 * np.arange(len(close_N)), {"close": close_N, **columns})


def slow_rsi(close: list[float]) -> list[float]:
    """Wilder 1978: 14 changes averaged, then (13 x former + new) / 14; 100 - 100 / (1 + RS), as a share."""
    found = [math.nan] * min(14, len(close))
    rises = [max(b - a, 0.0) for a, b in itertools.pairwise(close)]
    falls = [max(a - b, 0.0) for a, b in itertools.pairwise(close)]
    for i in range(14, len(close)):
        if i == 14:
            up, down = math.fsum(rises[:14]) / 14, math.fsum(falls[:14]) / 14
        else:
            up, down = (13 * up + rises[i - 1]) / 14, (13 * down + falls[i - 1]) / 14
        if up == down == 0:
            found.append(0.5)
        else:
            found.append(1.0 if down == 0 else 1 - 1 / (1 + up / down))
    return found


def slow_band(close: list[float], width: float) -> list[float]:
    """Bollinger 2001: mean of 20 closes, plus so many population standard deviations of them."""
    found = []
    for i in range(len(close)):
        last = close[max(i - 19, 0) : i + 1]
        mean = math.fsum(last) / len(last)
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in last) / len(last))
        found.append(mean + width * deviation if i >= 19 else math.nan)
    return found


def slow_ema(close: list[float], n: int) -> list[float]:
    found = [math.nan] * min(n - 1, len(close))
    for i in range(n - 1, len(close)):
        found.append(math.fsum(close[:n]) / n if i == n - 1 else close[i] * 2 / (n + 1) + found[-1] * (n - 1) / (n + 1))
    return found


@given(closes)
def test_equal_to_the_definitions(close_N: np.ndarray) -> None:
    columns, close = add_indicators(series(close_N), NAMES).columns, close_N.tolist()
    np.testing.assert_allclose(columns["rsi"], slow_rsi(close), rtol=0, atol=1e-9)
    for name, width in (("bb_upper", 2), ("bb_middle", 0), ("bb_lower", -2)):
        np.testing.assert_allclose(columns[name], slow_band(close, width), rtol=1e-11, atol=1e-6)
    for n in (1, 5, 30):
        np.testing.assert_allclose(columns[f"ema_{n}"], slow_ema(close, n), rtol=1e-11)


@given(closes, st.integers(0, 80), st.floats(0.01, 100))
def test_later_bars_change_nothing_before_them(close_N: np.ndarray, cut: int, factor: float) -> None:
    whole = add_indicators(series(close_N), NAMES).columns
    changed_N = np.concatenate([close_N[:cut], factor * close_N[cut:][::-1]])
    for other_N in (changed_N, close_N[:cut]):
        other = add_indicators(series(other_N), NAMES).columns
        for name in NAMES:
            np.testing.assert_array_equal(whole[name][:cut], other[name][:cut])  # to the bit


def test_rsi_of_known_series() -> None:
    up, flat = np.arange(1.0, 40.0), np.ones(40)
    saw = 10 + np.tile([0.0, 1.0], 20)
    rsi = {
        k: add_indicators(series(v), ["rsi"]).columns["rsi"][14]
        for k, v in {"up": up, "down": -up, "flat": flat, "saw": saw}.items()
    }
    assert rsi == {"up": 1.0, "down": 0.0, "flat": 0.5, "saw": 0.5}


def test_a_steep_scale_costs_no_accuracy() -> None:
    rng = np.random.default_rng(0)
    moves_N = np.cumsum(rng.normal(size=500))
    near = add_indicators(series(moves_N), NAMES).columns
    far = add_indicators(series(moves_N + 60_000), NAMES).columns
    np.testing.assert_allclose(far["rsi"], near["rsi"], atol=1e-9)
    np.testing.assert_allclose(far["bb_upper"] - 60_000, near["bb_upper"], atol=1e-8)


def test_the_files_own_column_wins_and_others_are_left_alone() -> None:
    own, close_N = np.full(30, 7.0), np.arange(1.0, 31.0)
    before = series(close_N, rsi=own, macd=own)
    after = add_indicators(before, ["rsi", "macd", "ema_3"])
    assert list(after.columns) == ["close", "rsi", "macd", "ema_3"]
    assert after.columns["rsi"] is own and after.columns["macd"] is own
    assert list(before.columns) == ["close", "rsi", "macd"]
    assert (after.ticker, after.resolution) == ("btc_usd", "1h")


def test_upper_case_means_the_same() -> None:
    own, close_N = np.full(30, 7.0), np.arange(1.0, 31.0)
    columns = add_indicators(series(close_N, macd=own), ["MACD", "EMA_3"]).columns
    assert columns["MACD"] is own
    np.testing.assert_array_equal(columns["EMA_3"], add_indicators(series(close_N), ["ema_3"]).columns["ema_3"])


@pytest.mark.parametrize("name", ["sma_20", "ema", "ema_0", "ema_-1", "ema_2.5", "rsi_14", ""])
def test_an_unknown_name_is_told_what_there_is(name: str) -> None:
    with pytest.raises(DataError) as told:
        add_indicators(series(np.ones(30), macd=np.ones(30)), [name])
    assert all(text in str(told.value) for text in ("btc_usd_1h", repr(name), "bb_middle", "ema_N", "close, macd"))


def test_which_indicators_are_prices() -> None:
    assert all(price_valued(name) for name in ("bb_upper", "bb_middle", "bb_lower", "ema_9", "EMA_200"))
    assert not any(price_valued(name) for name in ("rsi", "RSI", "macd", "volume", "ema_0"))


def test_own_columns_that_are_prices_are_normalised_with_them() -> None:
    assert all(map(price_valued, ("Adj Close", "adjclose", "open", "HIGH", "ema_9", "bb_lower")))
    assert not any(map(price_valued, ("rsi", "volumeNotional", "volume", "sentiment")))


def test_a_further_indicator_is_a_function_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lagged(close_N: np.ndarray, bars: int) -> np.ndarray:
        return np.concatenate([np.full(bars, np.nan), close_N[:-bars]])

    monkeypatch.setitem(FORMULAS, "lag_([1-9])", Formula(lagged, price_valued=False, called="lag_N"))
    bars = add_indicators(series(np.arange(1.0, 6.0)), ["lag_2"])
    np.testing.assert_array_equal(bars.columns["lag_2"], [np.nan, np.nan, 1, 2, 3])
    assert is_computed("LAG_2") and not price_valued("lag_2")
    with pytest.raises(DataError, match=r"ema_N \(such as ema_20\), lag_N; columns there"):
        add_indicators(bars, ["lag_0"])
