"""Spread tokens and numbers: what they are, that they are told apart, and what they may know."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, with_columns
from window_reference import MODES, gather_all

from nextbar.bars.bars import Bars
from nextbar.data import spreads
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.series_fit import spreads_of
from nextbar.data.spreads import (
    BINS,
    LIMIT,
    SpreadBins,
    divisors,
    former_token,
    numbers,
    tokens,
    typical,
    window_spreads,
)
from nextbar.types import Batch

CLOSE: dict[str, Any] = {"features": "close"}
SETS: dict[str, dict[str, Any]] = {
    "ohlcv": {},
    "returns": {"features": "returns", "target": "log_return"},
    "close": CLOSE,
    "close, log return": CLOSE | {"target": "log_return"},
}


def market(n: int = 1200) -> list[Bars]:
    """Two series whose volatility and turnover wander, of very different price and volume."""
    made = []
    for ticker, seed, price in (("a", 1, 60_000.0), ("b", 2, 0.02)):
        rng = np.random.default_rng(seed)
        volatility_N = 0.01 * np.exp(np.convolve(rng.normal(size=n), np.ones(50) / 12, "same"))
        close_N = price * np.exp(np.cumsum(volatility_N * rng.normal(size=n)))
        factor_N = close_N / make_bars(ticker, n=n, seed=seed).columns["close"]
        bars = make_bars(ticker, n=n, seed=seed, trades=True)
        prices = {name: factor_N * bars.columns[name] for name in ("open", "high", "low", "close")}
        made.append(with_columns(bars, **prices, volume=price * bars.columns["volume"]))
    return made


@cache
def built(name: str) -> Dataset:
    return build_dataset(make_config(tickers=["a", "b"], seq_len=12, **SETS[name]), market())


def batches(dataset: Dataset, rows: np.ndarray, tape: Any = None) -> Batch:
    """The windows in all six modes, with a leading axis of six; host arrays."""
    weight_B, spec = np.ones(len(rows), np.float32), dataset.preparation.spec
    return jax.device_get(gather_all(tape or dataset.tape(), rows.astype(np.int32), weight_B, MODES, spec))


@pytest.mark.parametrize("name", SETS)
def test_each_token_has_its_share_of_the_training_windows(name: str) -> None:
    """In every normalisation at least one window in a hundred, where equal counts would be one in 32."""
    dataset = built(name)
    rows = dataset.origins["training"]
    assert len(rows) > 1000
    tokens_MBG = batches(dataset, rows).tokens_BG
    for tokens_BG in tokens_MBG:
        for g, group in enumerate(dataset.preparation.spec.groups):
            share_T = np.bincount(tokens_BG[:, g], minlength=BINS) / len(rows)
            assert len(share_T) == BINS and share_T.min() >= 0.01 and share_T.max() < 0.05, group


@pytest.mark.parametrize("name", SETS)
def test_the_device_says_what_float64_says_whatever_the_normalisation(name: str) -> None:
    dataset = built(name)
    spec, rows = dataset.preparation.spec, np.concatenate(list(dataset.origins.values()))
    starts = np.cumsum([0, *(len(b) for b in dataset.bars)])
    number_NG = []
    for row in rows:
        s = int(dataset.panel.series_R[row])
        bars, end = dataset.bars[s], int(row - starts[s]) + 1
        context = slice(end - 12, end)
        close_L = bars.columns["close"][context]
        logs = spec.own_prices > 1 or spec.target == "log_return"
        spread = [np.std(np.diff(np.log(close_L)) if logs else close_L)]
        for volume in spec.volumes:
            amount_L = bars.columns[volume][context]
            spread.append(np.std(np.log1p(amount_L) if spec.returns else amount_L))
        number_NG.append(np.log(spread) - np.log(dataset.preparation.series[s].spreads))
    got = batches(dataset, rows)
    for m in MODES:
        np.testing.assert_allclose(got.spread_BG[m], number_NG, atol=2e-4)
        np.testing.assert_array_equal(got.tokens_BG[m], got.tokens_BG[0])
    for g, edges in enumerate(dataset.preparation.spreads.edges):
        number_N = np.array(number_NG)[:, g]
        clear = np.abs(number_N[:, None] - edges).min(axis=1) > 1e-3
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(got.tokens_BG[0][clear, g], np.digitize(number_N, edges)[clear])


def test_spreads_of_many_windows_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they do not fit into one piece of work, and where a volume is empty."""
    monkeypatch.setattr(spreads, "BLOCK", 40)
    bars = market(400)[0]
    bars.columns["volume"][50] = np.nan
    spec = dataclasses.replace(built("ohlcv").preparation.spec, seq_len=300)
    got = spreads_of(bars, spec)
    assert np.isnan(got[:, :299]).all() and got.shape == (3, 400)
    for row in range(299, 400):
        context = slice(row - 299, row + 1)
        np.testing.assert_allclose(got[0, row], np.std(np.diff(np.log(bars.columns["close"][context]))), rtol=1e-12)
        np.testing.assert_allclose(got[2, row], np.std(bars.columns["trades"][context]), rtol=1e-12)
        assert np.isnan(got[1, row]) == (row - 299 <= 50)


@pytest.mark.parametrize("length", [*range(1, 26), 128, 129, 300])
def test_a_spread_is_the_deviation_that_numpy_computes_to_the_last_bit(length: int) -> None:
    """So that runs of before keep their bins: numbers of all sizes, whose sum depends on the order of adding."""
    rng = np.random.default_rng(length)
    value_N = rng.normal(size=400) * np.exp(5 * rng.normal(size=400))
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(value_N, length))
    np.testing.assert_array_equal(spreads._deviations(value_N, length)[length - 1 :], windows.std(axis=1))


def test_what_does_not_vary_is_the_least_and_finite() -> None:
    spread_GN = np.array([[0.0, 1.0, 2.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    middle_G = typical(spread_GN, np.ones(4, bool))
    np.testing.assert_array_equal(middle_G, [2.0, np.nan])
    np.testing.assert_array_equal(typical(spread_GN, np.arange(4) < 2), [1.0, np.nan])
    bins = SpreadBins.fit([spread_GN, spread_GN], [np.arange(1), np.arange(1, 4)], np.tile(middle_G, (2, 1)))
    scale = bins.scale([[np.nan, np.nan]])
    np.testing.assert_array_equal(scale.typical_SG, [[2.0, 1.0]])
    assert np.isfinite(scale.edges_GT).all()
    said = numbers(np.array([0.0, 1e-30, 1.0, 1e30]), 1.0)
    np.testing.assert_array_equal(said, [-LIMIT, -LIMIT, 0, LIMIT])


def test_a_series_without_training_bars_has_the_pooled_spread() -> None:
    """One that is scored only has its own, of its bars before the cut, and no part in the bins."""
    a, b = market()
    late = make_bars("late", n=200, trades=True, start=MONDAY + dt.timedelta(hours=1000))
    config = make_config(tickers=["a"], test_tickers=["a", "b", "late"], seq_len=12)
    dataset = build_dataset(config, [a, b, late])
    fits, bins = dataset.preparation.series, dataset.preparation.spreads
    assert late.close_time_N[0] >= dataset.cuts.validation
    alone = build_dataset(make_config(tickers=["a"], seq_len=12), [a], dataset.cuts).preparation
    assert (fits[0], bins) == (alone.series[0], alone.spreads)
    assert np.isnan(fits[2].spreads).all() and np.isfinite(fits[1].spreads).all()
    np.testing.assert_allclose(dataset.tape().spreads.typical_SG[2], bins.typical, rtol=1e-6)
    n = int(np.searchsorted(b.close_time_N, dataset.cuts.validation))
    rows = np.arange(11, n)
    np.testing.assert_allclose(fits[1].spreads, np.median(spreads_of(b, dataset.preparation.spec)[:, rows], axis=1))


def test_a_number_on_an_edge_belongs_to_the_bin_below() -> None:
    edges_GT = np.float32([[-1.0, 0.0, 2.0], [5.0, 6.0, 7.0]])
    number_BG = np.float32([[-2.0, 5.0], [-1.0, 6.5], [0.0, 8.0], [2.5, 4.0]])
    found = tokens(number_BG, edges_GT)
    assert found.dtype == np.int32 and np.asarray(found).tolist() == [[0, 0], [0, 2], [1, 3], [3, 0]]


def test_the_tokens_of_layout_1_count_fifths_of_a_percent() -> None:
    deviation_B = np.array([0.0, 0.0009, 0.0011, 0.1, 0.1994, 0.3])
    found = former_token(np.float32(deviation_B[:, None, None] * np.array([[[-1.0], [1.0]]])))
    assert found.dtype == np.int32 and np.asarray(found).tolist() == [0, 0, 1, 50, 100, 100]


def test_a_spread_is_divided_by_its_series_own_else_the_pooled_else_one() -> None:
    found = divisors(np.array([[2.0, np.nan], [np.nan, np.nan]]), np.array([3.0, np.nan]))
    np.testing.assert_array_equal(found, [[2, 1], [3, 1]])


def test_bins_of_no_layout_are_empty() -> None:
    none = SpreadBins.none(2)
    assert np.isnan(none.typical).tolist() == [True] * 2 and none.edges == ((), ())
    scale = none.scale([[0.5, np.nan]])
    np.testing.assert_array_equal(scale.typical_SG, [[0.5, 1.0]])
    assert scale.typical_SG.dtype == scale.edges_GT.dtype == np.float32 and scale.edges_GT.shape == (2, 0)


@pytest.mark.filterwarnings("error")
def test_a_price_that_is_not_above_zero_costs_the_windows_that_hold_it_alone() -> None:
    bars = make_bars(n=40)
    spec = dataclasses.replace(built("close, log return").preparation.spec, seq_len=6)
    rows = np.r_[11:20, 26:40]
    plain_GN = window_spreads(bars.columns, spec)[:, rows]
    bars.columns["close"][[5, 20]] = [0.0, -1.0]
    got_GN = window_spreads(bars.columns, spec)
    np.testing.assert_array_equal(got_GN[:, rows], plain_GN)
    assert np.isnan(got_GN[:, 20:26]).all()
