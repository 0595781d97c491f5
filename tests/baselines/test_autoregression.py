"""Autoregressions against statsmodels, linear programming and the true optimum of a planted one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import make_bars, with_columns
from scipy.optimize import linprog

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.baselines.autoregression import (
    MOST_LAGS,
    Autoregression,
    MedianAutoregression,
    MedianDrift,
    lagged,
    least_absolute,
    orders_by_bic,
)
from nextbar.baselines.history import History
from nextbar.metrics.task import Task

KINDS = (Autoregression, MedianAutoregression, MedianDrift)


def moves_of(kind: str, n: int, seed: int) -> np.ndarray:
    """Moves of a made-up process: of order 0, 1, 2 (S1), 5, or with heavy tails."""
    rng = np.random.default_rng(seed)
    noise_N = rng.standard_t(3, n + 200) if kind == "heavy" else rng.normal(size=n + 200)
    weights = {"noise": [], "ar1": [-0.3], "s1": [1.3, -0.6], "ar5": [0.1, 0, 0, 0.2, -0.25], "heavy": [0.25, 0.1]}[
        kind
    ]
    x_N = noise_N + 0.05
    for i in range(len(weights), len(x_N)):
        x_N[i] += sum(weight * x_N[i - lag] for lag, weight in enumerate(weights, 1))
    return x_N[200:]


def bars_of(move_N: np.ndarray, positive: bool = True, ticker: str = "a") -> Bars:
    """A series with these moves: log returns of a hundredth, or changes of a price around zero."""
    path_N = np.concatenate([[0.0], np.cumsum(move_N)])
    close_N = 100 * np.exp(0.01 * path_N) if positive else path_N - path_N.mean()
    return with_columns(make_bars(ticker, n=len(close_N)), close=close_N)


def learnt(baseline: object, bars: Bars) -> tuple[object, Calendar]:
    calendar = Calendar.always(bars.step, int(bars.time_N[0]))
    return baseline.learn([History.of(bars)], [calendar]), calendar  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["noise", "ar1", "s1", "ar5", "heavy"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("positive", [True, False])
def test_order_and_coefficients_are_those_of_statsmodels(kind: str, seed: int, positive: bool) -> None:
    from statsmodels.tsa.ar_model import AutoReg, ar_select_order

    bars = bars_of(moves_of(kind, 500, seed), positive)
    close_N = bars.columns["close"]
    move_N = np.diff(np.log(close_N)) if positive else np.diff(close_N)
    chosen = ar_select_order(move_N, maxlag=MOST_LAGS, ic="bic").ar_lags or []
    expected = AutoReg(move_N, lags=len(chosen)).fit().params
    assert orders_by_bic(move_N)[0] == len(chosen)
    baseline, _ = learnt(Autoregression(Task(output_mode="mean")), bars)
    constant, coefficient_P = baseline._learnt[0]
    unit = baseline._reference.move_std_SH[0, 0]
    assert constant * unit == pytest.approx(expected[0], rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(coefficient_P[: len(chosen)], expected[1:], rtol=1e-6, atol=1e-9)
    assert not coefficient_P[len(chosen) :].any()


@pytest.mark.parametrize("seed", range(3))
def test_the_least_absolute_residual_is_that_of_linear_programming(seed: int) -> None:
    x_MK, y_M = lagged(moves_of("heavy", 300, seed), 3)
    m, k = x_MK.shape
    program = linprog(
        np.concatenate([np.zeros(k), np.ones(2 * m)]),
        A_eq=np.hstack([x_MK, np.eye(m), -np.eye(m)]),
        b_eq=y_M,
        bounds=[(None, None)] * k + [(0, None)] * (2 * m),
        method="highs",
    )
    found = np.abs(y_M - x_MK @ least_absolute(x_MK, y_M)).sum()
    assert program.fun <= found + 1e-9 and found == pytest.approx(program.fun, rel=1e-5)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("rule", [Autoregression, MedianAutoregression])
def test_several_steps_ahead_are_forecast_by_iteration(rule: type[Autoregression], positive: bool) -> None:
    """Against a loop, from the first bars, which have no lags before them, to the last."""
    task = Task(output_mode="mean", horizon=4, target="close")
    bars = bars_of(moves_of("ar5", 400, 1), positive)
    baseline, calendar = learnt(rule(task), bars)
    row_N = np.array([0, 1, 3, 17, 250, 400])
    found = baseline.forecast(History.of(bars), calendar, row_N).location_NH
    constant, coefficient_P = baseline._learnt[0]
    unit, close_N = baseline._reference.move_std_SH[0, 0], bars.columns["close"]
    move_N = np.concatenate([[0.0], np.diff(np.log(close_N)) if positive else np.diff(close_N)]) / unit
    for i, row in enumerate(row_N):
        past = list(move_N[: row + 1])
        for h in range(4):
            lags = [past[-lag] if lag <= len(past) else 0.0 for lag in range(1, MOST_LAGS + 1)]
            past.append(constant + float(np.dot(coefficient_P, lags)))
            total = unit * sum(past[row + 1 :])
            change = close_N[row] * np.expm1(total) if positive else total
            assert found[i, h] == pytest.approx(change, rel=1e-9, abs=1e-12)


def test_a_planted_autoregression_is_forecast_as_well_as_can_be() -> None:
    """S1 in the moves: the mean squared error of the truth is 1, of no change that of the moves."""
    move_N = moves_of("s1", 30_000, 5)
    bars = bars_of(move_N)
    known = bars.first(20_001)
    calendar = Calendar.always(bars.step, int(bars.time_N[0]))
    row_N = np.arange(20_000, 30_000)
    errors = {}
    for rule in KINDS:
        baseline = rule(Task(output_mode="mean", target="log_return")).learn([History.of(known)], [calendar])
        forecast_N = baseline.forecast(History.of(bars), calendar, row_N).location_NH[:, 0]
        errors[rule] = float(np.mean((100 * forecast_N - move_N[20_000:]) ** 2))
    truth_N = 0.05 + 1.3 * move_N[19_999:29_999] - 0.6 * move_N[19_998:29_998]
    optimum = float(np.mean((truth_N - move_N[20_000:]) ** 2))
    assert optimum == pytest.approx(1.0, abs=0.05)
    assert errors[Autoregression] == pytest.approx(optimum, rel=2e-3)
    assert errors[MedianAutoregression] == pytest.approx(optimum, rel=4e-3)
    assert errors[MedianDrift] > 3 * optimum


def test_the_median_is_the_best_constant_for_absolute_errors() -> None:
    move_N = np.random.default_rng(3).exponential(size=2_000) - 0.9
    bars = bars_of(move_N)
    baseline, calendar = learnt(MedianDrift(Task(output_mode="mean", horizon=3, target="log_return")), bars)
    found = 100 * baseline.forecast(History.of(bars), calendar, np.array([5])).location_NH[0]
    path_N = np.concatenate([[0.0], np.cumsum(move_N)])
    np.testing.assert_allclose(found, [np.median(path_N[h:] - path_N[:-h]) for h in (1, 2, 3)], rtol=1e-9)


@pytest.mark.parametrize("rule", KINDS)
def test_written_down_and_read_again_it_forecasts_the_same(rule: type[Autoregression]) -> None:
    task = Task(output_mode="mean", horizon=2)
    bars = bars_of(moves_of("s1", 300, 2))
    baseline, calendar = learnt(rule(task), bars)
    again = rule(task).restored(json.loads(json.dumps(baseline.to_dict(), allow_nan=False)))
    row_N = np.arange(50, 300)
    ours, theirs = (one.forecast(History.of(bars), calendar, row_N).location_NH for one in (baseline, again))
    np.testing.assert_array_equal(ours, theirs)


def test_an_order_whose_forecasts_grow_is_not_taken() -> None:
    """A path that doubles: the best fit explodes, and the next order that does not is taken."""
    move_N = 1e-3 * 1.2 ** np.arange(80.0) + 1e-6 * np.random.default_rng(0).normal(size=80)
    baseline, _ = learnt(Autoregression(Task(output_mode="mean")), bars_of(move_N, positive=False))
    companion = np.eye(MOST_LAGS, k=-1)
    companion[0] = baseline._learnt[0].coefficient_P
    assert np.abs(np.linalg.eigvals(companion)).max() < 1
