"""Draws under equal skill against the Diebold-Mariano test, SciPy's Wishart law, and how often they cry wolf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.null_draws import CHUNK, NullDraws
from nextbar.metrics.significance import cosine_averages, diebold_mariano, long_run_variance


def losses(n: int, k: int, seed: int = 0) -> np.ndarray:
    """Correlated over time and among forecasts."""
    rng = np.random.default_rng(seed)
    common = np.convolve(rng.exponential(size=(n + 3)), [1, 0.6, 0.3, 0.1], "valid")
    return common[:, None] + rng.exponential(size=(n, k))


@pytest.mark.parametrize(("n", "horizon"), [(60, 1), (755, 1), (400, 6)])
def test_every_observed_statistic_is_that_of_the_diebold_mariano_test(n: int, horizon: int) -> None:
    loss_TK = losses(n, 4)
    between, _ = NullDraws.of(loss_TK, horizon, draws=2).between()
    for i in range(4):
        gains, _ = NullDraws.of(loss_TK, horizon, draws=2).gains(i)
        np.testing.assert_array_equal(gains, between[i])
        for j in range(4):
            test = diebold_mariano(loss_TK[:, j], loss_TK[:, i], horizon)
            assert between[i, j] == (pytest.approx(test["statistic"], rel=1e-9) if test else 0)


@pytest.mark.parametrize("n", [60, 400])
def test_a_pair_is_drawn_from_the_law_of_the_diebold_mariano_test(n: int) -> None:
    """Student-t of B degrees of freedom, also where there are more forecasts than averages."""
    for k in (2, 12):
        _, drawn_RKK = NullDraws.of(losses(n, k), 1, draws=4000).between()
        law = stats.t(cosine_averages(n, 1))
        assert stats.kstest(drawn_RKK[:, 0, 1], law.cdf).pvalue > 1e-3
        assert stats.kstest(drawn_RKK[:, k - 1, 0], law.cdf).pvalue > 1e-3


def test_the_covariance_is_the_long_run_one_of_all_combinations() -> None:
    loss_TK = losses(300, 3)
    draws = NullDraws.of(loss_TK, 1)
    for weights in ([1, -1, 0], [0.2, 0.3, 0.5]):
        expected = long_run_variance(loss_TK @ weights, draws.averages) / 300
        assert np.sum((draws.root_QK @ weights) ** 2) == pytest.approx(expected, rel=1e-9)


def test_statistics_go_together_as_means_and_wishart_matrices_do() -> None:
    """Against scipy's normal and Wishart laws, drawn apart: the law of the greatest of five gains."""
    draws = NullDraws.of(losses(120, 6), 1, draws=4000)
    _, drawn_RK = draws.gains(0)
    covariance = draws.root_QK.T @ draws.root_QK
    contrast = np.column_stack([np.ones(5), -np.eye(5)])
    pairs = contrast @ covariance @ contrast.T
    mean_RK = stats.multivariate_normal(np.zeros(5), pairs, seed=1).rvs(4000)
    wishart = stats.wishart(draws.averages, pairs / draws.averages, seed=2).rvs(4000)
    expected_RK = mean_RK / np.sqrt(np.diagonal(wishart, axis1=1, axis2=2))
    assert stats.ks_2samp(drawn_RK[:, 1:].max(axis=1), expected_RK.max(axis=1)).pvalue > 1e-3


def test_equal_forecasts_do_not_differ_and_units_do_not_matter() -> None:
    loss_TK = losses(200, 3)
    twice = NullDraws.of(loss_TK[:, [0, 1, 1, 2]], 1, draws=50)
    observed, drawn = twice.between()
    assert observed[1, 2] == 0 and not drawn[:, 1, 2].any() and drawn[:, 0, 1].any()
    observed, drawn = NullDraws.of(loss_TK, 1, draws=50).between()
    again, redrawn = NullDraws.of(1e3 * loss_TK - 7, 1, draws=50).between()
    np.testing.assert_allclose(again, observed, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.sort(np.abs(redrawn), axis=None), np.sort(np.abs(drawn), axis=None), rtol=1e-6)


def test_draws_are_as_many_as_asked_whatever_fits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = NullDraws.of(losses(100, 3), 1, draws=101)
    assert draws.gains(0)[1].shape == (101, 3)
    monkeypatch.setattr("nextbar.metrics.null_draws.CHUNK", 9 * 10)
    few_at_once = draws.gains(0)[1]
    assert few_at_once.shape == (101, 3) and CHUNK > 90
    assert len(np.unique(few_at_once[:, 1])) == 101
