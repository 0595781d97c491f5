"""Foresight: does a column go together with later bars more than any column of earlier bars can?

A column that was made from later rows and then saved does not move when the bars are replaced, so its values are
tested against the surprises of later bars: one by one at all distances, and over the rest of the day, session, week and
month. A column is accused where the statistic is beyond chance (``CERTAIN``, which allows for all looks at a column)
and the relation is stronger than a market allows. See ``surprises`` for why the statistic holds its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, rfft

from nextbar.auditing.periods import Periods
from nextbar.auditing.surprises import Surprises, scores
from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.bars.slots import WEEK
from nextbar.machine.blas import one_thread

MOST_ROWS = 20_000
"""Number of last rows that are searched."""
LEAST_ROWS = 100
"""Number of known values below which a column is not judged."""
FARTHEST = 3_000
"""Largest distance, in bars, of single later bars; at most a quarter of the rows."""
CERTAIN = 6.0
"""Standard deviations that count as certain. A normal number is farther out once in 5 x 10^8; a column is looked at in
up to 10^5 ways, and the audit at 100 columns."""
NEWS, LEVEL, PERIOD = 0.10, 0.20, 0.05
"""Shares of moves above which a column knows later bars: its news by single bars, its level by single bars, either by
the rest of a period. Honest columns foretell some percent at most."""
SIZES, PERIOD_SIZES = 0.30, 0.15
"""The same for sizes, ranges and amounts, which can be forecast to some degree: single bars, rest of a period."""
FORESEEABLE = 0.25
"""Smallest limit for a series that is no market."""
FEW_VALUES = 6
"""Number of values up to which a column is a signal, which says something in each bar although it mostly stays."""
NEIGHBOURS = 12
"""Bars on both sides of the one that tells most whose sizes, ranges and amounts count with it."""
CALENDAR = 0.9
"""Share of bars a week apart between which a calendar column changes by the same; clock changes break some."""
COPIES = 5
"""Number of periods in whose first bar a column must hold the exact final value of the period."""


class Foresight(NamedTuple):
    """How strongly later bars explain a column."""

    share: float
    """Share of what the past leaves open in the column that later bars explain."""
    reach: int
    """Distance in bars of the later bar that explains most; 0 if it is the rest of a period."""
    by: str
    """``moves`` or ``ranges``"""
    period: str = ""
    """Period whose rest the column knows."""

    @property
    def words(self) -> str:
        """In a sentence."""
        first = "the next" if self.reach == 1 else f"the one {self.reach} ahead"
        first = f"the rest of the {self.period}" if self.period else first
        what = "moves" if self.by == "moves" else "ranges and volume"
        return f"{100 * self.share:.0f} % of what it says anew follows from the {what} of later bars, above all {first}"


class _Form(NamedTuple):
    """One way to read a column, after the past was taken out."""

    value_N: np.ndarray
    """Residuals of the column; 0 where it has no value."""
    limit: float
    """Least share, explained by a single later bar's move, that counts."""


@one_thread
def foresight(
    value_N: np.ndarray, own: Bars, later: Bars | None = None, *, skipped: str = "", market: bool = True
) -> Foresight | None:
    """The strongest foresight of a column that is beyond what is credible; None where there is none.

    Args:
        value_N: the column, float64, NaN where it is not known.
        own: the bars that it goes with.
        later: bars of another series at the same times, whose future it may know; None: its own.
        skipped: name of the price or amount that the column is, which is then no part of the past.
        market: False: a series that may be foreseen to some degree, such as a temperature.
    """
    value_N = np.asarray(value_N, np.float64)[-MOST_ROWS:]
    if np.isfinite(value_N).sum() < LEAST_ROWS or _is_calendar(value_N, own.last(MOST_ROWS).time_N):
        return None
    past = _surprises(own, later, skipped if skipped in own.columns and skipped in _OWN else "")
    least = 0.0 if market else FORESEEABLE
    beyond = [*_copies(value_N, past, own.last(MOST_ROWS))] if later is None and skipped not in _OWN else []
    for form in _forms(value_N, past):
        beyond += [seen for seen, limit in _in_single_bars(form, past) if seen.share > max(limit, least)]
        for period in past.periods:
            beyond += [seen for seen, limit in _in_the_rest(form, past, period) if seen.share > max(limit, least)]
    return max(beyond, key=lambda seen: seen.share, default=None)


_OWN = (*PRICES, "volume", "trades")


@lru_cache(maxsize=2)
def _surprises(own: Bars, later: Bars | None, skipped: str) -> Surprises:
    """Those of the last rows, kept for the next column of the same bars."""
    return Surprises(own.last(MOST_ROWS), later and later.last(MOST_ROWS), skipped)


def _forms(value_N: np.ndarray, past: Surprises) -> Iterator[_Form]:
    """A price is read as its distance from the close and as a logarithm; anything else as it is and by its ranks."""
    known_N = np.isfinite(value_N)
    changed_N = np.diff(value_N, prepend=np.nan) != 0
    stays = 1 - changed_N[known_N].mean() > 0.2 and len(np.unique(value_N[known_N])) > FEW_VALUES
    if _is_price(value_N, past.close_N):
        level_N = np.clip((value_N - past.close_N) / past.unit_N, -1e4, 1e4)
        read = [(level_N, 0), (level_N, 2), (np.log(np.where(known_N, value_N, np.nan)), 2)]
        yield _Form(np.nan_to_num(level_N), LEVEL)
    else:
        ranked_N = scores(value_N)
        read = [(ranked_N, 0), (value_N, 2), (ranked_N, 2)]
    for form_N, own_lags in read:
        residual_N = past.residual(form_N, own_lags)
        if residual_N is None:
            continue
        says_N = np.isfinite(residual_N) & (changed_N if own_lags and stays else True)
        if says_N.sum() >= LEAST_ROWS // 4:
            yield _Form(np.where(says_N, _clipped(residual_N, says_N), 0.0), NEWS if own_lags else LEVEL)


def _is_calendar(value_N: np.ndarray, time_N: np.ndarray) -> bool:
    """Whether a column repeats every week or grows by the same each week, as clocks and counts of days do."""
    at_N = np.minimum(np.searchsorted(time_N, time_N + WEEK), len(time_N) - 1)
    week_later_N = time_N[at_N] == time_N + WEEK
    change_M = (value_N[at_N] - value_N)[week_later_N]
    if len(change_M) < LEAST_ROWS:
        return False
    usual = float(np.median(change_M))
    same = np.abs(change_M - usual) <= 1e-9 * max(1.0, float(np.nanmax(np.abs(value_N))))
    return bool(same.mean() > CALENDAR and np.unique(value_N, return_counts=True)[1].max() < len(value_N) / 2)


def _is_price(value_N: np.ndarray, close_N: np.ndarray) -> bool:
    known_N = np.isfinite(value_N)
    positive = bool((close_N > 0).all() and (value_N[known_N] > 0).all())
    return positive and 0.2 < float(np.median(value_N[known_N] / close_N[known_N])) < 5


def _clipped(value_N: np.ndarray, says_N: np.ndarray) -> np.ndarray:
    """Without outliers, which would decide alone."""
    said = value_N[says_N]
    width = 1.4826 * float(np.median(np.abs(said)))
    if width <= 1e-3 * float(said.std()):
        width = float(said.std())
    return np.clip(value_N, -5 * width, 5 * width)


def _in_single_bars(form: _Form, past: Surprises) -> Iterator[tuple[Foresight, float]]:
    """Shares explained by the surprises at all distances that are certain, and their limits."""
    says_N, squares = form.value_N, form.value_N**2
    reach = min(FARTHEST, len(says_N) // 4)
    said_F, squares_F = np.conj(rfft(says_N, past.size)), np.conj(rfft(squares, past.size))
    for name, (surprise_F, surprise_squares_F) in past.transforms.items():
        product_L = irfft(said_F * surprise_F, past.size)[1 : reach + 1]
        variance_L = irfft(squares_F * surprise_squares_F, past.size)[1 : reach + 1]
        certain_L = product_L**2 > CERTAIN**2 * np.maximum(variance_L, 1e-9 * squares.sum())
        if certain_L.any():
            whole = squares.sum() * np.count_nonzero(says_N) * (past.of[name] ** 2).mean()
            at = int(np.argmax(np.where(certain_L, np.abs(product_L), 0))) + 1
            if name != "move":  # slow columns go a little with the sizes of thousands of bars
                certain_L &= np.abs(np.arange(1, reach + 1) - at) <= NEIGHBOURS
            share = min(1.0, float((product_L[certain_L] ** 2).sum() / whole))
            yield Foresight(share, at, _kind(name)), form.limit if name == "move" else SIZES


def _in_the_rest(form: _Form, past: Surprises, period: Periods) -> Iterator[tuple[Foresight, float]]:
    """Shares explained by the surprises of the rest of a period, where they are certain, and their limits."""
    left_N, says_N = period.left_N, np.where(period.left_N > 0, form.value_N, 0.0)
    share_N = 1 / np.maximum(left_N, 1)  # of the rest of the period that the next bar is
    total_N = np.cumsum(says_N)
    before_N = np.r_[0.0, total_N]
    so_far_N = before_N[:-1] - before_N[period.first_D][period.number_N]
    for name, surprise_N in past.of.items():
        next_N = np.r_[surprise_N[1:], 0.0]
        products = (says_N * share_N * next_N, says_N * np.sqrt(share_N) * next_N, so_far_N * surprise_N)
        statistic = max(abs(p.sum()) / max(np.sqrt((p**2).sum()), 1e-300) for p in products)
        if statistic > CERTAIN:
            rest_N = np.where(says_N != 0, period.rest_of(surprise_N), 0.0)
            covariance, variances = share_N @ (says_N * rest_N), (share_N @ says_N**2) * (share_N @ rest_N**2)
            found = Foresight(float(covariance**2 / variances), 0, _kind(name), period.kind)
            yield found, PERIOD if name == "move" else PERIOD_SIZES


def _copies(value_N: np.ndarray, past: Surprises, bars: Bars) -> Iterator[Foresight]:
    """Periods whose exact final close, high, low, range or amount the column holds before it is there."""
    close_N = bars.columns["close"]
    has_range = all(name in bars.columns for name in PRICES)
    high_N, low_N = (bars.columns[name] if has_range else close_N for name in ("high", "low"))
    for period in past.periods:
        high_so_far_N, low_so_far_N = period.so_far(high_N, np.maximum), period.so_far(low_N, np.minimum)
        so_far = [("moves", close_N), ("moves", high_so_far_N), ("moves", low_so_far_N)]
        so_far.append(("ranges", high_so_far_N - low_so_far_N))
        so_far += [("ranges", period.so_far(amount_N, np.add)) for amount_N in past.amounts.values()]
        for by, known_N in so_far:
            final_D, first_D = known_N[period.last_D], known_N[period.first_D]
            close_D = np.abs(value_N[period.first_D] - final_D) <= 1e-9 * np.abs(final_D)
            open_D = np.abs(first_D - final_D) > 1e-9 * np.abs(final_D)
            if (close_D & open_D).sum() >= max(COPIES, 0.5 * open_D.sum()):
                yield Foresight(1.0, 0, by, period.kind)


def _kind(name: str) -> str:
    return "moves" if name == "move" else "ranges"
