"""Bars that come again: shifted, copied, or in no order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import make_bars

from nextbar.auditing.kinship import repeated, shifted, shuffled
from nextbar.bars.bars import Bars

BARS = make_bars("a", n=1000)
CUT = int(BARS.close_time_N[700])


def taken(bars: Bars, rows: np.ndarray) -> Bars:
    """The values of other rows, at the same times."""
    return replace(bars, columns={name: value_N[rows] for name, value_N in bars.columns.items()})


@pytest.mark.parametrize("bars", [-1, 1, 2])
def test_a_ticker_dated_some_bars_off_another_is_named(bars: int) -> None:
    kin = make_bars("b", n=1000, seed=1)
    moves = 0.9 * np.diff(np.log(BARS.columns["close"])) + 0.4 * np.diff(np.log(kin.columns["close"]))
    kin.columns["close"] = 100 * np.exp(np.r_[0, np.cumsum(moves)])
    assert not list(shifted([BARS, kin]))
    (leak,) = shifted([BARS, replace(kin, time_N=kin.time_N + bars * kin.step)])
    late, early = ("b_1h", "a_1h") if bars > 0 else ("a_1h", "b_1h")
    assert f"{late} moves {abs(bars)} bar" in leak.text and f"after {early}" in leak.text


def test_rows_that_come_again_after_the_cut_are_named() -> None:
    assert not list(repeated([BARS, make_bars("b", n=1000, seed=1)], CUT))
    again = taken(BARS, np.r_[np.arange(800), np.arange(100, 300)])
    (leak,) = repeated([again], CUT)
    assert "are in the training span too" in leak.text and leak.time is not None and leak.time >= CUT
    delayed = replace(BARS, ticker="b", time_N=BARS.time_N + 400 * BARS.step)
    assert [leak.series for leak in repeated([BARS, delayed], CUT)] == ["b_1h"]


def test_a_flat_series_repeats_nothing() -> None:
    flat = replace(BARS, columns={"close": np.round(BARS.columns["close"] / 20) * 20})
    assert not list(repeated([flat], CUT))


def test_shuffled_rows_are_named() -> None:
    assert shuffled(BARS) is None
    leak = shuffled(taken(BARS, np.random.default_rng(0).permutation(1000)))
    assert leak is not None and leak.stage == "splits" and "not in the order" in leak.text
