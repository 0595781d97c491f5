"""Batches against a float64 computation of each window, in all modes, feature sets, targets and horizons."""

from __future__ import annotations

import dataclasses
import datetime as dt
from itertools import product
from typing import Any

import chex
import jax
import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, with_columns
from window_reference import MODES, Window, clock, gather_all, normalise, reference_window

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.config.choices import NORM_MODES
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.data.windows import gather
from nextbar.types import Batch

INDICATORS = ("ema_5", "rsi", "bb_upper", "bb_lower")
EDGES = [-np.inf, -0.8, -0.2, 0.0, 0.3, 1.0, np.inf]
TARGETS = ("close", "log_return", "bins")
FEATURES = ("ohlcv", "ohlc", "close", "returns")
N_WINDOWS = 40


def narrow(bars: Bars, price: float, within: float) -> Bars:
    """The bars squeezed into ``within`` around ``price``."""
    prices = ("open", "high", "low", "close")
    lowest, highest = bars.columns["low"].min(), bars.columns["high"].max()
    squeezed = {name: price + within * ((bars.columns[name] - lowest) / (highest - lowest) - 0.5) for name in prices}
    return with_columns(bars, **squeezed)


def market() -> list[Bars]:
    """Three series of different length, resolution and price; one of 60,000 that moves within 5."""
    late = MONDAY + dt.timedelta(days=3)
    return [
        make_bars("plain", "1h", 240, seed=1, trades=True, price=3.0),
        narrow(make_bars("narrow", "1h", 170, seed=2, trades=True, start=late), 60_000, 5),
        make_bars("plain", "4h", 60, seed=3, trades=True),
        narrow(make_bars("narrow", "4h", 50, seed=4, trades=True), 60_000, 5),
    ]


def config_for(features: str, target: str, horizon: int, **fields: Any) -> ExperimentConfig:
    bins = {"output_mode": "discrete_grid", "discrete_grid_levels": EDGES}
    return make_config(
        tickers=["plain", "narrow"],
        resolution=["1h", "4h"],
        features=features,
        horizon=horizon,
        seq_len=8,
        **({"target": target} if target != "bins" else bins),
        **fields,
    )


def batches(dataset: Dataset, origin_B: np.ndarray) -> Batch:
    """The windows in all six modes, with a leading axis of six; host arrays."""
    weight_B = np.ones(len(origin_B), np.float32)
    spec = dataset.preparation.spec
    return jax.device_get(gather_all(dataset.tape(), origin_B.astype(np.int32), weight_B, MODES, spec))


def some_origins(dataset: Dataset) -> np.ndarray:
    """Windows of all spans and series."""
    rows = np.sort(np.concatenate([dataset.origins[span] for span in SPANS]))
    return rows[np.linspace(0, len(rows) - 1, N_WINDOWS).astype(int)]


def expected(dataset: Dataset, config: ExperimentConfig, norm_mode: str, row: int) -> Window:
    starts = np.cumsum([0, *(len(b) for b in dataset.bars)])
    s = int(np.searchsorted(starts, row, side="right")) - 1
    bars, i = dataset.bars[s], row - int(starts[s])
    before = [b.time_N[b.time_N + b.step < dataset.cuts.validation] + b.step for b in dataset.bars]
    run_times = int(min(t[0] for t in before)), int(max(t[-1] for t in before))
    next_times = [int(bars.time_N[i]) + bars.step * h for h in range(1, config.dataset_config.horizon + 1)]
    data = dataclasses.replace(config.dataset_config, norm_mode=norm_mode)
    return reference_window(data, bars, len(before[s]), run_times, i, next_times)


@pytest.mark.parametrize(
    ("features", "target", "horizon"),
    # each feature set and each target with both horizons
    [(f, t, 3 if (i + j) % 2 else 1) for (i, f), (j, t) in product(enumerate(FEATURES), enumerate(TARGETS))],
)
def test_a_window_is_what_float64_says(features: str, target: str, horizon: int) -> None:
    indicators = INDICATORS if target != "bins" else None
    time_feature = {"close": "none", "log_return": "span", "bins": "position"}[target]
    fields = {"indicators": indicators, "time_feature": time_feature, "clock": target != "log_return"}
    config = config_for(features, target, horizon, **fields)
    dataset = build_dataset(config, market())
    origin_B = some_origins(dataset)
    got = batches(dataset, origin_B)
    for m, norm_mode in enumerate(NORM_MODES):
        windows = [expected(dataset, config, norm_mode, int(row)) for row in origin_B]
        want = Window(*map(np.stack, zip(*windows, strict=True)))
        assert got.x_BLF[m].shape == want.x_LF.shape
        relative = 1e-5 if norm_mode == "none" else 2e-6  # far from 0 only the digits of float32 count
        np.testing.assert_allclose(got.x_BLF[m], want.x_LF, atol=1e-5, rtol=relative, err_msg=norm_mode)
        np.testing.assert_allclose(got.time_BL[m], np.tile(np.arange(8) / 7, (N_WINDOWS, 1)), atol=1e-6)
        typical = np.array([fit.spreads for fit in dataset.preparation.series])[dataset.panel.series_R[origin_B]]
        np.testing.assert_allclose(got.spread_BG[m], np.log(want.spread_G / typical), atol=1e-3, err_msg=norm_mode)
        if config.dataset_config.clock:
            np.testing.assert_allclose(got.clock_BHC[m], want.clock_HC, atol=1e-6)
            np.testing.assert_allclose(got.clock_BLC[m], want.clock_LC, atol=1e-6)
        else:
            assert got.clock_BLC[m].shape == (N_WINDOWS, 8, 0)
            assert got.clock_BHC[m].shape == (N_WINDOWS, horizon, 0)
        if target == "bins":
            np.testing.assert_array_equal(got.y_BH[m], np.digitize(want.percent_H, EDGES[1:-1]))
            continue
        np.testing.assert_allclose(got.y_BH[m], want.y_H, atol=1e-5, rtol=1e-5, err_msg=norm_mode)
        change = want.change_H if target == "close" else np.log1p(want.percent_H / 100)
        in_units = got.y_BH[m].astype(np.float64) * got.unit_B[m][:, None]
        np.testing.assert_allclose(in_units, change, rtol=1e-5, atol=1e-11, err_msg=norm_mode)


def one_series(bars: Bars, **fields: Any) -> tuple[Dataset, np.ndarray, Batch]:
    """Dataset, origins and batches of the first ``N_WINDOWS`` windows of 240 bars, close and volume only."""
    config = make_config(features="ohlcv", horizon=1, seq_len=8, **fields)
    dataset = build_dataset(config, [bars])
    origin_B = np.arange(7, 7 + N_WINDOWS)
    return dataset, origin_B, batches(dataset, origin_B)


PRICE, VOLUME = slice(0, 4), slice(4, 5)


def still(amount: float) -> Bars:
    """240 bars, the first 200 without any move, each of the same volume."""
    bars = make_bars(n=240, price=60_000.1)
    columns = {n: np.where(np.arange(240) < 200, 60_000.1, v) for n, v in bars.columns.items() if n != "volume"}
    return with_columns(bars, **columns, volume=np.where(np.arange(240) < 200, amount, bars.columns["volume"]))


@pytest.mark.parametrize("amount", [0.0, 123.4])
def test_a_constant_window_is_zero_and_never_nan(amount: float) -> None:
    _, _, got = one_series(still(amount))
    for field in got._fields:
        assert np.isfinite(getattr(got, field)).all(), field
    for m, norm_mode in enumerate(NORM_MODES):
        price, volume = got.x_BLF[m][..., PRICE], got.x_BLF[m][..., VOLUME]
        # training has no spread either: its 160 bars are still
        level = {"window_mean": (1.0, 1.0 if amount else 0.0), "none": (60_000.1, amount)}.get(norm_mode, (0, 0))
        np.testing.assert_allclose(price, level[0], rtol=1e-6, err_msg=norm_mode)
        np.testing.assert_allclose(volume, level[1], rtol=1e-6, err_msg=norm_mode)
    assert not got.tokens_BG.any()
    assert not got.y_BH.any()


@pytest.mark.parametrize("features", ["ohlcv", "returns"])
@pytest.mark.parametrize("target", ["close", "log_return"])
def test_what_comes_after_a_constant_window_stays_finite(features: str, target: str) -> None:
    bars = still(0.0)
    dataset = build_dataset(make_config(features=features, target=target, seq_len=8), [bars])
    got = batches(dataset, np.arange(190, 190 + N_WINDOWS))  # the price begins to move after the tenth
    for field in got._fields:
        assert np.isfinite(getattr(got, field)).all(), field
    change = np.diff(bars.columns["close"])[190 : 190 + N_WINDOWS]
    if target == "log_return":
        change = np.diff(np.log(bars.columns["close"]))[190 : 190 + N_WINDOWS]
    in_units = got.y_BH[..., 0].astype(np.float64) * got.unit_B
    np.testing.assert_allclose(in_units, np.broadcast_to(change, in_units.shape), rtol=1e-5)
    assert (got.unit_B > 0).all()


def test_prices_below_zero_are_prices_with_features_close() -> None:
    close_N = 3 * np.sin(np.arange(240) / 5) - 1
    bars = Bars("made_up", "1h", make_bars(n=240).time_N, {"close": close_N})
    config = make_config(features="close", horizon=1, seq_len=8)
    dataset = build_dataset(config, [bars])
    origin_B = some_origins(dataset)
    got = batches(dataset, origin_B)
    train = close_N[bars.close_time_N < dataset.cuts.validation]
    context_BL = close_N[origin_B[:, None] + np.arange(-7, 1)]
    for m, norm_mode in enumerate(NORM_MODES):
        want = [normalise(c, train if norm_mode.startswith("global") else c, norm_mode)[0] for c in context_BL]
        np.testing.assert_allclose(got.x_BLF[m, ..., 0], want, atol=1e-5, rtol=1e-5, err_msg=norm_mode)
        in_units = got.y_BH[m, :, 0] * got.unit_B[m]
        np.testing.assert_allclose(in_units, close_N[origin_B + 1] - close_N[origin_B], rtol=1e-5, atol=1e-6)


def test_volumes_far_from_one_keep_their_shape() -> None:
    """Squares of such numbers are beyond float32: tokens in units of 1e-18, or a currency of tiny units."""
    bars = make_bars(n=240)
    _, _, plain = one_series(bars)
    for factor in (2.0**70, 2.0**-70):
        _, _, got = one_series(with_columns(bars, volume=factor * bars.columns["volume"]))
        for m, norm_mode in enumerate(list(NORM_MODES)[:-1]):
            np.testing.assert_allclose(
                got.x_BLF[m], plain.x_BLF[m], rtol=1e-6, atol=1e-6, err_msg=f"{norm_mode} {factor}"
            )


def test_an_empty_volume_in_some_rows_spoils_no_statistic() -> None:
    bars = make_bars(n=240)
    volume_N = bars.columns["volume"].copy()
    volume_N[[3, 100, 150, 230]] = np.nan
    dataset = build_dataset(make_config(seq_len=8), [with_columns(bars, volume=volume_N)])
    train_N = volume_N[bars.close_time_N < dataset.cuts.validation]
    statistics = dataset.preparation.series[0].statistics[1]
    np.testing.assert_allclose(statistics.mean, np.nanmean(train_N), rtol=1e-12)
    np.testing.assert_allclose(statistics.std, np.nanstd(train_N), rtol=1e-12)
    rows = np.sort(np.concatenate(list(dataset.origins.values())))
    got = batches(dataset, rows[:N_WINDOWS])
    assert np.isfinite(got.x_BLF).all()
    context_NL = rows[:, None] + np.arange(-7, 1)
    assert not np.isnan(volume_N[context_NL]).any()
    assert np.isnan(volume_N[rows + 1]).any(), "a label needs no volume"


def test_the_clock_is_that_of_the_next_open_hours() -> None:
    """A market open on weekdays from 9 to 17: after Friday's last bar comes Monday 9:00."""
    every = make_bars(n=24 * 7 * 8)
    hour_N, day_N = every.time_N // 3600 % 24, (every.time_N // 86_400 + 3) % 7
    closed = np.flatnonzero((day_N >= 5) | (hour_N < 9) | (hour_N >= 17))
    bars = make_bars(n=24 * 7 * 8, holes=closed)
    config = make_config(seq_len=8, horizon=3)
    dataset = build_dataset(config, [bars])
    assert dataset.calendars[0].kind == "sessions"
    origin_B = np.concatenate([dataset.origins[span] for span in SPANS])[:N_WINDOWS]
    got = batches(dataset, origin_B)
    want = [clock([int(t) for t in bars.time_N[row + 1 : row + 4]], bars.step) for row in origin_B]
    np.testing.assert_allclose(got.clock_BHC[0], np.stack(want), atol=1e-6)
    last = dataset.tape()
    assert len(set(last.rank_R)) == 40


def test_daily_bars_know_only_the_weekday() -> None:
    dataset = build_dataset(make_config(resolution="1d", seq_len=8), [make_bars(resolution="1d", n=240)])
    origin_B = some_origins(dataset)
    got = batches(dataset, origin_B)
    assert got.clock_BHC.shape == (6, N_WINDOWS, 1, 2)
    angle_B = 2 * np.pi * ((origin_B + 1) % 7) / 7  # the first bar is a Monday's
    np.testing.assert_allclose(got.clock_BHC[0, :, 0], np.stack([np.sin(angle_B), np.cos(angle_B)], 1), atol=1e-6)


def test_one_program_serves_all_modes_and_equals_the_population() -> None:
    dataset = build_dataset(make_config(seq_len=8), [make_bars(n=240)])
    origin_B = some_origins(dataset)
    together = batches(dataset, origin_B)
    chex.clear_trace_counter()
    one = jax.jit(chex.assert_max_traces(gather, n=1), static_argnames="spec")
    arguments = (dataset.tape(), origin_B.astype(np.int32), np.ones(N_WINDOWS, np.float32))
    alone = [jax.device_get(one(*arguments, mode, spec=dataset.preparation.spec)) for mode in MODES]
    for m in MODES:
        own = jax.tree.map(lambda array, m=m: array[m], together)
        chex.assert_trees_all_close(own, alone[m], rtol=1e-5, atol=1e-5)
    assert len({alone[m].x_BLF.tobytes() for m in MODES}) == len(MODES)


@pytest.mark.parametrize("time_feature", ["none", "position", "span"])
def test_the_same_bars_a_year_later_are_the_same_window(time_feature: str) -> None:
    """Unless the model is asked to know how much of the training span has passed."""
    bars = make_bars(n=240)
    dataset = build_dataset(make_config(seq_len=8, time_feature=time_feature), [bars])
    later = Bars(bars.ticker, bars.resolution, bars.time_N + 52 * 7 * 86_400, bars.columns)
    origin_B = some_origins(dataset)
    spec, weight_B = dataset.preparation.spec, np.ones(N_WINDOWS, np.float32)
    tape = dataset.preparation.tape([later], dataset.preparation.series)
    moved = jax.device_get(gather_all(tape, origin_B.astype(np.int32), weight_B, MODES, spec))
    same = {
        name
        for name in Batch._fields
        if np.array_equal(getattr(moved, name), getattr(batches(dataset, origin_B), name))
    }
    assert set(Batch._fields) - same == ({"x_BLF"} if time_feature == "span" else set())


def test_a_batch_says_its_weights_and_types() -> None:
    dataset = build_dataset(make_config(seq_len=8), [make_bars(n=240)])
    weight_B = np.array([1, 1, 0], np.float32)
    origin_B = np.array([*dataset.origins["training"][:2], 0], np.int32)  # row 0 fills the batch: no window there
    gathered = jax.jit(gather, static_argnames="spec")
    batch = jax.device_get(gathered(dataset.tape(), origin_B, weight_B, MODES[0], spec=dataset.preparation.spec))
    np.testing.assert_array_equal(batch.weight_B, weight_B)
    assert all(np.isfinite(value).all() for value in batch), "padding has finite values: 0 x NaN is no 0"
    types = {name: value.dtype for name, value in batch._asdict().items() if name != "contexts"}
    integer = {name for name, type_ in types.items() if type_ == np.int32}
    assert integer == {"tokens_BG"} and batch.contexts == ()
    assert {type_ for name, type_ in types.items() if name not in integer} == {np.dtype(np.float32)}
    assert batch.x_BLF.shape == (3, 8, dataset.preparation.spec.n_features)
