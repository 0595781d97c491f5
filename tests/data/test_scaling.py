"""Normalisation against scikit-learn and float64."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from nextbar.config.choices import NORM_MODES
from nextbar.data.scaling import (
    NormMode,
    Scale,
    deviation,
    fit_windows,
    mode_number,
    needs_training,
    return_unit,
    standardising,
)
from nextbar.data.statistics import GlobalScale, Pair, Statistics

B, L, C = 5, 7, 4
fit = jax.jit(fit_windows)


def windows(price: float = 60_000.0, within: float = 5.0, seed: int = 0) -> np.ndarray:
    """(B, L, C) prices."""
    return price + within * np.random.default_rng(seed).uniform(-0.5, 0.5, (B, L, C))


def pairs(p_BLC: np.ndarray) -> tuple[np.ndarray, Pair]:
    """Differences to the last close, and that close, as the device gets them."""
    reference = Pair.split(p_BLC[:, -1, -1])
    return Pair.split(p_BLC).minus(Pair(*(part[:, None, None] for part in reference))), reference


def fitted(training: np.ndarray) -> GlobalScale:
    """The same training statistics for each window."""
    one = GlobalScale.stack([[Statistics.fit(training)]] * B)
    return jax.tree.map(lambda a: a[:, 0], one)


def test_each_mode_has_its_number_and_what_it_is() -> None:
    assert [mode_number(name) for name in NORM_MODES] == list(range(6))
    assert [name for name in NORM_MODES if needs_training(name)] == ["global_minmax", "global_meanstd"]
    standard = ["window_meanstd"] * 3 + ["global_meanstd"] * 2 + ["none"]
    assert [int(standardising(np.int32(m))) for m in range(6)] == list(map(mode_number, standard))
    units = [float(return_unit(np.float32([2.0]), np.float32([3.0]), np.int32(m))[0]) for m in range(6)]
    assert units == [2.0] * 3 + [3.0] * 2 + [1.0]
    assert float(return_unit(np.float32([0.0]), np.float32([0.0]), np.int32(0))[0]) == 1.0


def test_a_further_mode_is_one_definition_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    halved = NormMode(lambda w: Scale(w.mean, 2 * w.one, w.zero), lambda window_B, training_B: 2 * window_B)
    monkeypatch.setitem(NORM_MODES, "halved", halved)
    p_BLC = windows()
    difference_BLC, reference = pairs(p_BLC)
    x_BLC = fit_windows(difference_BLC, reference, fitted(p_BLC), np.int32(mode_number("halved"))).apply(difference_BLC)
    np.testing.assert_allclose(x_BLC, (p_BLC - p_BLC.mean(axis=(1, 2), keepdims=True)) / 2, atol=1e-5)
    assert float(return_unit(np.float32([2.0]), np.float32([3.0]), np.int32(6))[0]) == 4.0
    assert int(standardising(np.int32(6))) == 6 and not needs_training("halved")


@given(st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-20))
def test_a_pair_holds_48_bits(value: float) -> None:
    pair = Pair.split(np.array([value]))
    assert pair.high.dtype == pair.low.dtype == np.float32
    assert abs(float(pair.high[0]) + float(pair.low[0]) - value) <= 2.0**-48 * abs(value)


def test_a_difference_of_pairs_keeps_the_digits_that_plain_float32_loses() -> None:
    first, second = np.array([60_000.1234567]), np.array([60_000.1200001])
    got = Pair.split(first).minus(Pair.split(second))
    np.testing.assert_allclose(got, first - second, rtol=1e-5)
    assert abs((first.astype(np.float32) - second.astype(np.float32))[0] / (first - second)[0] - 1) > 0.1


def test_statistics_are_those_of_scikit_learn() -> None:
    training = windows(within=900.0).reshape(-1, 1)
    minmax, standard = MinMaxScaler().fit(training), StandardScaler().fit(training)
    got = Statistics.fit(training)
    np.testing.assert_allclose(got.minimum, minmax.data_min_[0], rtol=1e-14)
    np.testing.assert_allclose(got.maximum, minmax.data_max_[0], rtol=1e-14)
    np.testing.assert_allclose(got.mean, standard.mean_[0], rtol=1e-12)
    np.testing.assert_allclose(got.std, standard.scale_[0], rtol=1e-9)


def test_statistics_of_nothing_are_unknown_and_gaps_are_passed_over() -> None:
    assert np.isnan(Statistics.fit(np.empty(0))).all()
    assert np.isnan(Statistics.fit(np.array([np.nan]))).all()
    assert Statistics.fit(np.array([np.nan, 1.0, 3.0])) == Statistics(1.0, 3.0, 2.0, 1.0)


@pytest.mark.parametrize(("price", "within"), [(60_000.0, 5.0), (3.0, 0.1), (0.0, 10.0), (-40.0, 3.0), (1e-6, 1e-8)])
def test_all_modes_are_those_of_scikit_learn(price: float, within: float) -> None:
    p_BLC, training = windows(price, within), windows(price, 2 * within, seed=1)
    difference_BLC, reference = pairs(p_BLC)
    by_training = {
        "global_minmax": MinMaxScaler().fit(training.reshape(-1, 1)),
        "global_meanstd": StandardScaler().fit(training.reshape(-1, 1)),
    }
    for number, mode in enumerate(NORM_MODES):
        x_BLC = fit(difference_BLC, reference, fitted(training), number).apply(difference_BLC)
        for b in range(B):
            column = p_BLC[b].reshape(-1, 1)
            if mode == "none":
                np.testing.assert_allclose(x_BLC[b], p_BLC[b], rtol=1e-5, atol=1e-7 * within)
                continue
            if mode == "window_mean":
                want = column / column.mean()
            elif mode in by_training:
                want = by_training[mode].transform(column)
            else:
                scaler = MinMaxScaler() if mode == "window_minmax" else StandardScaler()
                want = scaler.fit_transform(column)
            limits = {"rtol": 1e-5} if mode == "window_mean" else {}  # the mean of a series around 0 may be tiny
            np.testing.assert_allclose(x_BLC[b].reshape(-1, 1), want, atol=1e-5, err_msg=mode, **limits)


@pytest.mark.parametrize("value", [60_000.1, 0.0, -2.5, 1e-7])
@pytest.mark.parametrize("mode", NORM_MODES)
def test_a_scale_is_never_zero(value: float, mode: str) -> None:
    p_BLC = np.full((B, L, C), value)
    difference_BLC, reference = pairs(p_BLC)
    scale = fit(difference_BLC, reference, fitted(p_BLC), mode_number(mode))
    assert (np.asarray(scale.scale) != 0).all()
    x_BLC = np.asarray(scale.apply(difference_BLC))
    np.testing.assert_allclose(x_BLC, {"none": value, "window_mean": float(value != 0)}.get(mode, 0.0), rtol=1e-6)


def test_unknown_training_statistics_disturb_no_other_mode() -> None:
    p_BLC = windows()
    difference_BLC, reference = pairs(p_BLC)
    unknown = fitted(np.empty(0))
    for number, mode in enumerate(NORM_MODES):
        x_BLC = np.asarray(fit(difference_BLC, reference, unknown, number).apply(difference_BLC))
        assert np.isfinite(x_BLC).all() == (not needs_training(mode))


@pytest.mark.parametrize("power", [-70, -30, 30, 70])
@pytest.mark.parametrize("mode", ["window_minmax", "window_meanstd", "window_mean"])
def test_the_unit_of_a_price_does_not_matter(mode: str, power: int) -> None:
    p_BLC = windows(3.0, 1.0)
    number = mode_number(mode)
    plain, other = (fit(*pairs(p), fitted(p), number).apply(pairs(p)[0]) for p in (p_BLC, p_BLC * 2.0**power))
    np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-6)


def test_statistics_on_the_device_are_by_series_and_group() -> None:
    statistics = [[Statistics(s + g, s + g + 2, s + g + 1, 0.5 + s) for g in range(2)] for s in range(3)]
    scale = GlobalScale.stack(statistics)
    assert scale.range.shape == scale.minimum.high.shape == (3, 2)
    np.testing.assert_array_equal(scale.mean.high, np.add.outer(np.arange(3), np.arange(2)) + 1)
    np.testing.assert_array_equal(scale.range, np.full((3, 2), 2.0))
    np.testing.assert_array_equal(scale.std, [[0.5, 0.5], [1.5, 1.5], [2.5, 2.5]])
    assert {a.dtype for a in jax.tree.leaves(scale)} == {np.dtype(np.float32)}


def test_a_window_is_scaled_by_itself_whatever_else_is_in_the_batch() -> None:
    """Beside one 2^160 times as large and below zero: in its range nothing is left of the others in float32."""
    p_BLC = windows(3.0, 1.0) * np.array([2.0**-80, 1.0, -(2.0**80), 2.0**10, -(2.0**-10)])[:, None, None]
    found = np.asarray(deviation(np.float32(p_BLC)))
    np.testing.assert_allclose(found, p_BLC.std(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize(("value", "level"), [(0.0, 1.0), (-2.5, 2.5), (60_000.0, 60_000.0)])
@pytest.mark.parametrize("mode", ["window_minmax", "window_meanstd", "global_minmax", "global_meanstd"])
def test_changes_of_a_window_without_spread_are_told_relative_to_its_level(
    value: float, level: float, mode: str
) -> None:
    p_BLC = np.full((B, L, C), value)
    difference_BLC, reference = pairs(p_BLC)
    scale = fit(difference_BLC, reference, fitted(p_BLC), mode_number(mode))
    np.testing.assert_array_equal(scale.scale, np.full(B, level))
    np.testing.assert_array_equal(scale.shift, np.zeros(B))
    np.testing.assert_array_equal(scale.invert(scale.apply(difference_BLC)), difference_BLC)
