"""Sharpe ratios against scipy, against the paper's own numbers, and against luck that was drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from nextbar.positions.sharpe import LEAST, SharpeRatio, expected_best


def test_the_numbers_of_the_paper() -> None:
    """Bailey and López de Prado (2014), "A numerical example": N = 100, V = 1/2, SR 2.5 a year, 5 years of days."""
    ratio = SharpeRatio(2.5 / math.sqrt(250), -3.0, 10.0, 1250)
    assert ratio.annual(250) == pytest.approx(2.5)
    assert expected_best(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert ratio.deflated(100, 0.5 / 250) == pytest.approx(0.9004, abs=5e-5)
    normal = SharpeRatio(2.5 / math.sqrt(250), 0.0, 3.0, 1250)
    assert normal.deflated(88, 0.5 / 250) == pytest.approx(0.9505, abs=5e-4)  # the paper: "N = 88 ... 0.9505"


def test_moments_are_those_of_scipy() -> None:
    returns = 0.01 * np.random.default_rng(0).standard_t(5, 400) + 0.001
    ratio = SharpeRatio.of(returns)
    assert ratio is not None and ratio.periods == 400
    assert ratio.value == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert ratio.skewness == pytest.approx(stats.skew(returns))
    assert ratio.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))
    spread = 1 - ratio.skewness * ratio.value + (ratio.kurtosis - 1) / 4 * ratio.value**2
    above = stats.norm.cdf((ratio.value - 0.02) * math.sqrt(399 / spread))
    assert ratio.probability_above(0.02) == pytest.approx(above)
    assert ratio.annual(252) == pytest.approx(ratio.value * math.sqrt(252))


def test_of_a_single_configuration_it_is_the_probability_of_a_ratio_above_zero() -> None:
    ratio = SharpeRatio(0.05, -0.5, 6.0, 500)
    assert ratio.deflated(1) == ratio.deflated(1, 0.3) == ratio.probability_above(0.0)
    found = [ratio.deflated(n) for n in (1, 2, 10, 100, 1000)]
    assert found == sorted(found, reverse=True) and len(set(found)) == 5


@pytest.mark.parametrize("trials", [2, 5, 20, 100, 1000])
def test_the_best_of_several_by_luck_is_the_mean_of_the_greatest_normal(trials: int) -> None:
    """The formula is an approximation: within 5 % from 5 on, and 0.52 for 0.56 of two."""

    def density(x: float) -> float:
        return x * trials * stats.norm.pdf(x) * stats.norm.cdf(x) ** (trials - 1)

    exact = integrate.quad(density, -12, 12, limit=200)[0]
    assert expected_best(trials, 1.0) == pytest.approx(exact, rel=0.08 if trials == 2 else 0.05)
    assert expected_best(trials, 0.04) == pytest.approx(0.2 * expected_best(trials, 1.0))


def test_the_best_of_many_that_are_worth_nothing_seldom_passes() -> None:
    """300 searches of 50 configurations each: undeflated nearly all winners look sure, deflated about one in twenty."""
    rng = np.random.default_rng(0)
    undeflated, deflated = [], []
    for _ in range(300):
        returns_KT = 0.01 * rng.standard_normal((50, 250))
        best = SharpeRatio.of(returns_KT[np.argmax(returns_KT.mean(axis=1) / returns_KT.std(axis=1, ddof=1))])
        assert best is not None
        undeflated.append(best.probability_above(0.0))
        deflated.append(best.deflated(50))
    assert np.mean(np.array(undeflated) > 0.95) > 0.85
    assert np.mean(np.array(deflated) > 0.95) < 0.1
    assert 0.3 < np.median(deflated) < 0.6


@pytest.mark.parametrize("returns", [[], [0.1], [0.0] * 50, [0.01] * 50])
def test_returns_that_do_not_vary_have_no_ratio(returns: list[float]) -> None:
    assert SharpeRatio.of(np.array(returns)) is None


def test_few_returns_have_a_ratio_and_no_probability() -> None:
    few = SharpeRatio.of(np.random.default_rng(0).standard_normal(LEAST - 1))
    enough = SharpeRatio.of(np.random.default_rng(0).standard_normal(LEAST))
    assert few is not None and few.probability_above(0.0) is None and few.deflated(5) is None
    assert enough is not None and enough.probability_above(0.0) is not None


def test_a_standard_error_of_zero_says_nothing() -> None:
    """Of two values whose ratio is that of the skewness the formula's variance is zero."""
    assert SharpeRatio(1.0, 2.0, 5.0, 100).probability_above(0.0) is None
