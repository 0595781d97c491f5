"""The break-even cost: zero mean return there, an interval that covers, and sentences that agree with the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nextbar.metrics.significance import cosine_averages, long_run_variance
from nextbar.positions.account import Account, account
from nextbar.positions.break_even import break_even, in_words
from nextbar.positions.performance import figures


def free_account(return_T: np.ndarray, traded_T: np.ndarray) -> Account:
    """Costless returns and trades, put together without prices."""
    time_T = np.arange(len(return_T) + 1)
    return Account(time_T[:-1], time_T[1:], traded_T, traded_T, return_T, np.cumprod(1 + return_T))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(3, 200), st.floats(0, 0.9), st.floats(-0.003, 0.003))
def test_the_mean_return_is_zero_at_the_break_even_cost(seed: int, size: int, idle: float, drift: float) -> None:
    """A cost below zero pays for each trade, by the same formula."""
    rng = np.random.default_rng(seed)
    open_N = 100 * np.exp(np.cumsum(drift + 0.01 * rng.standard_normal(size)))
    position_M = rng.uniform(-2, 2, size) * (rng.random(size) > idle)
    row_M = np.arange(size)
    free = account(open_N, row_M, row_M, position_M, 0.0)
    assert free is not None
    costs = break_even(free)
    assume(costs is not None and abs(costs.cost) * free.traded_T.max() < 1)
    assert costs is not None
    paid = account(open_N, row_M, row_M, position_M, costs.cost)
    assert paid is not None and abs(paid.return_T.mean()) < 1e-14 + 1e-12 * np.abs(free.return_T).mean()


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(21, 400))
def test_the_bounds_are_where_the_test_turns(seed: int, size: int) -> None:
    """The statistic of mean(g - c x) there is the Student-t quantile, taken from SciPy's law."""
    from scipy.stats import t as student

    rng = np.random.default_rng(seed)
    free = free_account(0.001 + 0.01 * rng.standard_normal(size), rng.uniform(0, 2, size))
    costs, averages = break_even(free), cosine_averages(size, 1)
    assert costs is not None and costs.low is not None
    for bound in (costs.low, costs.high):
        if bound:
            left_T = free.return_T - bound * free.traded_T * (1 + free.return_T)
            statistic = left_T.mean() / np.sqrt(long_run_variance(left_T, averages) / size)
            assert abs(statistic) == pytest.approx(student.ppf(0.975, averages), rel=1e-6)
    assert costs.low <= max(costs.cost, 0) and (costs.high is None or costs.high >= costs.cost)


@pytest.mark.parametrize("size", [100, 1000])
def test_the_interval_covers_the_true_cost(size: int) -> None:
    """Autocorrelated returns with Student-t(4) errors, trades that come in runs: 92-97 % of 3,000."""
    from scipy.signal import lfilter

    rng, draws, hits = np.random.default_rng(5), 3000, 0
    error_DT = lfilter([1], [1, -0.2], rng.standard_t(4, (draws, size + 50)))[:, 50:]
    state_DT = lfilter([1], [1, -0.5], rng.standard_normal((draws, size + 50)))[:, 50:]
    traded_DT = np.abs(state_DT)
    true = 2e-4
    for error_T, traded_T in zip(error_DT, traded_DT, strict=True):
        # At the true cost the mean net return is zero: (1 - c q)(1 + g) = 1 + error.
        return_T = (1 + 0.003 * error_T) / (1 - true * traded_T) - 1
        costs = break_even(free_account(return_T, traded_T))
        assert costs is not None and costs.low is not None
        hits += costs.low <= true and (costs.high is None or true <= costs.high)
    assert 0.92 <= hits / draws <= 0.97


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(5, 200), st.floats(-0.003, 0.003), st.floats(0, 0.005))
def test_the_sentence_agrees_with_the_numbers(seed: int, size: int, drift: float, cost: float) -> None:
    rng = np.random.default_rng(seed)
    free = free_account(drift + 0.003 * rng.standard_normal(size), rng.uniform(0, 2, size))
    found = figures(free, free, 250.0)
    words, costs = in_words("net", found, cost), break_even(free)
    assert costs is not None
    assert costs == (found["break_even"], found["break_even_low"], found["break_even_high"])
    assert ("pays at no cost" in words) == (costs.cost <= 0)
    assert ("no interval" in words) == (size < 21) and ("unbounded" in words) == (size >= 21 and costs.high is None)
    if costs.cost > 0:
        net = free.return_T.mean() - cost * (free.traded_T * (1 + free.return_T)).mean()
        match = re.search(r"up to (\S+) bp", words)
        assert match and float(match[1]) == pytest.approx(1e4 * costs.cost, rel=1e-3)
        assert ("would lose" in words) == (net < 0) and ("would leave a gain" in words) == (net >= 0)
        assert ("may pay nothing" in words) == (costs.low is not None and costs.low <= 0)
        if costs.low is not None:
            outside = cost < costs.low or (costs.high is not None and cost > costs.high)
            assert ("by more than luck" in words) == outside


def test_what_has_no_break_even_cost_or_no_interval() -> None:
    idle = free_account(np.zeros(50), np.zeros(50))
    assert break_even(idle) is None and "trades nothing" in in_words("net", figures(idle, idle, 250.0), 0.0)
    rng = np.random.default_rng(0)
    few = break_even(free_account(0.01 * rng.standard_normal(20), np.ones(20)))
    assert few is not None and few.low is None and few.high is None
    constant = break_even(free_account(np.full(50, 0.01), np.ones(50)))
    assert constant is not None and constant.low is None and constant.cost == pytest.approx(0.01 / 1.01)
    rare = break_even(free_account(0.001 + 0.01 * rng.standard_normal(50), 1.0 * (np.arange(50) == 20)))
    assert rare is not None and rare.low == 0 and rare.high is None
    assert in_words("net", {"return": 0.1}, 0.0) == ""  # an earlier version's


def test_the_sentence_of_a_reader() -> None:
    numbers = {"break_even": 1.8e-4, "break_even_low": 0.3e-4, "break_even_high": 3.2e-4}
    assert in_words("net", numbers, 5e-4) == (
        "net pays up to 1.8 bp a trade in the mean (95 % interval 0.3 bp to 3.2 bp); "
        "your 5 bp would lose, by more than luck."
    )
