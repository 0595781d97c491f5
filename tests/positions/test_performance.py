"""Figures of an account against sums over its returns."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.positions.account import account
from nextbar.positions.performance import drawdown, figures
from nextbar.positions.sharpe import SharpeRatio


def test_figures_are_sums_over_the_periods() -> None:
    rng = np.random.default_rng(0)
    open_N = 100 * np.exp(np.cumsum(0.02 * rng.standard_normal(80)))
    position_M = rng.uniform(-1, 1, 70)
    paid, free = (account(open_N, 3600 * np.arange(80), np.arange(5, 75), position_M, cost) for cost in (0.001, 0.0))
    assert paid is not None and free is not None
    found = figures(paid, free, 500.0, 20, 0.8)
    ratio = SharpeRatio.of(paid.return_T)
    assert ratio is not None and found["periods"] == 70
    assert found["return"] == pytest.approx(np.prod(1 + paid.return_T) - 1)
    assert found["return_free"] == pytest.approx(np.prod(1 + free.return_T) - 1)
    assert found["return"] < found["return_free"]
    assert found["volatility"] == pytest.approx(paid.return_T.std(ddof=1) * np.sqrt(500))
    assert found["sharpe"] == pytest.approx(paid.return_T.mean() * 500 / found["volatility"])
    assert found["probability"] == ratio.probability_above(0.0)
    assert found["deflated"] == ratio.deflated(20, 0.8 / 500)  # of a period, as the ratio is
    assert figures(paid, free, 500.0, 20)["deflated"] == ratio.deflated(20, 1 / 69)
    assert found["turnover"] == pytest.approx(paid.traded_T.sum() / (70 / 500))
    assert found["exposure"] == pytest.approx(np.abs(position_M).mean())


def test_variation_may_be_that_of_longer_periods() -> None:
    """All else is the account's own."""
    made = account(100 + np.arange(80.0) % 7, 3600 * np.arange(80), np.arange(5, 75), np.ones(70), 0.001)
    assert made is not None
    return_U = made.equity_T[1::2] / np.concatenate([[1.0], made.equity_T[1:-2:2]]) - 1
    own, longer = figures(made, made, 500.0, 9, 0.8), figures(made, made, 500.0, 9, 0.8, return_U)
    ratio = SharpeRatio.of(return_U)
    assert ratio is not None and longer["periods"] == 35
    assert longer["volatility"] == pytest.approx(return_U.std(ddof=1) * np.sqrt(250))
    assert longer["sharpe"] == pytest.approx(ratio.annual(250)) and longer["deflated"] == ratio.deflated(9, 0.8 / 250)
    same = ("return", "return_free", "drawdown", "turnover", "exposure")
    assert [own[name] for name in same] == [longer[name] for name in same]


def test_a_drawdown_is_the_largest_fall_from_the_highest_before() -> None:
    assert drawdown(np.array([1.1, 0.99, 1.2, 0.9, 1.3])) == pytest.approx(0.25)
    assert drawdown(np.array([0.8, 0.9])) == pytest.approx(0.2)  # from where it began
    assert drawdown(np.array([1.0, 1.1, 1.2])) == 0
    equity = np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(200)))
    loop = max(1 - equity[j] / max(1.0, *equity[: j + 1]) for j in range(200))
    assert drawdown(equity) == pytest.approx(loop)


def test_an_account_without_a_position_has_no_ratio() -> None:
    made = account(np.full(50, 3.0), 3600 * np.arange(50), np.arange(40), np.zeros(40), 0.01)
    assert made is not None
    found = figures(made, made, 250.0, 10)
    assert (found["return"], found["drawdown"], found["turnover"], found["exposure"]) == (0, 0, 0, 0)
    assert all(found[name] is None for name in ("sharpe", "volatility", "probability", "deflated"))
