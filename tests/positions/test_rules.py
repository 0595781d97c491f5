"""Rules against closed forms: signs, the Kelly fraction of a known law, a volatility that is hit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from nextbar.positions.options import PositionOptions
from nextbar.positions.rules import Expectation, positions

MOVE = np.array([0.01, -0.02, 0.0, 1e-9])
SCALE = np.array([0.02, 0.05, 0.03, 0.04])


def decided(move: Any = MOVE, scale: Any = SCALE, per_year: float = 250.0, **options: Any) -> np.ndarray:
    expected = Expectation(np.asarray(move, np.float64), np.asarray(scale, np.float64))
    return positions(expected, PositionOptions(**options), per_year)


def test_the_sign_of_the_move_is_all_that_counts() -> None:
    assert decided().tolist() == [1, -1, 0, 1]
    assert decided(scale=[np.nan] * 4, cap=0.5).tolist() == [0.5, -0.5, 0, 0.5]
    assert decided(short=False).tolist() == [1, 0, 0, 1]


def test_kelly_is_what_makes_the_expected_logarithm_the_largest() -> None:
    """Of a normal return, integrated by Gauss and Hermite; for small moves the fraction is μ / σ²."""
    move, scale = 2e-4, 0.02
    node_K, weight_K = np.polynomial.hermite_e.hermegauss(60)

    def loss(share: float) -> float:
        return -float(weight_K @ np.log1p(share * (move + scale * node_K)))

    best = minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-9}).x
    (found,) = decided([move], [scale], rule="kelly")
    assert found == pytest.approx(0.5) and found == pytest.approx(best, rel=1e-2)
    assert decided([move], [scale], rule="kelly", fraction=0.3)[0] == pytest.approx(0.15)


def test_kelly_grows_with_the_move_and_falls_with_the_variance_up_to_the_cap() -> None:
    found = decided([2e-4, -4e-4, 2e-4, 0.5, 0.0], [0.02, 0.02, 0.04, 0.02, 0.02], rule="kelly", cap=1.5)
    assert found.tolist() == pytest.approx([0.5, -1.0, 0.125, 1.5, 0.0])
    assert decided([-4e-4], [0.02], rule="kelly", short=False).tolist() == [0]


def test_a_scaled_position_has_the_volatility_that_is_asked_for() -> None:
    found = decided([1, -1], [0.02, 0.04], rule="volatility", volatility=0.1, per_year=365)
    assert np.abs(found) * np.array([0.02, 0.04]) * np.sqrt(365) == pytest.approx([0.1, 0.1])
    assert np.sign(found).tolist() == [1, -1]
    assert decided([1.0], [1e-6], rule="volatility", cap=2).tolist() == [2]
    plain = decided([1.0], [0.02], rule="volatility", cap=9)
    assert plain == pytest.approx(0.15 / (0.02 * np.sqrt(250)))


@pytest.mark.parametrize("rule", ["sign", "kelly", "volatility"])
def test_an_expectation_that_is_not_finite_leads_to_no_position(rule: Any) -> None:
    assert decided([np.nan, np.nan], [0.02, np.nan], rule=rule).tolist() == [0, 0]
    assert decided([0.0], [0.0], rule=rule).tolist() == [0]


@pytest.mark.parametrize("rule", ["sign", "kelly", "volatility"])
def test_a_position_follows_from_its_own_expectation_alone(rule: Any) -> None:
    rng = np.random.default_rng(0)
    move, scale = 0.001 * rng.standard_normal(50), 0.02 + 0.01 * rng.random(50)
    first = decided(move, scale, rule=rule)
    move[20:], scale[20:] = -move[20:] * 3, scale[20:] * 2
    second = decided(move, scale, rule=rule)
    assert (first[:20] == second[:20]).all() and (first[20:] != second[20:]).all()


def test_a_law_has_a_standard_deviation_everywhere() -> None:
    assert Expectation(MOVE, SCALE).is_law
    assert not Expectation(MOVE, np.array([0.1, np.nan, 0.1, 0.1])).is_law
    assert not Expectation(MOVE, np.array([0.1, 0.0, 0.1, 0.1])).is_law
