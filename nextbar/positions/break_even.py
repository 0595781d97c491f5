"""The break-even cost: the cost per unit of turnover at which the mean return of an account becomes zero."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nextbar.metrics.significance import cosine_averages, least_origins, long_run_variance
from nextbar.positions.account import Account

LEVEL = 0.95
"""Confidence level of the interval."""


class BreakEven(NamedTuple):
    """Costs as shares of the traded value.

    The interval holds every cost at which a two-sided test does not reject a mean return of zero (Fieller 1954).
    """

    cost: float
    """At or below zero where the mean return is not above zero even without costs."""
    low: float | None
    """None where there is no interval: too few periods, or returns that do not vary."""
    high: float | None
    """None where the interval is unbounded, or where there is none."""


def break_even(free: Account) -> BreakEven | None:
    """Break-even cost of the positions of an account.

    With the return g of a period without costs and the traded share q of the equity, the return at the cost c is
    (1 - c q)(1 + g) - 1 = g - c x, where x = q (1 + g). Its mean is zero at c = mean(g) / mean(x). The variance of
    mean(g - c x) is the long-run variance that the Diebold-Mariano test also uses, and is quadratic in c. So is the
    test's inversion over c. Accounts of several series are taken with the shares that they have without costs.

    Args:
        free: an account without costs, of T periods.

    Returns:
        None where nothing is traded.
    """
    g_T = free.return_T
    x_T = free.traded_T * (1 + g_T)
    g, x, n = float(g_T.mean()), float(x_T.mean()), len(g_T)
    if x <= 0:
        return None
    cost = g / x
    if n < least_origins(1):
        return BreakEven(cost, None, None)
    from scipy.special import stdtrit

    averages = cosine_averages(n, 1)
    scale = float(g_T.std()) / x
    scaled_T = x_T * scale  # of the size of g, so that sums with g lose no digits
    var_g, var_x, var_sum, var_left = (
        float(long_run_variance(values_T, averages)) / n
        for values_T in (g_T, x_T, g_T + scaled_T, g_T - cost * x_T)
    )  # fmt: skip
    if var_left <= (1e-12 * (abs(g) + float(np.abs(g_T).mean()))) ** 2:
        return BreakEven(cost, None, None)
    covariance = (var_sum - var_g - scale**2 * var_x) / (2 * scale) if scale > 0 else 0.0
    critical = float(stdtrit(averages, (1 + LEVEL) / 2)) ** 2
    square = x**2 - critical * var_x
    linear = g * x - critical * covariance  # minus half of the quadratic's linear coefficient
    constant = g**2 - critical * var_g
    root = math.sqrt(max(linear**2 - square * constant, 0.0))
    if square > 0:
        return BreakEven(cost, (linear - root) / square, (linear + root) / square)
    # All costs outside of two bounds are kept, or all costs. Where zero is rejected it lies between the two bounds.
    bound = (linear - root) / square if square < 0 < constant else 0.0
    return BreakEven(cost, bound if bound <= cost else 0.0, None)


def in_words(name: str, figures: Mapping[str, float | None], cost: float) -> str:
    """What a cost may be, and what the stated one makes of it; empty for figures of an earlier version.

    Args:
        name: whose positions.
        figures: figures of ``performance.figures``.
        cost: the stated cost, as a share of the traded value.
    """
    if "break_even" not in figures:
        return ""
    most, low, high = (figures[key] for key in ("break_even", "break_even_low", "break_even_high"))
    if most is None:
        return f"{name} trades nothing, so that it has no break-even cost."
    if low is None:
        interval = "no interval: too few periods, or returns that do not vary"
    elif high is None:
        interval = f"{100 * LEVEL:g} % interval from {_bp(low)} on, unbounded"
    else:
        interval = f"{100 * LEVEL:g} % interval {_bp(low)} to {_bp(high)}"
    if most <= 0:
        return f"{name} pays at no cost: even without costs its mean return is not above zero ({interval})."
    nothing = "; it may pay nothing" if low is not None and low <= 0 else ""
    result = "lose" if cost > most else "leave a gain"
    beyond = low is not None and (cost < low or (high is not None and cost > high))
    luck = "" if low is None else ", by more than luck" if beyond else ", by no more than luck"
    return (
        f"{name} pays up to {_bp(most)} a trade in the mean ({interval}{nothing}); "
        f"your {_bp(cost)} would {result}{luck}."
    )  # fmt: skip


def _bp(cost: float) -> str:
    return f"{1e4 * cost:.4g} bp"
