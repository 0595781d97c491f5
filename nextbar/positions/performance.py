"""An account in figures: return, Sharpe ratio, drawdown, turnover, break-even cost."""

from __future__ import annotations

import math

import numpy as np

from nextbar.positions.account import Account
from nextbar.positions.break_even import break_even
from nextbar.positions.sharpe import SharpeRatio

Figures = dict[str, float | None]


def figures(
    account: Account,
    free: Account,
    periods_per_year: float,
    trials: int = 1,
    annual_variance: float | None = None,
    return_U: np.ndarray | None = None,
) -> Figures:
    """Plain values; None where one is undefined.

    ``return`` and ``return_free`` (without costs) over all periods, ``volatility`` (annual), ``sharpe`` (annual),
    ``probability`` (of a true Sharpe ratio above zero), ``deflated`` (above the best of ``trials`` by luck),
    ``drawdown`` (largest fall of the equity from its highest value, as a share of that), ``turnover`` (value traded a
    year, in multiples of the equity), ``exposure`` (mean size of the position), ``periods`` (that the ratio is of),
    ``break_even`` (cost at which the mean return is zero, as a share of the traded value; None where nothing is traded)
    with ``break_even_low`` and ``break_even_high`` (:class:`nextbar.positions.break_even.BreakEven`).

    Args:
        account: after costs.
        free: the same positions without costs.
        periods_per_year: of the account, what annual figures are made by.
        trials: configurations tried, of which this is the chosen one.
        annual_variance: of their annual Sharpe ratios; None: that of luck.
        return_U: returns over U longer periods of the account, which volatility and ratio are of; None: its own.
    """
    return_U = account.return_T if return_U is None else return_U
    ratio = SharpeRatio.of(return_U)
    longer_per_year = periods_per_year * (len(return_U) / len(account.return_T))
    costs = break_even(free)
    variance = None if annual_variance is None else annual_variance / longer_per_year
    return {
        "return": float(account.equity_T[-1] - 1),
        "return_free": float(free.equity_T[-1] - 1),
        "volatility": float(return_U.std(ddof=1)) * math.sqrt(longer_per_year) if ratio else None,
        "sharpe": ratio.annual(longer_per_year) if ratio else None,
        "probability": ratio.probability_above(0.0) if ratio else None,
        "deflated": ratio.deflated(trials, variance) if ratio else None,
        "drawdown": drawdown(account.equity_T),
        "turnover": float(account.traded_T.mean() * periods_per_year),
        "exposure": float(np.abs(account.position_T).mean()),
        "periods": len(return_U),
        "break_even": costs.cost if costs else None,
        "break_even_low": costs.low if costs else None,
        "break_even_high": costs.high if costs else None,
    }


def drawdown(equity_T: np.ndarray) -> float:
    """The largest fall of the equity from the highest value before, as a share of that value; it begins at 1."""
    highest_T = np.maximum(np.maximum.accumulate(equity_T), 1.0)
    return float(np.max(1 - equity_T / highest_T))
