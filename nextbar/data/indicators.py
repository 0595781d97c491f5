"""Indicators: columns computed from the closes of this and earlier bars, NaN before they exist.

They count bars, not hours: after a hole they go on with the next bar there is. A further one is a function and its line
in ``FORMULAS``.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.bars.columns import ADJUSTED, PRICES, plain
from nextbar.errors import DataError

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars

RSI_BARS = 14
BOLLINGER_BARS, BOLLINGER_WIDTH = 20, 2.0


class Formula(NamedTuple):
    """How an indicator is computed."""

    compute: Callable[..., np.ndarray]
    """from the closes (N,), float64, and the numbers that groups of the pattern hold: a value for each bar, (N,)"""
    price_valued: bool = True
    """whether it is a price, see :func:`price_valued`"""
    called: str = ""
    """its name in messages, where that is not the pattern"""


def add_indicators(bars: Bars, names: Iterable[str]) -> Bars:
    """The bars with a float64 (N,) column for each name: the source's own where it has one, else computed.

    Raises:
        DataError: a name that is neither a column nor can be computed; the message lists both.
    """
    columns = dict(bars.columns)
    for name in names:
        own, computed = columns.get(name.lower()), _formula(name)
        if own is not None:
            columns[name] = own
        elif computed is not None:
            formula, numbers = computed
            columns[name] = formula.compute(bars.columns["close"], *numbers)
        else:
            formulas = (formula.called or pattern for pattern, formula in FORMULAS.items())
            raise DataError(
                f"{bars.name}: found no indicator {name!r}; can be computed: {', '.join(formulas)}; "
                f"columns there: {', '.join(bars.columns)}"
            )
    return dataclasses.replace(bars, columns=columns)


def price_valued(name: str) -> bool:
    """Whether an indicator is a price, and so is normalised with the prices; other columns are used as they are."""
    computed = _formula(name)
    return plain(name) in (*PRICES, *ADJUSTED) or (computed is not None and computed[0].price_valued)


def is_computed(name: str) -> bool:
    """Whether an indicator can be computed, so that it is not known in its first bars."""
    return _formula(name) is not None


def rsi(close_N: np.ndarray, bars: int = RSI_BARS) -> np.ndarray:
    """Relative strength index as a share, 0 to 1: average rise / (average rise + average fall).

    The averages begin as the means of the first ``bars`` changes and go on as ((bars - 1) × former + new) /
    bars. Where nothing has moved it is 0.5. J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    change_N = np.diff(close_N)
    rise_N = _smoothed(np.maximum(change_N, 0.0), bars, 1 / bars)
    fall_N = _smoothed(np.maximum(-change_N, 0.0), bars, 1 / bars)
    total_N = rise_N + fall_N
    still_N = total_N == 0
    share_N = np.where(still_N, 0.5, rise_N / np.where(still_N, 1.0, total_N))
    return np.concatenate([np.full(min(1, len(close_N)), np.nan), share_N])


def ema(close_N: np.ndarray, bars: int) -> np.ndarray:
    """Exponential moving average, weight 2 / (bars + 1), begun as the mean of the first ``bars`` closes."""
    return _smoothed(close_N, bars, 2 / (bars + 1))


def bollinger(close_N: np.ndarray, width: float, bars: int = BOLLINGER_BARS) -> np.ndarray:
    """Moving average of ``bars`` closes, shifted by ``width`` of their population standard deviations.

    J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    band_N = np.full(len(close_N), np.nan)
    if len(close_N) >= bars:
        window_NL = np.lib.stride_tricks.sliding_window_view(close_N, bars)
        band_N[bars - 1 :] = window_NL.mean(axis=1) + width * window_NL.std(axis=1)
    return band_N


def _formula(name: str) -> tuple[Formula, list[int]] | None:
    """The formula of an indicator and the numbers in its name; None where there is none."""
    for pattern, formula in FORMULAS.items():
        if form := re.fullmatch(pattern, name.lower()):
            return formula, list(map(int, form.groups()))
    return None


def _smoothed(value_N: np.ndarray, bars: int, weight: float) -> np.ndarray:
    """y[t] = y[t-1] + weight × (x[t] - y[t-1]), begun at row bars-1 as the mean of all values so far."""
    smooth_N = np.full(len(value_N), np.nan)
    if len(value_N) >= bars:
        later = value_N[bars:].tolist()
        first = float(value_N[:bars].mean())
        smooth_N[bars - 1 :] = list(itertools.accumulate(later, lambda y, x: y + weight * (x - y), initial=first))
    return smooth_N


FORMULAS: dict[str, Formula] = {
    "rsi": Formula(rsi, price_valued=False),
    "bb_upper": Formula(lambda close_N: bollinger(close_N, BOLLINGER_WIDTH)),
    "bb_middle": Formula(lambda close_N: bollinger(close_N, 0.0)),
    "bb_lower": Formula(lambda close_N: bollinger(close_N, -BOLLINGER_WIDTH)),
    r"ema_([1-9][0-9]{0,8})": Formula(ema, called="ema_N (such as ema_20)"),
}
"""indicators that are computed where the source has no such column, by the pattern of their names in lower case"""
