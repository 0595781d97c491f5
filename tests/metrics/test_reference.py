"""Baselines fitted on training windows, and their figures on real bars.

The figures were computed for these files outside of this code: parameters from the first 85 % of the bars,
scores on the last 15 % by count, one step ahead, to the digits given.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nextbar.metrics.reference import baseline_forecast, fit_reference, least_moves
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Outcomes

FIVE = (-np.inf, -1.0, -0.25, 0.25, 1.0, np.inf)


def windows(close_N: np.ndarray, origins: np.ndarray, horizon: int = 1) -> Outcomes:
    """One-series outcomes; a bar's row serves as its time."""
    label_NH = origins[:, None] + np.arange(1, horizon + 1)
    return Outcomes(np.zeros(len(origins), int), ("a",), origins, close_N[origins], close_N[label_NH])


def split(folder: Path, name: str) -> tuple[np.ndarray, Outcomes, Outcomes]:
    """(training closes, training windows, test windows): labels of the last 15 % of the bars are test."""
    pd = pytest.importorskip("pandas")
    path = next((folder / name.rsplit("_", 1)[1]).glob(f"{name}.csv*"))
    close_N = pd.read_csv(path)["close"].to_numpy(np.float64)
    n_train = len(close_N) - math.ceil(0.15 * len(close_N))
    training = windows(close_N, np.arange(n_train - 1))
    return close_N[:n_train], training, windows(close_N, np.arange(n_train - 1, len(close_N) - 1))


def baseline(folder: Path, name: str, task: Task) -> tuple[int, dict[str, float | None]]:
    closes, training, test = split(folder, name)
    scorer = Scorer(test, fit_reference(training, [closes], task), task)
    return len(test.series_N), scorer.baseline.mean.pooled


@pytest.mark.parametrize(
    ("name", "bars", "mae", "rmse", "mape", "r2"),
    [
        ("spx_1d", 755, "13.11", "20.08", "0.5415", "0.9951"),
        ("nasdaq_comp_1d", 755, "43.53", "65.12", "0.6984", "0.9962"),
        ("btc_usd_1d", 499, "400.8", "622.4", "1.7300", "0.9796"),
        ("btc_usdt_4h", 1644, "621.3", "928.6", "0.6292", "0.9934"),
        ("eth_usdt_4h", 1644, "30.27", "45.79", "1.0637", "0.9973"),
        ("sol_usdt_4h", 1644, "2.24", "3.23", "1.2990", "0.9911"),
        ("eur_usd_1h", 8362, "0.0007389", "0.001078", "0.0625", "0.9989"),
    ],
)
def test_persistence_on_real_bars(
    shared_data: Path, name: str, bars: int, mae: str, rmse: str, mape: str, r2: str
) -> None:
    n, found = baseline(shared_data, name, Task(output_mode="mean"))
    assert n == bars
    for key, text in (("mae", mae), ("rmse", rmse), ("mape", mape), ("r2", r2)):
        half_a_digit = 0.51 * 10.0 ** -len(text.split(".")[1])
        assert found[key] == pytest.approx(float(text), abs=half_a_digit), key
    assert found["r2_return"] == 0 and found["acc_dir"] == 50


@pytest.mark.parametrize(
    ("name", "nll", "crps"),
    [("spx_1d", 1.362, 0.4712), ("btc_usdt_4h", 1.469, 0.5277), ("eur_usd_1h", -0.902, 0.0502)],
)
def test_constant_spread_on_real_bars(shared_data: Path, name: str, nll: float, crps: float) -> None:
    """The published figures also remove the training mean, the baseline does not: under 0.001 nats."""
    _, found = baseline(shared_data, name, Task(output_mode="distribution", target="log_return"))
    assert found["nll"] == pytest.approx(nll, abs=0.0015)
    assert found["crps"] == pytest.approx(crps, abs=0.0005)
    _, in_prices = baseline(shared_data, name, Task(output_mode="distribution", target="close"))
    assert in_prices["nll"] == pytest.approx(found["nll"], abs=0.005)  # normal in price, not in log price


@pytest.mark.parametrize(
    ("name", "inner", "log_loss", "acc"),
    [
        ("spx_1d", FIVE[1:-1], "1.5070", "42.9"),
        ("spx_1d", (-0.752, -0.139, 0.242, 0.776), "1.6094", "10.9"),
        ("nasdaq_comp_1d", FIVE[1:-1], "1.6160", "28.1"),
        ("btc_usdt_4h", FIVE[1:-1], "1.5178", "33.6"),
        ("eth_usdt_4h", FIVE[1:-1], "1.6089", "20.9"),
        ("eur_usd_1h", FIVE[1:-1], "0.1213", "98.1"),
    ],
)
def test_training_frequencies_on_real_bars(
    shared_data: Path, name: str, inner: tuple[float, ...], log_loss: str, acc: str
) -> None:
    task = Task(output_mode="discrete_grid", edges=(-np.inf, *inner, np.inf))
    _, found = baseline(shared_data, name, task)
    assert found["log_loss"] == pytest.approx(float(log_loss), abs=0.00011)
    if inner == FIVE[1:-1]:  # quintiles are equally frequent but for rounding: their largest is a matter of chance
        assert found["acc"] == pytest.approx(float(acc), abs=0.051)


def test_fit_by_hand() -> None:
    """Two series, three steps, against the definitions."""
    rng = np.random.default_rng(0)
    series_N, last_N = np.repeat([0, 1], [30, 50]), rng.uniform(50, 90, 80)
    close_NH = last_N[:, None] * np.exp(0.02 + 0.01 * rng.normal(size=(80, 3)))
    training = Outcomes(series_N, ("a", "b"), np.arange(80), last_N, close_NH)
    closes = [rng.uniform(50, 90, 33), rng.uniform(1, 2, 53)]
    task = Task(output_mode="discrete_grid", horizon=3, edges=FIVE)
    reference = fit_reference(training, closes, task)
    for s in range(2):
        returns = np.log(close_NH / last_N[:, None])[series_N == s]
        spread = np.sqrt(((returns - returns.mean(0)) ** 2).mean(0))
        np.testing.assert_allclose(reference.move_std_SH[s], spread, rtol=1e-12)
        assert reference.center_S[s] == pytest.approx(closes[s].mean())
        assert reference.spread_S[s] == pytest.approx(np.sqrt(np.mean((closes[s] - closes[s].mean()) ** 2)))
    move_NH = 100 * (close_NH / last_N[:, None] - 1)
    for h in range(3):
        count = np.histogram(move_NH[:, h], [-1e9, *FIVE[1:-1], 1e9])[0]
        np.testing.assert_allclose(reference.frequencies_HK[h], (count + 1) / (80 + 5), rtol=1e-12)
    only_first = fit_reference(training, closes, task, trained_S=np.array([True, False]))
    alone = fit_reference(Outcomes(*(f[:30] if isinstance(f, np.ndarray) else f for f in training)), closes, task)
    np.testing.assert_array_equal(only_first.frequencies_HK, alone.frequencies_HK)


def test_forecasts_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    series_N, last_N = np.repeat([0, 1], [20, 30]), rng.uniform(50, 90, 50)
    close_NH = last_N[:, None] * np.exp(0.01 * rng.normal(size=(50, 2)))
    outcomes = Outcomes(series_N, ("a", "b"), np.arange(50), last_N, close_NH)
    for target in ("close", "log_return"):
        task = Task(output_mode="distribution", horizon=2, target=target)
        reference = fit_reference(outcomes, [last_N[:20], last_N[20:]], task)
        found = baseline_forecast(reference, outcomes, task)
        assert not found.location_NH.any() and found.df_NH is None and found.log_probs_NHK is None
        unit_N1 = last_N[:, None] if target == "close" else 1.0
        np.testing.assert_allclose(found.scale_NH, reference.move_std_SH[series_N] * unit_N1)
    task = Task(output_mode="discrete_grid", horizon=2, edges=FIVE)
    reference = fit_reference(outcomes, [last_N[:20], last_N[20:]], task)
    probs_NHK = np.exp(baseline_forecast(reference, outcomes, task).log_probs_NHK)
    np.testing.assert_allclose(probs_NHK, np.broadcast_to(reference.frequencies_HK, (50, 2, 5)))
    np.testing.assert_allclose(probs_NHK.sum(-1), 1)


def test_changes_take_the_place_of_returns_where_a_price_is_not_positive() -> None:
    close_N = np.array([-1.0, 2.0, 0.5, 3.0, -2.0, 1.0, 0.0, 4.0])
    training = windows(close_N, np.arange(7))
    task = Task(output_mode="distribution")
    reference = fit_reference(training, [close_N], task)
    assert not reference.positive_S[0]
    assert reference.move_std_SH[0, 0] == pytest.approx(np.diff(close_N).std())
    np.testing.assert_allclose(baseline_forecast(reference, training, task).scale_NH, np.diff(close_N).std())


def test_a_series_that_was_not_trained_takes_nothing_from_others() -> None:
    """100 moves are enough; a single one less gives no spread, no frequencies and no scale."""
    rng = np.random.default_rng(2)
    n = np.array([50, 99, 100])
    series_N, last_N = np.repeat([0, 1, 2], n), np.full(n.sum(), 10.0)
    close_NH = last_N[:, None] * np.exp(0.01 * (1 + series_N)[:, None] * rng.normal(size=(n.sum(), 2)))
    training = Outcomes(series_N, ("trained", "young", "own"), np.arange(n.sum()), last_N, close_NH)
    closes = [rng.uniform(9, 11, size) for size in n]
    trained_S = np.array([True, False, False])
    law = fit_reference(training, closes, Task(output_mode="distribution", horizon=2), trained_S)
    move_NH = np.log(close_NH / 10)
    np.testing.assert_allclose(law.move_std_SH[[0, 2]], [move_NH[series_N == s].std(axis=0) for s in (0, 2)])
    np.testing.assert_allclose(law.spread_S[[0, 2]], [closes[0].std(), closes[2].std()])
    assert np.isnan(law.move_std_SH[1]).all() and np.isnan([law.spread_S[1], law.center_S[1]]).all()
    np.testing.assert_array_equal(law.moves_S, n)

    task = Task(output_mode="discrete_grid", horizon=2, edges=FIVE)
    bins = fit_reference(training, closes, task, trained_S)
    alone = [
        fit_reference(
            Outcomes(series_N[row] * 0, ("a",), np.arange(row.sum()), last_N[row], close_NH[row]), [closes[s]], task
        )
        for s, row in ((s, series_N == s) for s in range(3))
    ]
    probs_NHK = np.exp(baseline_forecast(bins, training, task).log_probs_NHK)
    for s, one in ((0, alone[0]), (2, alone[2])):
        np.testing.assert_allclose(probs_NHK[series_N == s][0], one.frequencies_HK, rtol=1e-12)
    np.testing.assert_array_equal(bins.frequencies_HK, alone[0].frequencies_HK)
    assert np.isnan(probs_NHK[series_N == 1]).all()


@pytest.mark.parametrize(("horizon", "least"), [(1, 100), (5, 100), (6, 120), (24, 480)])
def test_moves_over_many_bars_overlap_so_more_are_needed(horizon: int, least: int) -> None:
    assert least_moves(horizon) == least


def test_a_close_that_falls_to_zero_after_training_keeps_a_law() -> None:
    """As oil did in April 2020: the spread is in log returns, and a close at or below zero has none."""
    close_N = np.array([10.0, 10.2, 9.9, 10.1, 10.0, -3.0, 0.0, 5.0])
    task = Task(output_mode="distribution")
    reference = fit_reference(windows(close_N, np.arange(3)), [close_N[:4]], task)
    test = windows(close_N, np.arange(3, 7))
    scale_N = baseline_forecast(reference, test, task).scale_NH[:, 0]
    np.testing.assert_allclose(scale_N / reference.move_std_SH[0], [10.1, 10.0, 10.05, 10.05])
    scores = Scorer(test, reference, task).baseline.mean.pooled
    assert scores["mape"] is None and np.isfinite(scores["nll"])
    for origin in (4, 6):  # only the label, only the last close is not above zero
        one = Scorer(windows(close_N, np.array([origin])), reference, task).baseline.mean.pooled
        assert one["mape"] is None and np.isfinite(one["nll"])
