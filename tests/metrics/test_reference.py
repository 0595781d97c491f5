"""Baselines fitted on training windows, and their figures on real bars.

The figures were computed for these files outside of this code: parameters from the first 85 % of the bars,
scores on the last 15 % by count, one step ahead, to the digits given.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from nextbar.errors import DataError
from nextbar.metrics.reference import (
    baseline_forecast,
    enough_moves,
    fit_reference,
    join_references,
    least_moves,
    missing_baseline,
    plain_record,
    reference_from,
    target_unit,
)
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Outcomes, Reference

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


def test_a_handful_of_moves_counts_only_where_no_series_has_enough() -> None:
    for moves, horizon, enough in (
        ([99, 100, 0], 1, [False, True, False]),
        ([480, 479], 24, [True, False]),
        ([99, 3, 0], 1, [True, True, True]),
    ):
        assert enough_moves(moves, horizon).tolist() == enough


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


def test_a_close_that_never_moves_has_no_spread() -> None:
    close_N = np.full(8, 3.0)
    reference = fit_reference(windows(close_N, np.arange(6), 2), [close_N], Task(output_mode="mean", horizon=2))
    assert np.isnan(reference.move_std_SH).all() and reference.center_S[0] == 3 and reference.spread_S[0] == 0
    assert reference.frequencies_HK is None and reference.frequencies_SHK is None


def test_two_moves_are_the_fewest_of_a_trained_series_and_one_without_bars_has_no_scale() -> None:
    close_N = np.array([10.0, 11.0, 12.0])
    task, names = Task(output_mode="distribution"), ("a", "b")
    for n in (1, 2):
        moves = Outcomes(np.zeros(n, int), names, np.arange(n), close_N[:n], close_N[1 : n + 1, None])
        reference = fit_reference(moves, [close_N[: n + 1], np.empty(0)], task, np.array([1, 1]))
        assert np.isfinite(reference.move_std_SH[:, 0]).tolist() == [n == 2, False]
        assert np.isfinite(reference.center_S).tolist() == np.isfinite(reference.spread_S).tolist() == [True, False]
        assert reference.positive_S.tolist() == [True, True] and reference.moves_S.tolist() == [n, 0]
        assert reference.trained_S.dtype == bool and reference.moves_S.dtype == float
    assert fit_reference(moves, [close_N, np.empty(0)], task).trained_S.tolist() == [True, True]


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"output_mode": "discrete_grid", "edges": FIVE}, "output_mode 'discrete_grid'"),
        ({"output_mode": "discrete_grid", "target": "log_return", "edges": FIVE}, "output_mode 'discrete_grid'"),
        ({"output_mode": "mean", "target": "log_return"}, "target 'log_return'"),
        ({"output_mode": "distribution", "target": "log_return"}, "target 'log_return'"),
    ],
)
def test_returns_of_a_price_that_is_not_above_zero_are_refused(question: dict, what: str) -> None:
    closes = [np.array([1.0, 2.0]), np.array([1.0, 0.0]), np.array([-1.0, 2.0])]
    training = Outcomes(np.arange(2), ("a", "b", "c"), np.arange(2), np.ones(2), np.ones((2, 1)))
    with pytest.raises(DataError) as error:
        fit_reference(training, closes, Task(**question))
    assert str(error.value) == (
        f"b: {what} needs every price above zero, but some are not. "
        "Use target 'close' with output_mode 'mean' or 'distribution', or another series."
    )


def made_reference(n_series: int, seed: int, pooled: bool = False, by_series: bool = False) -> Reference:
    rng = np.random.default_rng(seed)
    return Reference(
        *rng.uniform(size=(2, n_series)),
        move_std_SH=rng.uniform(size=(n_series, 2)),
        positive_S=np.arange(n_series) % 2 == 0,
        frequencies_HK=rng.uniform(size=(2, 3)) if pooled else None,
        frequencies_SHK=rng.uniform(size=(n_series, 2, 3)) if by_series else None,
    )


def test_the_rows_of_two_references_in_one() -> None:
    """What one of them does not say holds for all of its series: trained, of unknown length."""
    run, own = made_reference(3, 0), made_reference(2, 1)
    row_S = [4, 0, 2, 3]
    joined = join_references(run, own, row_S)
    for field in ("center_S", "spread_S", "move_std_SH", "positive_S"):
        both = np.concatenate([getattr(run, field), getattr(own, field)])
        np.testing.assert_array_equal(getattr(joined, field), both[row_S], err_msg=field)
    assert joined.frequencies_HK is None and joined.frequencies_SHK is None
    assert joined.trained_S.tolist() == [True] * 4 and joined.trained_S.dtype == bool
    assert np.isnan(joined.moves_S).all() and joined.moves_S.dtype == float and len(joined.moves_S) == 4
    known = own._replace(moves_S=np.array([7.0, 8.0]), trained_S=np.array([False, True]))
    joined = join_references(run, known, row_S)
    np.testing.assert_array_equal(joined.moves_S, [8, np.nan, np.nan, 7])
    assert joined.trained_S.tolist() == [True, True, True, False]
    joined = join_references(known, run, [0, 2])
    np.testing.assert_array_equal(joined.moves_S, [7, np.nan])
    assert joined.trained_S.tolist() == [False, True]


def test_series_without_frequencies_of_their_own_take_the_runs_pooled_ones() -> None:
    pooled, own = made_reference(2, 0, pooled=True), made_reference(2, 1, pooled=True, by_series=True)
    joined = join_references(pooled, own, [1, 3])
    np.testing.assert_array_equal(joined.frequencies_SHK, [pooled.frequencies_HK, own.frequencies_SHK[1]])
    np.testing.assert_array_equal(joined.frequencies_HK, pooled.frequencies_HK)
    joined = join_references(own, pooled, [1, 3])
    np.testing.assert_array_equal(joined.frequencies_SHK, [own.frequencies_SHK[1], own.frequencies_HK])
    for parts in ((made_reference(2, 0), own), (own._replace(frequencies_HK=None), made_reference(2, 0))):
        assert join_references(*parts, [0]).frequencies_SHK is None


def test_a_series_without_a_baseline_says_why() -> None:
    law = Task(output_mode="distribution", horizon=2)
    reference = made_reference(3, 0, pooled=True, by_series=True)._replace(moves_S=np.array([99.4, np.nan, 3.0]))
    assert [missing_baseline(reference, s, "a", law) for s in range(3)] == [None] * 3
    reference.move_std_SH[:2, 1] = np.nan
    text = "a has no baseline of its own: {}and it takes 100 that are not all zero"
    assert missing_baseline(reference, 0, "a", law) == text.format("99 moves before its first forecast, ")
    assert missing_baseline(reference, 1, "a", law) == text.format("")
    assert missing_baseline(reference._replace(moves_S=None), 0, "a", law) == text.format("")
    bins, point = Task(output_mode="discrete_grid", horizon=6), Task(output_mode="mean", horizon=2)
    assert missing_baseline(reference, 0, "a", bins) is None and missing_baseline(reference, 0, "a", point) is None
    reference.frequencies_SHK[2, 1, 0] = np.nan
    assert missing_baseline(reference, 2, "b", bins) == (
        "b has no baseline of its own: 3 moves before its first forecast, and it takes 120 that are not all zero"
    )
    assert missing_baseline(reference._replace(frequencies_SHK=None), 2, "b", bins) is None, "the pooled ones"


def test_what_a_move_is_worth() -> None:
    """The price, or where that is not above zero the training mean; one, of changes and of log returns."""
    reference = Reference(np.array([50.0, 60.0]), np.ones(2), np.ones((2, 1)), np.array([True, False]))
    series_N, last_N = np.array([0, 0, 0, 1]), np.array([7.0, 0.0, -3.0, 9.0])
    found = target_unit(reference, series_N, last_N, Task(output_mode="distribution"))
    np.testing.assert_array_equal(found, [7, 50, 50, 1])
    log_return = Task(output_mode="distribution", target="log_return")
    np.testing.assert_array_equal(target_unit(reference, series_N, last_N, log_return), np.ones(4))


def test_a_baseline_has_one_forecast_for_each_window_and_step() -> None:
    rng = np.random.default_rng(3)
    close_N = np.exp(0.01 * rng.normal(size=30).cumsum())
    training = windows(close_N, np.arange(27), 3)
    task = Task(output_mode="mean", horizon=3)
    point = baseline_forecast(fit_reference(training, [close_N], task), training, task)
    np.testing.assert_array_equal(point.location_NH, np.zeros((27, 3)))
    assert point.scale_NH is None and point.df_NH is None and point.log_probs_NHK is None
    task = Task(output_mode="discrete_grid", horizon=3, edges=FIVE)
    bins = baseline_forecast(fit_reference(training, [close_N], task), training, task)
    assert bins.location_NH is None and bins.scale_NH is None and bins.log_probs_NHK.shape == (27, 3, 5)


def test_written_down_it_is_the_same() -> None:
    """Through JSON, with NaN, bins and truth values."""
    close_N = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 40)))
    training = windows(close_N, np.arange(38), horizon=2)
    two = training._replace(names=("a", "b"))
    task = Task(output_mode="discrete_grid", horizon=2, edges=FIVE)
    reference = fit_reference(two, [close_N, np.empty(0)], task, np.array([True, False]))
    assert np.isnan(reference.move_std_SH[1]).all() and reference.frequencies_SHK is not None
    again = reference_from(json.loads(json.dumps(plain_record(reference), allow_nan=False)))
    for name, value in reference._asdict().items():
        np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
        assert getattr(again, name).dtype == value.dtype
    assert reference_from(plain_record(reference._replace(trained_S=None))).trained_S is None
