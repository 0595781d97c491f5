"""The Diebold-Mariano test against its formula written out, and how often it cries wolf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.scorer import Scorer
from nextbar.metrics.significance import cosine_averages, diebold_mariano, least_origins, long_run_variance
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes, Reference


def by_hand(difference_T: np.ndarray, averages: int) -> tuple[float, float]:
    """Statistic and p-value from a sum of cosines for each average, and scipy's Student-t law."""
    n = len(difference_T)
    t_T = np.arange(1, n + 1)
    waves = [np.sqrt(2 / n) * np.cos(np.pi * j * (t_T - 0.5) / n) for j in range(1, averages + 1)]
    variance = np.mean([(difference_T @ wave) ** 2 for wave in waves])
    statistic = difference_T.mean() / np.sqrt(variance / n)
    return statistic, 2 * stats.t(averages).sf(abs(statistic))


@pytest.mark.parametrize(("n", "horizon", "averages"), [(40, 1, 4), (755, 1, 33), (1644, 3, 55), (300, 24, 4)])
def test_equal_to_the_formula(n: int, horizon: int, averages: int) -> None:
    rng = np.random.default_rng(n)
    baseline = np.convolve(rng.exponential(size=n + 3), [1, 0.6, 0.3, 0.1], "valid")
    model = 0.95 * baseline + 0.1 * rng.normal(size=n)
    found = diebold_mariano(model, baseline, horizon)
    assert found is not None and (found["n"], found["df"]) == (n, averages)
    statistic, p_value = by_hand(baseline - model, averages)
    assert found["statistic"] == pytest.approx(statistic, rel=1e-9)
    assert found["p_value"] == pytest.approx(p_value, rel=1e-9)


def test_of_many_origins_it_is_the_usual_test() -> None:
    """Where nothing is correlated, the standard error is that of a mean: from 10,000 origins within a few percent."""
    rng = np.random.default_rng(3)
    model, baseline = rng.exponential(size=10_000), rng.exponential(size=10_000)
    found = diebold_mariano(model, baseline, 1)
    assert found is not None and found["df"] == 185
    plain = stats.ttest_1samp(baseline - model, 0.0)
    assert found["statistic"] == pytest.approx(plain.statistic, rel=0.1)


def test_the_variance_of_several_series_is_that_of_each() -> None:
    value_ST = np.random.default_rng(5).normal(size=(3, 90)) * [[1.0], [2.0], [3.0]]
    found_S = long_run_variance(value_ST, 6)
    assert found_S.shape == (3,)
    np.testing.assert_allclose(found_S, [long_run_variance(value_T, 6) for value_T in value_ST], rtol=1e-12)
    np.testing.assert_allclose(long_run_variance(value_ST + 7.0, 6), found_S, rtol=1e-9, err_msg="the mean drops out")


def test_a_difference_that_varies_by_rounding_alone_is_not_judged() -> None:
    """Whatever its size: it does not vary beside its mean."""
    for size in (1e-9, 1.0, 1e9):
        difference_T = size * (1 + np.finfo(float).eps * (np.arange(90) % 2))
        assert np.ptp(difference_T) > 0 and diebold_mariano(np.zeros(90), difference_T, 1) is None
        assert diebold_mariano(np.zeros(90), size * (1 + 1e-6 * np.sin(np.arange(90.0))), 1) is not None


def test_sign_and_symmetry() -> None:
    rng = np.random.default_rng(0)
    high, low = 1 + rng.exponential(size=200), rng.exponential(size=200)
    better, worse = diebold_mariano(low, high, 1), diebold_mariano(high, low, 1)
    assert better is not None and worse is not None
    assert better["statistic"] == -worse["statistic"] > 2
    assert better["p_value"] == worse["p_value"] < 0.05


def test_none_where_there_is_nothing_to_test() -> None:
    losses = np.random.default_rng(0).exponential(size=100)
    assert diebold_mariano(losses, losses, 1) is None
    assert diebold_mariano(losses.astype(np.float32).astype(float), losses, 1) is None
    assert diebold_mariano(np.full(99, 2.0), np.full(99, 1.0), 1) is None
    assert diebold_mariano(np.where(losses > 1, np.inf, losses), losses, 1) is None


@pytest.mark.parametrize(("horizon", "least"), [(1, 21), (2, 21), (3, 27), (6, 54), (24, 216)])
def test_too_few_origins_are_not_judged(horizon: int, least: int) -> None:
    """Three averages at least: 0.4 n^(2/3) and n / 3 H of them."""
    assert least_origins(horizon) == least
    assert cosine_averages(least, horizon) == 3 > cosine_averages(least - 1, horizon)
    losses = np.random.default_rng(0).exponential(size=(2, least))
    assert diebold_mariano(*losses, horizon) is not None
    assert diebold_mariano(*losses[:, 1:], horizon) is None


@pytest.mark.parametrize(("n", "horizon"), [(21, 1), (54, 6), (500, 3)])
def test_equal_forecasts_are_told_apart_about_five_times_in_a_hundred(n: int, horizon: int) -> None:
    """Under the null with overlapping errors; 1,000 draws, so the share has a standard error of 0.7 points.

    The normal law in place of Student's errs 14 times in a hundred in the first two.
    """
    rng = np.random.default_rng(1)
    wrong = []
    for _ in range(1000):
        difference = np.convolve(rng.normal(size=n + horizon - 1), np.ones(horizon), "valid")
        test = diebold_mariano(1 - difference, np.ones(n), horizon)
        assert test is not None
        wrong.append(test["p_value"] < 0.05)
    assert 0.025 < np.mean(wrong) < 0.075


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_losses_are_averaged_per_timestamp_over_tickers_and_steps(mode: str) -> None:
    """Two tickers that share most of their origins, against a loop over timestamps."""
    rng = np.random.default_rng(4)
    series_N, time_N = np.repeat([0, 1], [300, 200]), np.r_[np.arange(300), np.arange(150, 350)] * 60
    last_N = rng.uniform(90, 110, 500)
    move_NH = 0.01 * rng.normal(size=(500, 2)).cumsum(axis=1)
    outcomes = Outcomes(series_N, ("a", "b"), time_N, last_N, last_N[:, None] * np.exp(move_NH))
    reference = Reference(
        np.full(2, 100.0),
        np.ones(2),
        np.full((2, 2), 0.02),
        np.ones(2, bool),
        np.array([[0.3, 0.7], [0.5, 0.5]]),
    )
    task = Task(output_mode=mode, horizon=2, target="log_return", edges=(-1.0, 0.0, 1.0))
    location_NH, scale_NH = 0.2 * move_NH, np.full((500, 2), 0.013)
    up_NH = 0.5 + 8 * move_NH.clip(-0.05, 0.05)
    log_probs_NHK = np.log(np.stack([1 - up_NH, up_NH], axis=-1))
    found = Scorer(outcomes, reference, task).report(Forecast(location_NH, scale_NH, log_probs_NHK=log_probs_NHK))

    if mode == "mean":
        gain_NH = move_NH**2 - (location_NH - move_NH) ** 2
    elif mode == "distribution":
        edge = 0.02 * stats.norm.ppf(0.95)  # of the baseline's 90 % interval
        gain_NH = _censored(move_NH, edge, location_NH, 0.013) - _censored(move_NH, edge, 0.0, 0.02)
    else:
        chosen_NH = (move_NH >= 0).astype(int)
        prior_NH = reference.frequencies_HK[np.arange(2)[None, :], chosen_NH]
        gain_NH = np.take_along_axis(log_probs_NHK, chosen_NH[..., None], -1)[..., 0] - np.log(prior_NH)
    gain_T = np.array([gain_NH[time_N == t].mean() for t in np.unique(time_N)])
    assert found["diebold_mariano"]["n"] == found["origins"] == 350
    assert found["diebold_mariano"]["statistic"] == pytest.approx(by_hand(gain_T, 19)[0], rel=1e-9)


def test_a_series_with_negative_prices_is_compared_in_units_of_its_training_spread() -> None:
    rng = np.random.default_rng(6)
    last_N = np.r_[rng.uniform(90, 110, 200), rng.uniform(-900, 900, 200)]
    change_NH = np.r_[rng.normal(size=200), 50 * rng.normal(size=200)][:, None]
    series_N, time_N = np.repeat([0, 1], 200), np.tile(np.arange(200), 2)
    outcomes = Outcomes(series_N, ("a", "b"), time_N, last_N, last_N[:, None] + change_NH)
    reference = Reference(
        np.array([100.0, 0.0]), np.array([9.0, 500.0]), np.array([[0.01], [50.0]]), np.array([True, False])
    )
    location_NH = 0.1 * change_NH + 0.2 * rng.permutation(change_NH)
    log_NH = np.log1p(np.c_[location_NH, change_NH][:200] / last_N[:200, None])
    gain_a = log_NH[:, 1] ** 2 - (log_NH[:, 0] - log_NH[:, 1]) ** 2
    gain_b = ((change_NH**2 - (location_NH - change_NH) ** 2) / 500.0**2)[200:, 0]
    found = Scorer(outcomes, reference, Task(output_mode="mean")).report(Forecast(location_NH))
    assert found["diebold_mariano"]["statistic"] == pytest.approx(by_hand((gain_a + gain_b) / 2, 13)[0], rel=1e-9)


def _censored(x_NH: np.ndarray, edge: float, mean_NH: np.ndarray | float, deviation: float) -> np.ndarray:
    """Log density within -edge ... edge, else the log probability of the side."""
    law = stats.norm(mean_NH, deviation)
    return np.where(x_NH <= -edge, law.logcdf(-edge), np.where(x_NH >= edge, law.logsf(edge), law.logpdf(x_NH)))
