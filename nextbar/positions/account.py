"""Accounts: positions and opens as returns, traded value and equity, holding period by holding period.

A position that is decided when bar t has closed is taken at the open of bar t+1 and held to the open of bar t+2. So
nothing is traded at a price that was known when it was decided, and what is earned between a close and the next open
(a night, a weekend, a hole) is earned by the position that was held then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STALE = 0.1
"""of a stretch between two instants: how old what an account is known to be worth at its end may be"""


class Account(NamedTuple):
    """T holding periods, one after the other; float64."""

    entry_T: np.ndarray
    """opening time of the bar at whose open each begins, seconds since the epoch"""
    exit_T: np.ndarray
    """opening time of the bar at whose open it ends"""
    position_T: np.ndarray
    """value held after the trade, in multiples of the equity; below zero is short"""
    traded_T: np.ndarray
    """value bought or sold at its beginning, in multiples of the equity"""
    return_T: np.ndarray
    """of the equity, after costs"""
    equity_T: np.ndarray
    """at its end; 1 before the first"""


def account(
    open_N: np.ndarray, time_N: np.ndarray, row_M: np.ndarray, position_M: np.ndarray, cost: float
) -> Account | None:
    """The account of positions in one series.

    The periods go from the first origin's to the last that has an exit: of the last two bars there is no open to hold
    to, so a position decided there has no return. A bar inside that is no origin, behind a hole say, has no position,
    which costs a trade. What is still held at the end is worth its last open and is not sold.

    At each open the position is brought back to its share of the equity: what is traded is the difference to what the
    former position has become, w (1 + r) / (1 + w r) of the equity after a return r of the price. The return of the
    equity is (1 − cost · traded) (1 + w r) − 1. Where it is lost altogether it stays lost.

    Args:
        open_N: opens of all bars of the series, above zero.
        time_N: their opening times.
        row_M: origins, ascending: bars at whose close a position was decided.
        position_M: these positions, in multiples of the equity.
        cost: share of the traded value.

    Returns:
        The account; None where no position has an exit.
    """
    held_M = row_M <= len(open_N) - 3
    if not held_M.any():
        return None
    first, last = int(row_M[0]), int(row_M[held_M][-1])
    entry_T = np.arange(first + 1, last + 2)
    position_T = np.zeros(len(entry_T))
    position_T[row_M[held_M] - first] = position_M[held_M]
    move_T = open_N[entry_T + 1] / open_N[entry_T] - 1
    growth_T = np.maximum(1 + position_T * move_T, 0.0)
    left_T = np.divide(position_T * (1 + move_T), growth_T, out=np.zeros_like(growth_T), where=growth_T > 0)
    traded_T = np.abs(position_T - np.concatenate([[0.0], left_T[:-1]]))
    growth_T = np.maximum(1 - cost * traded_T, 0.0) * growth_T
    equity_T = np.cumprod(growth_T)
    alive_T = np.concatenate([[True], equity_T[:-1] > 0])
    position_T, traded_T = position_T * alive_T, traded_T * alive_T
    return Account(
        time_N[entry_T], time_N[entry_T + 1], position_T, traded_T, np.where(alive_T, growth_T - 1, 0.0), equity_T
    )


def combined(accounts: Sequence[Account]) -> Account:
    """Accounts side by side, each begun with the same share of the equity and then left to itself.

    Nothing is moved between them, so their shares drift, and no trade is left out of the costs. The periods end where a
    period of one of them does. An account is cash before its first period and after its last.
    """
    if len(accounts) == 1:
        return accounts[0]
    exit_T = np.unique(np.concatenate([part.exit_T for part in accounts]))
    entry_T = np.concatenate([[min(part.entry_T[0] for part in accounts)], exit_T[:-1]])
    equity_T = np.mean([_at(part, exit_T) for part in accounts], axis=0)
    before_T = _before(equity_T)
    held_T, traded_T = np.zeros(len(exit_T)), np.zeros(len(exit_T))
    for part in accounts:
        share_t = _before(part.equity_T) / len(accounts)
        place_t = np.searchsorted(exit_T, part.exit_T)
        traded_T[place_t] += part.traded_T * share_t
        running_T = np.searchsorted(part.exit_T, exit_T)  # the period that each of the joined ones lies in
        inside_T = (running_T < len(part.exit_T)) & (exit_T > part.entry_T[0])
        running_T = np.minimum(running_T, len(part.exit_T) - 1)
        held_T += np.where(inside_T, (part.position_T * share_t)[running_T], 0.0)
    growth_T, held_T, traded_T = (
        np.divide(value_T, before_T, out=np.zeros_like(before_T), where=before_T > 0)
        for value_T in (equity_T, held_T, traded_T)
    )
    return Account(entry_T, exit_T, held_T, traded_T, np.where(before_T > 0, growth_T - 1, 0.0), equity_T)


def returns_together(joined: Account, accounts: Sequence[Account]) -> np.ndarray:
    """Returns of accounts side by side over stretches that all of them have part in, (U,); for their variation.

    What an account makes shows when one of its periods ends. Where another ends its own an hour later the same news
    moves both, but in two of the joined periods, as if they had nothing to do with each other. So a stretch goes on
    until every account that is held has just ended a period, no longer ago than ``STALE`` of the stretch: at the ends
    that they have in common, a day where days end an hour apart, five days where they end half a day apart.

    Args:
        joined: ``combined(accounts)``.
        accounts: one or more.
    """
    stale_T = np.zeros(len(joined.exit_T), np.int64)
    for part in accounts:
        end_t = np.concatenate([part.entry_T[:1], part.exit_T])
        held_T = (joined.exit_T >= end_t[0]) & (joined.exit_T < end_t[-1])
        last_T = end_t[np.searchsorted(end_t, joined.exit_T, side="right") - 1]
        stale_T = np.maximum(stale_T, np.where(held_T, joined.exit_T - last_T, 0))
    ends, since = [], int(joined.entry_T[0])
    for period, (time, stale) in enumerate(zip(joined.exit_T.tolist(), stale_T.tolist(), strict=True)):
        if stale <= STALE * (time - since):
            ends.append(period)
            since = time
    if len(ends) == len(joined.exit_T):
        return joined.return_T
    equity_U = joined.equity_T[ends]
    before_U = _before(equity_U)
    growth_U = np.divide(equity_U, before_U, out=np.ones_like(equity_U), where=before_U > 0)
    return np.asarray(growth_U - 1)


def _before(equity_T: np.ndarray) -> np.ndarray:
    """Equity at the beginning of each period."""
    return np.concatenate([[1.0], equity_T[:-1]])


def _at(part: Account, time_T: np.ndarray) -> np.ndarray:
    """Equity of an account at some times: that of the last period that has ended."""
    return np.concatenate([[1.0], part.equity_T])[np.searchsorted(part.exit_T, time_T, side="right")]
