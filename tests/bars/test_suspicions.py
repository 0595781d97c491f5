"""Suspicions: what is planted is told, with the place; sound bars of many kinds give none."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nextbar.bars.dates import iso
from nextbar.bars.suspicions import BLOCK, LONG, suspicions

PRICES = ("open", "high", "low", "close")
START = 1_600_000_000


def made(n: int = 2000, seed: int = 0, df: float = 4, scale: float = 0.01, still: float = 0.0) -> dict[str, np.ndarray]:
    """Bars of Student-t returns, to two digits; a share of them does not move."""
    rng = np.random.default_rng(seed)
    move_N = rng.standard_t(df, n) * scale
    close = np.round(100 * np.exp(np.cumsum((move_N - move_N.mean()) * (rng.random(n) >= still))), 2)
    start = np.concatenate([[100.0], close[:-1]])
    volume = rng.poisson(3, n).astype(float)
    return {"open": start, "high": np.maximum(start, close), "low": np.minimum(start, close), "close": close,
            "volume": volume}  # fmt: skip


def told(columns: dict[str, np.ndarray], start: int = START) -> tuple[str, ...]:
    return suspicions(start + 3600 * np.arange(len(columns["close"])), columns)


def at(row: int) -> str:
    return iso(START + 3600 * row)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("df", "scale", "still"), [(3, 0.01, 0.0), (2.5, 0.001, 0.3), (30, 0.02, 0.0), (3, 0.0005, 0.6)]
)
def test_sound_bars_raise_none(seed: int, df: float, scale: float, still: float) -> None:
    assert told(made(5000, seed, df, scale, still)) == ()


@pytest.mark.parametrize(
    ("factor", "words"), [(0.25, "1 to 4"), (10.0, "times 10"), (100.0, "times 100"), (0.5, "1 to 2")]
)
def test_a_split_is_told_once_with_its_factor(factor: float, words: str) -> None:
    columns = made(scale=0.001)
    for name in PRICES:
        columns[name][700:] *= factor
    (sentence,) = told(columns)
    assert sentence.startswith(f"once the close leaps and stays (first at {at(700)}: from ") and words in sentence


def test_spikes_are_counted_and_are_no_splits() -> None:
    columns = made()
    for row in (300, 900):
        for name in PRICES:
            columns[name][row] *= 3.0
    (sentence,) = told(columns)
    assert sentence.startswith(f"2 times the close leaps and is back a bar later (first at {at(300)}: ")


def test_a_stretch_without_movement_or_volume_is_told_where_chance_makes_none() -> None:
    columns = made()
    for name in PRICES:
        columns[name][500:530] = columns["close"][499]
    columns["volume"][100:150] = 0
    frozen, empty = told(columns)
    assert frozen == f"prices stand still for 30 bars, from {at(500)} on: was the feed cut?"
    assert empty == f"volume is 0 in 50 bars, from {at(100)} on: is it missing?"
    quiet = made(still=0.8)  # of a series that often stands still, no stretch of that length is news
    assert told(quiet) == ()


def test_volume_that_is_never_there_is_told() -> None:
    assert told(made() | {"volume": np.zeros(2000)}) == ("volume is 0 in all bars",)


def test_a_block_that_is_there_already_is_told() -> None:
    columns = made()
    for name in PRICES:
        columns[name][1500:1540] = columns[name][800:840]
    assert told(columns) == (f"the 40 bars from {at(1500)} on hold the prices of those from {at(800)} on",)


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_block_is_told_from_its_least_length_on(length: int) -> None:
    columns = made()
    for name in PRICES:
        columns[name][1500 : 1500 + length] = columns[name][800 : 800 + length]
    sentences = [sentence for sentence in told(columns) if "hold the prices" in sentence]
    assert [sentence.split()[1] for sentence in sentences] == ([str(length)] if length >= BLOCK else [])


def test_open_and_close_in_each_others_place_are_told() -> None:
    columns = made()
    columns["open"], columns["close"] = columns["close"], columns["open"]
    assert "are the two swapped?" in told(columns)[0]


def test_dates_that_have_not_come_are_told() -> None:
    now = int(time.time()) // 3600 * 3600
    assert told(made(20), now - 19 * 3600) == ()
    (sentence,) = told(made(20), now + 3 * 86_400)
    assert sentence == f"20 dates are in the future, up to {iso(now + 3 * 86_400 + 19 * 3600)}"


@pytest.mark.parametrize("n", [1, 2, 3, LONG, LONG + 1])
def test_few_bars_are_no_obstacle(n: int) -> None:
    ones = np.ones(n)
    for columns in ({"close": ones}, {"close": -ones}, {name: ones for name in (*PRICES, "volume")}, made(n)):
        assert isinstance(told({name: values.copy() for name, values in columns.items()}), tuple)


def test_prices_below_zero_have_no_splits_but_may_stand_still() -> None:
    assert told({"close": np.where(np.arange(100) == 50, 50.0, np.arange(100) - 60.0)}) == ()
    assert told({"close": np.full(50, -1.0)})[0].startswith("prices stand still for 50 bars")
