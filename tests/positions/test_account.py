"""Accounts against a broker's loop with cash and shares, and against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextbar.positions.account import Account, account, combined, returns_together

HOUR = 3600


def opens(n: int = 60, seed: int = 0, move: float = 0.02) -> np.ndarray:
    return 100 * np.exp(np.cumsum(move * np.random.default_rng(seed).standard_normal(n)))


def times(n: int = 60, step: int = HOUR, start: int = 0) -> np.ndarray:
    return start + step * np.arange(n, dtype=np.int64)


def held(open_N: np.ndarray, row_M: Any, position_M: Any, cost: float = 0.0, time_N: Any = None) -> Account:
    time_N = times(len(open_N)) if time_N is None else time_N
    found = account(open_N, time_N, np.asarray(row_M), np.asarray(position_M, np.float64), cost)
    assert found is not None
    return found


def broker(open_N: np.ndarray, decided: dict[int, float], cost: float) -> list[tuple[float, float]]:
    """Traded value and equity, by shares and cash: decided at the close of t, traded at the open of t + 1."""
    first, last = min(decided), max(t for t in decided if t + 2 < len(open_N))
    cash, shares, rows = 1.0, 0.0, []
    for t in range(first, last + 1):
        price = open_N[t + 1]
        equity = cash + shares * price
        wanted = decided.get(t, 0.0)
        traded = abs(wanted - shares * price / equity)
        equity -= cost * traded * equity
        shares = wanted * equity / price
        cash = equity - shares * price
        rows.append((traded, cash + shares * open_N[t + 2]))
    return rows


@pytest.mark.parametrize("cost", [0.0, 0.0005, 0.01])
@pytest.mark.parametrize("seed", range(3))
def test_an_account_is_that_of_a_broker(seed: int, cost: float) -> None:
    """Any positions, long and short, at any origins, some bars without one."""
    rng = np.random.default_rng(seed)
    open_N = opens(seed=seed)
    row_M = np.sort(rng.choice(np.arange(5, 60), 30, replace=False))
    position_M = rng.uniform(-1.5, 1.5, 30)
    found = held(open_N, row_M, position_M, cost)
    wanted = broker(open_N, dict(zip(row_M.tolist(), position_M, strict=True)), cost)
    np.testing.assert_allclose(found.traded_T, [traded for traded, _ in wanted], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.equity_T, [equity for _, equity in wanted], rtol=1e-12)
    np.testing.assert_allclose(np.cumprod(1 + found.return_T), found.equity_T, rtol=1e-12)


def test_a_position_is_taken_at_the_next_open_and_held_to_the_one_after() -> None:
    """One bar, one position: no other open has a part in what it makes."""
    open_N = np.array([7.0, 11.0, 13.0, 17.0, 19.0])
    found = held(open_N, [1], [0.5])
    assert (found.entry_T.tolist(), found.exit_T.tolist()) == ([2 * HOUR], [3 * HOUR])
    assert found.return_T.tolist() == pytest.approx([0.5 * (17 / 13 - 1)])


def test_a_constant_position_is_buy_and_hold_less_one_cost() -> None:
    open_N = opens()
    found = held(open_N, np.arange(10, 50), np.ones(40), 0.001)
    assert found.equity_T[-1] == pytest.approx((1 - 0.001) * open_N[51] / open_N[11], rel=1e-12)
    assert found.traded_T.tolist() == [1.0] + [0.0] * 39  # what has grown with the equity need not be traded


def test_no_position_makes_nothing_and_costs_nothing() -> None:
    found = held(opens(), np.arange(10, 50), np.zeros(40), 0.01)
    assert not found.return_T.any() and not found.traded_T.any() and (found.equity_T == 1).all()


def test_costs_are_linear_in_what_is_traded() -> None:
    """At a price that stands still an account loses cost times traded value, and nothing else."""
    open_N = np.full(40, 50.0)
    position_M = np.random.default_rng(1).uniform(-1, 1, 30)
    for cost in (0.001, 0.002):
        found = held(open_N, np.arange(5, 35), position_M, cost)
        np.testing.assert_allclose(found.traded_T, np.abs(np.diff(position_M, prepend=0)), atol=1e-15)
        np.testing.assert_allclose(found.return_T, -cost * found.traded_T, atol=1e-15)


def test_a_reversed_position_trades_twice_its_size() -> None:
    found = held(np.full(8, 50.0), [0, 1, 2, 3], [1, -1, -1, 1])
    assert found.traded_T.tolist() == [1, 2, 0, 2]


def test_the_last_origins_have_no_return() -> None:
    """Of the last two bars there is no open to hold to."""
    open_N = opens(10)
    every = held(open_N, np.arange(10), np.ones(10))
    assert every.exit_T[-1] == 9 * HOUR and len(every.return_T) == 8
    same = held(open_N, np.arange(8), np.ones(8))
    assert all((a == b).all() for a, b in zip(every, same, strict=True))
    assert account(open_N, times(10), np.array([8, 9]), np.ones(2), 0.0) is None
    assert account(open_N, times(10), np.array([], np.int64), np.array([]), 0.0) is None


def test_a_bar_without_a_forecast_has_no_position_and_both_trades_cost() -> None:
    found = held(np.full(12, 5.0), [2, 3, 6, 7], [1, 1, 1, 1], 0.01)
    assert found.position_T.tolist() == [1, 1, 0, 0, 1, 1] and found.traded_T.tolist() == [1, 0, 1, 0, 1, 0]


def test_a_night_and_a_hole_are_earned_by_the_position_that_is_held_then() -> None:
    """Whatever time lies between two opens, the position of the first earns what the second brings."""
    open_N = np.array([10.0, 10.0, 10.0, 12.0, 12.0, 12.0])
    time_N = np.array([0, 1, 2, 60, 61, 62]) * HOUR
    long_over_it = held(open_N, [0, 1, 2], [0, 1, 0], time_N=time_N)
    assert long_over_it.return_T.tolist() == pytest.approx([0, 0.2, 0])
    assert (long_over_it.entry_T[1], long_over_it.exit_T[1]) == (2 * HOUR, 60 * HOUR)
    out_before_it = held(open_N, [0, 1, 2], [1, 0, 1], time_N=time_N)
    assert out_before_it.return_T.tolist() == pytest.approx([0, 0, 0])


def test_what_is_lost_stays_lost() -> None:
    """A short position in a price that doubles loses all, and no later position wins it back."""
    found = held(np.array([1.0, 1.0, 2.5, 1.0, 0.5, 0.5]), [0, 1, 2, 3], [-1, -1, -1, -1], 0.001)
    assert found.equity_T.tolist() == [0, 0, 0, 0] and found.return_T.tolist() == [-1, 0, 0, 0]
    assert found.position_T.tolist() == [-1, 0, 0, 0] and found.traded_T.tolist() == [1, 0, 0, 0]


def test_nothing_after_an_exit_changes_what_was_made_before() -> None:
    open_N, row_M, position_M = opens(), np.arange(5, 55), np.random.default_rng(2).uniform(-1, 1, 50)
    first = held(open_N, row_M, position_M, 0.001)
    later = open_N.copy()
    later[31:] = 7.0
    position_M = np.where(row_M >= 30, -position_M, position_M)
    second = held(later, row_M, position_M, 0.001)
    known = first.exit_T <= 30 * HOUR
    assert known.sum() == 24
    for a, b in zip(first, second, strict=True):
        assert (a[known] == b[known]).all()
    assert (first.return_T[~known] != second.return_T[~known]).all()


def test_accounts_side_by_side_are_the_mean_of_their_equities() -> None:
    one, two = (
        held(opens(seed=s), np.arange(5, 55), np.random.default_rng(s).uniform(-1, 1, 50), 0.001) for s in (1, 2)
    )
    both = combined([one, two])
    np.testing.assert_allclose(both.equity_T, (one.equity_T + two.equity_T) / 2, rtol=1e-12)
    np.testing.assert_allclose(np.cumprod(1 + both.return_T), both.equity_T, rtol=1e-12)
    before = [np.concatenate([[1.0], a.equity_T[:-1]]) for a in (one, two)]
    for name in ("traded_T", "position_T"):
        parts = [getattr(a, name) * b for a, b in zip((one, two), before, strict=True)]
        np.testing.assert_allclose(getattr(both, name), sum(parts) / sum(before), rtol=1e-12, atol=1e-15)
    assert combined([one]) is one


def test_an_account_is_cash_before_it_begins_and_after_it_ends() -> None:
    """Another calendar, other dates: looked up instant by instant."""
    hourly = held(opens(seed=1), np.arange(5, 40), np.ones(35), 0.001)
    slow = held(opens(20, seed=2), np.arange(3, 12), np.ones(9), 0.001, times(20, 4 * HOUR))
    both = combined([hourly, slow])
    assert both.exit_T.tolist() == sorted({*hourly.exit_T.tolist(), *slow.exit_T.tolist()})
    assert both.entry_T.tolist() == [int(hourly.entry_T[0]), *both.exit_T[:-1].tolist()]

    def worth(one: Account, instant: int) -> float:
        ended = [equity for equity, end in zip(one.equity_T, one.exit_T, strict=True) if end <= instant]
        return ended[-1] if ended else 1.0

    wanted = [(worth(hourly, t) + worth(slow, t)) / 2 for t in both.exit_T.tolist()]
    np.testing.assert_allclose(both.equity_T, wanted, rtol=1e-12)
    during = both.entry_T >= hourly.exit_T[-1]  # the slow one alone is still held
    assert during.any() and (both.position_T[during] < 0.75).all() and (both.position_T[during] > 0.25).all()
    assert both.position_T[both.exit_T <= slow.entry_T[0]] == pytest.approx(0.5, abs=0.05)


def test_returns_of_one_price_at_two_resolutions_are_those_of_the_longer_one() -> None:
    """Bought and held twice: it is one account, and the variation is that of the price."""
    open_N = opens(401)
    hourly = held(open_N, np.arange(3, 395), np.ones(392))
    slow = held(open_N[::4], np.arange(98), np.ones(98), time_N=times(101, 4 * HOUR))
    assert (hourly.entry_T[0], hourly.exit_T[-1]) == (slow.entry_T[0], slow.exit_T[-1])
    accounts = [hourly, slow]
    np.testing.assert_allclose(returns_together(combined(accounts), accounts), slow.return_T, rtol=1e-9)


@pytest.mark.parametrize(("apart", "days"), [(1, 1), (-1, 1), (12, 5)])
def test_days_that_begin_at_another_hour_keep_what_they_have_in_common(apart: int, days: int) -> None:
    """One price again, so the mean of both varies as it does, but for the tenth that may be stale at most (0.97); as
    two accounts that had nothing in common it would vary by 0.71 of that."""
    price = opens(24 * 1500, move=0.004)
    accounts = []
    for first in (12, 12 + apart):
        open_N = price[first::24]
        rows = np.arange(len(open_N) - 3)
        accounts.append(held(open_N, rows, np.ones(len(rows)), time_N=times(len(open_N), 24 * HOUR, first * HOUR)))
    return_U = returns_together(combined(accounts), accounts)
    assert len(return_U) == pytest.approx(len(accounts[0].exit_T) / days, abs=2)
    log_T = np.log(accounts[0].equity_T)
    assert 0.9 < np.log1p(return_U).std() / (log_T[days:] - log_T[:-days]).std() < 1.02


def test_accounts_of_one_clock_keep_their_returns() -> None:
    """To the bit; also where one begins later, ends sooner, or stands still for a while with the other."""
    one = held(opens(seed=1), np.arange(5, 55), np.ones(50), 0.001)
    for rows in (np.arange(5, 55), np.arange(20, 40)):
        accounts = [one, held(opens(seed=2), rows, np.ones(len(rows)), 0.001)]
        joined = combined(accounts)
        assert returns_together(joined, accounts) is joined.return_T
    assert returns_together(one, [one]) is one.return_T


def test_a_market_that_is_shut_for_a_while_is_judged_with_the_other_once_it_opens() -> None:
    """What is made over the hole is one return of both; nothing is lost on the way to the last equity."""
    time_N = np.delete(times(60), np.arange(20, 26))
    shut = held(opens(54, seed=1), np.arange(5, 50), np.ones(45), time_N=time_N)
    accounts = [shut, held(opens(seed=2), np.arange(5, 56), np.ones(51))]
    joined = combined(accounts)
    return_U = returns_together(joined, accounts)
    assert len(return_U) == len(joined.return_T) - 6
    assert np.prod(1 + return_U) == pytest.approx(joined.equity_T[-1], rel=1e-12)


def test_what_is_lost_together_stays_lost() -> None:
    lost = Account(*(np.array(a) for a in ([0, 2, 4], [2, 4, 6], [1.0, 1, 0], [0.0] * 3, [0, -1.0, 0], [1.0, 0, 0])))
    odd = lost._replace(entry_T=np.array([0, 1, 5]), exit_T=np.array([1, 5, 6]))
    assert returns_together(combined([lost, odd]), [lost, odd]).tolist() == [-1.0]
