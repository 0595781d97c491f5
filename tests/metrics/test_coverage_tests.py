"""Tests of hits against closed forms, all sequences written out, regressions, and how often they cry wolf."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from nextbar.metrics import coverage_tests
from nextbar.metrics.coverage_tests import (
    conditional_p,
    coverage_test,
    dynamic_quantile,
    dynamic_quantile_p,
    independence_p,
    independence_ratio,
    least_windows,
    unconditional_p,
    unconditional_ratio,
)
from nextbar.metrics.hit_orders import Transitions

TWICE_EVERY_TWENTY = np.arange(250) % 20 < 2  # 26 hits in 250, always two together


def quantiles(m: int, seed: int = 0) -> np.ndarray:
    return -np.exp(0.05 * np.random.default_rng(seed).normal(size=m).cumsum())


def test_kupiecs_ratio_is_the_published_one() -> None:
    """Kupiec (1995): at 5 %, 7 to 20 failures in 255 days are not rejected at a level of 5 %, nor 38 to 64 in 1,000."""
    critical = stats.chi2(1).ppf(0.95)
    for m, low, high in ((255, 7, 20), (1000, 38, 64)):
        kept = [k for k in range(m) if unconditional_ratio(k, m, 0.05) < critical]
        assert (kept[0], kept[-1]) == (low, high)
    assert unconditional_ratio(0, 100, 0.05) == pytest.approx(-200 * log(0.95))
    assert unconditional_ratio(5, 100, 0.05) == pytest.approx(0, abs=1e-12)


def test_christoffersens_ratio_is_the_closed_form() -> None:
    counts = Transitions.of(TWICE_EVERY_TWENTY)
    n00, n01, n10, n11 = map(int, counts)
    after_none, after_hit, share = n01 / (n00 + n01), n11 / (n10 + n11), (n01 + n11) / 249
    free = n00 * log(1 - after_none) + n01 * log(after_none) + n10 * log(1 - after_hit) + n11 * log(after_hit)
    bound = (n00 + n10) * log(1 - share) + (n01 + n11) * log(share)
    assert independence_ratio(counts) == pytest.approx(2 * (free - bound))
    assert independence_ratio(counts) > 20 and independence_p(counts, 26, 250) < 1e-6


@pytest.mark.parametrize("probability", [0.1, 0.3])
def test_p_values_are_sums_over_all_sequences(probability: float) -> None:
    m = 10
    sequences = np.array(list(product([False, True], repeat=m)))
    hits = sequences.sum(axis=1)
    share = probability**hits * (1 - probability) ** (m - hits)
    kupiec = np.array([unconditional_ratio(k, m, probability) for k in hits])
    order = np.array([independence_ratio(Transitions.of(s)) for s in sequences])
    for i in np.random.default_rng(0).choice(len(sequences), 30):
        counts, k = Transitions.of(sequences[i]), int(hits[i])
        assert unconditional_p(k, m, probability) == pytest.approx(share[kupiec >= kupiec[i] - 1e-9].sum())
        assert independence_p(counts, k, m) == pytest.approx((order[hits == k] >= order[i] - 1e-9).mean())
        both = kupiec + order
        assert conditional_p(counts, k, m, probability) == pytest.approx(share[both >= both[i] - 1e-9].sum())


def test_of_many_windows_p_values_are_those_of_the_chi_squared_law() -> None:
    m, rng = 20_000, np.random.default_rng(1)
    for _ in range(5):
        hit_M = rng.random(m) < 0.05
        counts, k = Transitions.of(hit_M), int(hit_M.sum())
        kupiec, order = unconditional_ratio(k, m, 0.05), independence_ratio(counts)
        assert unconditional_p(k, m, 0.05) == pytest.approx(stats.chi2(1).sf(kupiec), abs=0.05)
        assert independence_p(counts, k, m) == pytest.approx(stats.chi2(1).sf(order), abs=0.05)
        assert conditional_p(counts, k, m, 0.05) == pytest.approx(stats.chi2(2).sf(kupiec + order), abs=0.05)


def test_the_dynamic_quantile_statistic_is_that_of_the_regression() -> None:
    rng = np.random.default_rng(2)
    hit_M, quantile_M = rng.random(600) < 0.05, quantiles(600)
    error_M = hit_M - 0.05
    columns = [error_M[4 - lag : -lag] for lag in range(1, 5)] + [quantile_M[4:]]
    fit = sm.OLS(error_M[4:], sm.add_constant(np.column_stack(columns))).fit()
    design = fit.model.exog
    expected = fit.params @ design.T @ design @ fit.params / (0.05 * 0.95)
    computed = dynamic_quantile(hit_M[None].astype(float), 0.05, quantile_M)[0]
    assert computed == pytest.approx(expected, rel=1e-9)
    flat = dynamic_quantile(hit_M[None].astype(float), 0.05, np.full(600, -3.0))[0]
    without = sm.OLS(error_M[4:], sm.add_constant(np.column_stack(columns[:-1]))).fit()
    assert flat == pytest.approx(np.sum(without.fittedvalues**2) / (0.05 * 0.95), rel=1e-9), "a constant says nothing"


def test_drawn_p_values_join_those_of_the_chi_squared_law(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        hit_M, quantile_M = rng.random(1900) < 0.1, quantiles(1900)
        drawn = dynamic_quantile_p(hit_M, 0.1, quantile_M)
        with monkeypatch.context() as patch:
            patch.setattr(coverage_tests, "DRAWN", 1000)
            assert drawn == pytest.approx(dynamic_quantile_p(hit_M, 0.1, quantile_M), abs=0.05)
    assert dynamic_quantile_p(TWICE_EVERY_TWENTY, 0.1, quantiles(250)) == 1 / 1000


def test_hits_that_the_quantile_foretells_are_seen_by_the_dynamic_quantile_test_alone() -> None:
    """As many as there should be, none after another, but all where the quantile is near."""
    rng = np.random.default_rng(4)
    quantile_M = -1.0 - (rng.random(2000) < 0.5)
    hit_M = (rng.random(2000) < 0.1) & (quantile_M == -1)
    result = coverage_test(hit_M, 0.05, quantile_M)
    assert result is not None and min(result[3:6]) > 0.05 and result.dynamic == 1 / 1000


def test_each_fault_is_seen_by_its_test() -> None:
    rng = np.random.default_rng(5)
    right = coverage_test(rng.random(1000) < 0.05, 0.05, quantiles(1000))
    many = coverage_test(rng.random(1000) < 0.09, 0.05, quantiles(1000))
    together = coverage_test(np.repeat(rng.random(500) < 0.05, 2), 0.05, quantiles(1000))
    assert right is not None and many is not None and together is not None
    assert min(right[3:]) > 0.05
    assert many.unconditional < 0.001 and many.independence > 0.05 and many.conditional < 0.01
    assert together.unconditional > 0.05 and max(together[4:]) < 0.01
    assert (many.windows, many.hits, many.share) == (1000, many.hits, many.hits / 1000)


def test_too_few_windows_are_not_judged() -> None:
    """Five hits must be expected."""
    assert (least_windows(0.05), least_windows(0.1)) == (100, 50)
    assert coverage_test(np.zeros(99, bool), 0.05, np.ones(99)) is None
    none_at_all = coverage_test(np.zeros(100, bool), 0.05, np.ones(100))
    assert none_at_all is not None and none_at_all.independence == 1
    assert none_at_all.unconditional < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("m", "probability"), [(100, 0.05), (50, 0.1), (500, 0.05), (2500, 0.05)])
def test_right_forecasts_are_called_wrong_no_more_often_than_claimed(m: int, probability: float) -> None:
    """At the fewest windows and above; 1,000 draws, a standard error of 0.7 points."""
    rng = np.random.default_rng(m)
    results = [coverage_test(rng.random(m) < probability, probability, quantiles(m, seed)) for seed in range(1000)]
    wrong = np.mean([np.array(result[3:]) < 0.05 for result in results if result is not None], axis=0)
    assert (wrong < 0.07).all() and wrong[3] > 0.03, wrong
