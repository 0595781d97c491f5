"""Isotonic quantile regression against a linear program, and scikit-learn's pinball loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.metrics import mean_pinball_loss

from nextbar.metrics.isotonic import isotonic_quantiles, quantile_score


def by_linear_program(forecast_M: np.ndarray, outcome_M: np.ndarray, level: float) -> float:
    """The lowest sum of quantile scores of values that rise with the forecast, equal ones for equal forecasts."""
    distinct, group_M = np.unique(forecast_M, return_inverse=True)
    k, m = len(distinct), len(outcome_M)
    member = np.eye(k)[group_M]
    above, below = np.eye(m), -np.eye(m)
    cost = np.r_[np.zeros(k), np.full(m, level), np.full(m, 1 - level)]
    rising = np.column_stack([np.eye(k)[:-1] - np.eye(k)[1:], np.zeros((k - 1, 2 * m))]) if k > 1 else None
    result = linprog(
        cost, A_ub=rising, b_ub=None if rising is None else np.zeros(k - 1),
        A_eq=np.column_stack([member, above, below]), b_eq=outcome_M,
        bounds=[(None, None)] * k + [(0, None)] * (2 * m),
    )  # fmt: skip
    assert result.success
    return float(result.fun)


@pytest.mark.parametrize("level", [0.05, 0.35, 0.5, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_no_rising_values_score_lower(level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    forecast_M = np.round(rng.normal(size=60), 1 if seed else 9)  # ties but for one seed
    outcome_M = np.round(0.5 * forecast_M + rng.normal(size=60), 1 if seed == 2 else 9)
    fitted_M = isotonic_quantiles(forecast_M, outcome_M, level)
    order = np.argsort(forecast_M, kind="stable")
    assert (np.diff(fitted_M[order]) >= 0).all()
    for value in np.unique(forecast_M):
        assert len(np.unique(fitted_M[forecast_M == value])) == 1
    total = quantile_score(fitted_M, outcome_M, level).sum()
    assert total == pytest.approx(by_linear_program(forecast_M, outcome_M, level), abs=1e-7)


def test_a_constant_forecast_becomes_the_quantile_of_what_came() -> None:
    outcome_M = np.random.default_rng(0).normal(size=101)
    fitted_M = isotonic_quantiles(np.zeros(101), outcome_M, 0.25)
    assert (fitted_M == np.quantile(outcome_M, 0.25, method="inverted_cdf")).all()


def test_what_rises_already_stays() -> None:
    outcome_M = np.sort(np.random.default_rng(1).normal(size=50))
    np.testing.assert_array_equal(isotonic_quantiles(np.arange(50.0), outcome_M, 0.5), outcome_M)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_the_quantile_score_is_scikit_learns(level: float) -> None:
    quantile_M, outcome_M = np.random.default_rng(2).normal(size=(2, 40))
    computed = quantile_score(quantile_M, outcome_M, level).mean()
    assert computed == pytest.approx(mean_pinball_loss(outcome_M, quantile_M, alpha=level))
