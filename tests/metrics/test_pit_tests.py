"""Tests of the PIT against statsmodels, scipy, and how often they cry wolf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.arima.model import ARIMA

from nextbar.metrics.pit_tests import (
    LEAST_WINDOWS,
    berkowitz_p,
    berkowitz_ratio,
    direction_p,
    ljung_box,
    log_likelihood,
    normal_scores,
    pit_test,
    size_p,
)


def uniform(m: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(m)


@pytest.mark.parametrize("correlation", [0.0, 0.4, -0.7])
def test_the_likelihood_is_that_of_the_joint_normal_law(correlation: float) -> None:
    """Written out with its covariance matrix, and no mean and variance do better."""
    score_M = normal_scores(uniform(40)) + 0.3
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    computed = log_likelihood(score_M, correlation)

    def lacking(parameters: np.ndarray) -> float:
        covariance = np.exp(parameters[1]) / (1 - correlation**2) * correlation**lag
        return -float(stats.multivariate_normal(np.full(40, parameters[0]), covariance).logpdf(score_M))

    assert computed == pytest.approx(-minimize(lacking, [0.0, 0.0], method="Nelder-Mead").fun, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_berkowitzs_ratio_is_that_of_statsmodels_autoregression(seed: int) -> None:
    score_M = 0.1 + 1.1 * normal_scores(uniform(seed=seed))
    score_M[1:] += 0.2 * score_M[:-1]
    free = ARIMA(score_M, order=(1, 0, 0), trend="c").fit().llf
    bound = stats.norm.logpdf(score_M).sum()
    assert berkowitz_ratio(score_M) == pytest.approx(2 * (free - bound), abs=1e-3)
    assert berkowitz_p(score_M) == pytest.approx(stats.chi2(3).sf(2 * (free - bound)), rel=0.01)


@pytest.mark.parametrize("lags", [1, 10])
def test_ljung_and_boxs_statistic_is_statsmodels(lags: int) -> None:
    value_RM = np.random.default_rng(0).random((3, 300))
    expected = [acorr_ljungbox(value_M, lags=[lags])["lb_stat"].iloc[0] for value_M in value_RM]
    assert ljung_box(value_RM, lags).tolist() == pytest.approx(expected, rel=1e-9)
    assert ljung_box(np.full((1, 50), 0.3)) == 0 and direction_p(np.full(60, 0.3)) == 1


def test_p_values_of_serial_dependence_are_statsmodels_for_many_windows_and_drawn_for_few() -> None:
    many, few = uniform(1001), uniform(1000)
    for pit_M, exact in ((many, True), (few, False)):
        for value_M, p_value in ((pit_M, direction_p(pit_M)), ((pit_M - 0.5) ** 2, size_p(pit_M))):
            expected = acorr_ljungbox(value_M, lags=[10])["lb_pvalue"].iloc[0]
            assert p_value == pytest.approx(expected, rel=1e-9 if exact else None, abs=None if exact else 0.05)


def test_normal_scores_are_finite_at_the_ends() -> None:
    np.testing.assert_allclose(
        normal_scores(np.array([0.0, 0.025, 0.5, 1.0])), [-8.2095, -1.95996, 0, 8.2095], atol=1e-3
    )


def test_each_fault_is_seen_by_its_test() -> None:
    rng = np.random.default_rng(3)
    right = pit_test(uniform(2000))
    wide = pit_test(stats.norm.cdf(0.8 * rng.normal(size=2000)))
    shifted = pit_test(stats.norm.cdf(rng.normal(size=2000) + 0.15))
    together = np.convolve(rng.normal(size=2001), [0.8, 0.6], "valid")
    followed = pit_test(stats.norm.cdf(together))
    sizes = np.exp(0.5 * np.repeat(rng.normal(size=100), 20))
    calm_and_wild = pit_test(stats.norm.cdf(sizes / np.sqrt(np.mean(sizes**2)) * rng.normal(size=2000)))
    assert right and wide and shifted and followed and calm_and_wild
    assert min(right[4:]) > 0.05 and right.windows == 2000
    assert wide.berkowitz < 1e-6 and wide.deviation == pytest.approx(0.8, abs=0.05) and wide.direction > 0.01
    assert shifted.berkowitz < 1e-6 and shifted.mean == pytest.approx(0.15, abs=0.07)
    assert followed.berkowitz < 1e-6 and followed.direction < 1e-6
    assert followed.correlation == pytest.approx(0.48, abs=0.05)
    assert calm_and_wild.size < 1e-6 and calm_and_wild.direction > 0.01


def test_too_few_windows_are_not_judged() -> None:
    assert pit_test(uniform(LEAST_WINDOWS)) is not None and pit_test(uniform(LEAST_WINDOWS - 1)) is None


@pytest.mark.slow
@pytest.mark.parametrize("m", [LEAST_WINDOWS, 1000])
def test_right_laws_are_called_wrong_about_five_times_in_a_hundred(m: int) -> None:
    """3,000 draws, a standard error of 0.4 points."""
    results = [pit_test(uniform(m, seed)) for seed in range(3000)]
    wrong = np.mean([np.array(result[4:]) < 0.05 for result in results if result is not None], axis=0)
    assert (wrong < 0.065).all() and (wrong > 0.038).all(), wrong
