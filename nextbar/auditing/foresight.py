"""Foresight: the share of a column's news, which the past does not explain, that later bars do explain.

A column that was made from later rows and then saved does not move when the bars are replaced, so its values are
tested: least squares on the bars and on the column itself up to each bar leave a residual, and the moves and ranges
of the next bars are regressed on. The share counts out of sample (every second block of rows is
explained by the fit on the others), so that chance alone gives less than nothing, however many regressors there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq
from scipy.stats import spearmanr

from nextbar.bars.bars import Bars
from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.machine.blas import one_thread

MOST_ROWS = 4000
"""the last ones are looked at"""
LEAST_ROWS = 100
"""with a value; a column with fewer is not judged"""
FARTHEST = 32
"""bars ahead that are looked at one by one, where there are rows enough"""
SUMS = (4, 5, 6, 8, 12, 16, 20, 24, 32, 48)
"""bars ahead whose moves are looked at as one; days and weeks of the usual resolutions among them"""
PAST, PAST_RANGES = 20, 3
"""bars whose moves, and whose ranges and amounts, are known beside the column's own last two values"""
ROWS_A_REGRESSOR = 40
"""of the moves ahead"""
MOVES, LEVEL, RANGES = 0.10, 0.35, 0.30
"""shares above which a column knows later bars: of what it says anew, by moves; of its distance from the close, by
moves; by ranges and amounts. Volatility can be foreseen to some degree, so the last one is higher"""
FORESEEABLE = 0.25
"""instead of the first, for series that are no market"""
SMALL_SAMPLE = 50.0
"""over the number of rows, is added to the first"""
WEIGHT = 0.06
"""of the newest bar in the mean size of moves"""
BLOCKS = 10
"""of the rows, in turn fitted on and judged by"""
FEW_VALUES = 6
"""of a signal, which says something in each bar although it mostly stays"""
EXACT = 1e-9
"""share left over by the past below which a column is made from the past alone"""


class Foresight(NamedTuple):
    """How strongly later bars explain a column."""

    share: float
    """of what the past does not explain, what later bars do; out of sample"""
    reach: int
    """how many bars ahead the one is that tells most"""
    by: str
    """``moves`` or ``ranges``"""

    @property
    def words(self) -> str:
        """In a sentence."""
        first = "the next" if self.reach == 1 else f"the one {self.reach} ahead"
        what = "moves" if self.by == "moves" else "ranges and volume"
        return f"{100 * self.share:.0f} % of what it says anew follows from the {what} of later bars, above all {first}"


class _Form(NamedTuple):
    """One way to read a column."""

    value_N: np.ndarray
    unit_N: np.ndarray
    own: int
    """how many of its own last values are known"""
    limit: float


@one_thread
def foresight(
    value_N: np.ndarray, own: Bars, later: Bars | None = None, *, skipped: str = "", market: bool = True
) -> Foresight | None:
    """The strongest foresight of a column that is beyond what is credible; None where there is none.

    Args:
        value_N: the column, float64, NaN where it is not known.
        own: the bars that it goes with.
        later: bars of another series at the same times, whose future it may know; None: its own.
        skipped: name of the amount that the column is, which is then no part of the past.
        market: False: a series that may be foreseen to some degree, such as a temperature.
    """
    value_N, own, later = value_N[-MOST_ROWS:], own.last(MOST_ROWS), later and later.last(MOST_ROWS)
    target = later or own
    change_N, width_N, unit_N = _measures(target)
    measures = [_measures(own)] if later is None else [_measures(own), (change_N, width_N, unit_N)]
    amounts = _amounts(own, skipped)
    finite_N = np.isfinite(value_N)
    best: Foresight | None = None
    exact = False
    for form in _forms(value_N, own.columns["close"], _measures(own)[2]):
        rows_N = finite_N & _news(value_N, finite_N) if form.own else finite_N
        reach = min(FARTHEST, int(rows_N.sum()) // ROWS_A_REGRESSOR)
        if rows_N.sum() < LEAST_ROWS or reach < 1 or (exact and form.own):
            continue
        past = [np.ones(len(value_N))] if (form.unit_N == 1).all() else [np.ones(len(value_N)), 1 / form.unit_N]
        past += [_ahead(form.value_N, -j) / form.unit_N for j in range(1, form.own + 1)]
        for changes, widths, size in measures:
            past += [_ahead(changes, -j) / size for j in range(min(PAST, reach))]
            past += [_ahead(widths, -j) / size for j in range(PAST_RANGES)]
        past += [_ahead(a, -j) for a in amounts for j in range(PAST_RANGES)]
        sums = [h for h in SUMS if h > reach and len(value_N) > 4 * h] if form.own else []
        moves_at = [*range(1, reach + 1), *sums]
        total_N = np.cumsum(change_N)
        moves = [(_ahead(change_N, h) if h <= reach else _ahead(total_N, h) - total_N) / unit_N for h in moves_at]
        near = range(1, min(reach, 12) + 1)
        ranges = [_ahead(width_N, h) / unit_N for h in near] + [np.abs(_ahead(change_N, h)) / unit_N for h in near]
        ranges += [_ahead(a, h) for a in _amounts(target) for h in (1, 2)]
        ahead = {"moves": np.stack(moves, axis=1), "ranges": np.stack(ranges, axis=1)}
        by_moves = form.limit if market else max(form.limit, FORESEEABLE)
        limits = {"moves": by_moves + SMALL_SAMPLE / rows_N.sum(), "ranges": RANGES if form.own else np.inf}
        for by, ahead_NF in ahead.items():
            explained = _share(form.value_N / form.unit_N, np.stack(past, axis=1), ahead_NF, rows_N)
            if explained is None:
                exact = True
                break
            share, h = explained
            if share > limits[by] and (best is None or share > best.share):
                best = Foresight(share, moves_at[h] if by == "moves" else h % len(near) + 1, by)
    return best


@one_thread
def next_move_known(bars: Bars) -> float:
    """Share of the next bar's move that follows from the last ones, out of sample; of a market a few percent."""
    bars = bars.last(MOST_ROWS)
    change_N, _, unit_N = _measures(bars)
    past = np.stack([_ahead(change_N, -j) / unit_N for j in range(PAST)], axis=1)
    constant = np.ones((len(bars), 1))
    explained = _share(_ahead(change_N, 1) / unit_N, constant, past, np.ones(len(bars), bool))
    return explained[0] if explained else 1.0


def _measures(bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change of the close into each bar, range of the bar, and how large changes have been so far; (N,) each."""
    close_N = bars.columns["close"]
    change_N = np.diff(close_N, prepend=close_N[:1])
    has_range = all(name in bars.columns for name in PRICES)
    width_N = bars.columns["high"] - bars.columns["low"] if has_range else np.abs(change_N)
    return change_N, width_N, _typical(np.abs(change_N))


def _typical(size_N: np.ndarray) -> np.ndarray:
    """Exponential mean of sizes so far, NaN before it is known or where nothing has moved."""
    from scipy.signal import lfilter

    start = float(size_N[: int(1 / WEIGHT)].mean()) if len(size_N) else 0.0
    typical_N, _ = lfilter([WEIGHT], [1, WEIGHT - 1], size_N, zi=[(1 - WEIGHT) * start])
    typical_N[: int(0.5 / WEIGHT)] = np.nan
    return np.where(typical_N > 0, typical_N, np.nan)


def _forms(value_N: np.ndarray, close_N: np.ndarray, unit_N: np.ndarray) -> Iterator[_Form]:
    """A price is read as its distance from the close and as a logarithm; anything else as it is, and in price units."""
    finite_N = np.isfinite(value_N)
    one_N = np.ones(len(value_N))
    is_price = finite_N.any() and (close_N > 0).all() and (value_N[finite_N] > 0).all()
    if is_price and 0.2 < np.median(value_N[finite_N] / close_N[finite_N]) < 5:
        yield _Form(value_N - close_N, unit_N, 2, MOVES)
        yield _Form(value_N - close_N, unit_N, 0, LEVEL)
        yield _Form(np.log(np.where(finite_N, value_N, 1.0)), one_N, 2, MOVES)
        return
    yield _Form(value_N, one_N, 2, MOVES)
    yield _Form(value_N, unit_N, 2, MOVES)


def _news(value_N: np.ndarray, finite_N: np.ndarray) -> np.ndarray:
    """Rows in which a column says something anew: all, but of one that mostly stays those where it changes."""
    changed_N = np.diff(value_N, prepend=np.nan) != 0
    stays = 1 - changed_N[finite_N].mean() if finite_N.any() else 0.0
    return changed_N if stays > 0.2 and len(np.unique(value_N[finite_N])) > FEW_VALUES else np.ones(len(value_N), bool)


def _amounts(bars: Bars, skipped: str = "") -> list[np.ndarray]:
    """Logarithms of volume and trades, as far as they are there in most bars; but for the one that is skipped."""
    amounts = [np.log1p(bars.columns[n]) for n in AMOUNTS if n in bars.columns and n != skipped]
    return [a for a in amounts if np.isfinite(a).mean() > 0.9]


def _ahead(value_N: np.ndarray, bars: int) -> np.ndarray:
    """The value so many bars later (earlier where negative); NaN where there is none."""
    shifted_N = np.full(len(value_N), np.nan)
    if bars >= 0:
        shifted_N[: len(value_N) - bars] = value_N[bars:]
    else:
        shifted_N[-bars:] = value_N[:bars]
    return shifted_N


def _share(
    value_N: np.ndarray, past_NF: np.ndarray, ahead_NF: np.ndarray, row_N: np.ndarray
) -> tuple[float, int] | None:
    """Share of what the past leaves open that later bars explain, and the column of the strongest relation; None where
    the past leaves nothing open."""
    whole_N = row_N & np.isfinite(value_N) & np.isfinite(past_NF).all(axis=1) & np.isfinite(ahead_NF).all(axis=1)
    if whole_N.sum() < LEAST_ROWS:
        return 0.0, 0
    y_N, past_NF, ahead_NF = value_N[whole_N], past_NF[whole_N], ahead_NF[whole_N]
    past_NF, ahead_NF = _scaled(past_NF), _scaled(ahead_NF)
    residual_N = y_N - past_NF @ _fit(past_NF, y_N)
    width = 1.4826 * np.median(np.abs(residual_N - np.median(residual_N)))
    near_N = np.abs(residual_N) < 12 * width
    if near_N.mean() > 0.9:  # single outliers would decide it
        y_N, past_NF, ahead_NF, residual_N = y_N[near_N], past_NF[near_N], ahead_NF[near_N], residual_N[near_N]
    first_N = np.arange(len(y_N)) * BLOCKS // len(y_N) % 2 == 0
    # the residual of the past, out of sample, and what later bars explain of it
    unexplained_N, explained_N = np.empty(len(y_N)), np.empty(len(y_N))
    both_NF = np.concatenate([past_NF, ahead_NF], axis=1)
    for fitted, judged in ((first_N, ~first_N), (~first_N, first_N)):
        from_past_N = past_NF[judged] @ _fit(past_NF[fitted], y_N[fitted])
        unexplained_N[judged] = y_N[judged] - from_past_N
        explained_N[judged] = both_NF[judged] @ _fit(both_NF[fitted], y_N[fitted]) - from_past_N
    if (unexplained_N**2).sum() <= EXACT * ((y_N - y_N.mean()) ** 2).sum():
        return None
    share = 1 - float(((unexplained_N - explained_N) ** 2).sum() / (unexplained_N**2).sum())
    by_rank = float(spearmanr(unexplained_N, explained_N).statistic)  # of many rows, and not of the largest few
    share = min(share, max(by_rank, 0.0) ** 2)
    relation_F = np.abs(ahead_NF.T @ residual_N)
    return share, int(np.argmax(relation_F))


def _scaled(value_NF: np.ndarray) -> np.ndarray:
    """Columns of size one, for least squares."""
    size_F = np.sqrt((value_NF**2).mean(axis=0))
    return value_NF / np.where(size_F > 0, size_F, 1.0)


def _fit(regressor_NF: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    weight_F: np.ndarray = lstsq(regressor_NF, y_N, cond=EXACT, lapack_driver="gelsy", check_finite=False)[0]
    return weight_F
