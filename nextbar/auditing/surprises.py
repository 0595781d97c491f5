"""Surprises: what the past and the clock leave open of each bar's move, size, range and amounts.

No column that was made from earlier bars goes together with a later move, since the surprise of a bar has mean zero
whatever was known before it. So the sum of the products of a column and later surprises, over the root of the sum of
their squares, is near a standard normal number (a self-normalised martingale: de la Pena, Lai and Shao 2009), however
persistent the column is and however unequal the bars are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.fft import next_fast_len, rfft
from scipy.linalg import qr
from scipy.signal import lfilter
from scipy.special import ndtri
from scipy.stats import rankdata

from nextbar.auditing.periods import Periods, clock, periods_of
from nextbar.bars.bars import Bars
from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.bars.slots import DAY

PAST = 20
"""Number of last moves that are regressors."""
SPANS = (4, 16, 64, 256, 1024)
"""Spans, in bars, of the exponential means of sizes, ranges and amounts that are regressors."""
WEIGHT = 0.06
"""Weight of the newest bar in the mean size of moves."""
ROWS_A_REGRESSOR = 10
"""Least number of rows for each regressor, and for each time of the day that has a mean of its own."""
EXACT = 1e-9
"""Share left over by the past below which a column is made from the past alone."""
FAR = 200.0
"""Largest distance from the close that counts, in mean moves."""


class _State(NamedTuple):
    """What a series' bars say up to each of them."""

    unit_N: np.ndarray
    """Mean size of moves up to each bar."""
    said: dict[str, np.ndarray]
    """Move, size, range and amounts of each bar, by name."""
    near: list[np.ndarray]
    """Regressors of a column: the last bars, and the periods so far."""
    rich: list[np.ndarray]
    """Regressors of the next bar: those of a column, earlier periods and slow means."""


class Surprises:
    """The surprises of a series, and the residuals of columns that go with it.

    Args:
        own: bars that the columns go with.
        later: bars of another series at the same times whose surprises are wanted; None: its own.
        skipped: name of a column of the bars that is no part of the past, since it is the one to be judged.
    """

    def __init__(self, own: Bars, later: Bars | None, skipped: str) -> None:
        self.close_N = own.columns["close"]
        self.amounts = {n: np.nan_to_num(own.columns[n]) for n in AMOUNTS if n in own.columns and n != skipped}
        self.periods = periods_of(own)
        states = [_state(bars, self.periods, skipped) for bars in (own, later) if bars is not None]
        self.unit_N = states[0].unit_N
        n, local_N = len(own), clock(own)
        self._slot_N = np.unique(local_N % DAY, return_inverse=True)[1]
        slots, most = int(self._slot_N.max()) + 1, max(1, n // ROWS_A_REGRESSOR)
        if slots > most:
            self._slot_N = self._slot_N * most // slots
        day_N = local_N // DAY % 7
        weekdays = [(day_N == day).astype(float) for day in np.unique(day_N)[1:]]
        most = max(10, n // ROWS_A_REGRESSOR)
        near, rich = ([r for s in states for r in regressors(s)][:most] for regressors in (_near, _rich))
        self._known_N = np.isfinite(np.stack(rich)).all(axis=0)
        self._near_NF = np.nan_to_num(np.stack([*near, *weekdays], axis=1))
        rich_NF = np.nan_to_num(np.stack(rich, axis=1))
        self._rich_NF = np.concatenate([rich_NF, self._near_NF[:, len(near) :]], axis=1)
        self._bases: dict[tuple[bytes, bool], np.ndarray] = {}
        self.size = next_fast_len(2 * n, real=True)
        """length of Fourier transforms"""
        before_NF = np.concatenate([np.roll(rich_NF, 1, axis=0), self._near_NF[:, len(near) :]], axis=1)
        self.of = self._surprises(states[-1], before_NF, np.r_[False, self._known_N[:-1]])
        """the surprises (N,) by what they are of, 0 where none is known"""
        self.transforms = {name: (rfft(e, self.size), rfft(e * e, self.size)) for name, e in self.of.items()}

    def residual(self, value_N: np.ndarray, own_lags: int) -> np.ndarray | None:
        """What the past leaves open of a column, NaN where unknown; None where that is nothing, or rows are too few.

        Args:
            value_N: the column, NaN where it is not known.
            own_lags: how many of its own last values belong to the past, with the rich regressors; 0: the near ones.
        """
        lags = [ahead(value_N, -j) for j in range(1, own_lags + 1)]
        row_N = self._known_N & np.isfinite(value_N) & np.isfinite([value_N, *lags]).all(axis=0)
        if row_N.sum() < 2 * ROWS_A_REGRESSOR:
            return None
        key = (row_N.tobytes(), own_lags > 0)
        if key not in self._bases:
            self._bases = dict(list(self._bases.items())[-3:])
            self._bases[key] = self._basis(self._rich_NF if own_lags else self._near_NF, row_N)
        basis_NF = self._bases[key]
        y_N, *lags = (self._within(np.where(row_N, v, 0.0), row_N) for v in (value_N, *lags))
        whole = float(y_N @ y_N)
        y_N, *lags = (v - basis_NF @ (basis_NF.T @ v) for v in (y_N, *lags))
        if lags:
            own_NF = _orthonormal(np.stack(lags, axis=1), 1e-6)
            y_N = y_N - own_NF @ (own_NF.T @ y_N)
        y_N = y_N - basis_NF @ (basis_NF.T @ y_N)
        return None if float(y_N @ y_N) <= EXACT * whole else np.where(row_N, y_N, np.nan)

    def _surprises(self, state: _State, before_NF: np.ndarray, known_N: np.ndarray) -> dict[str, np.ndarray]:
        surprises = {}
        row_N = known_N & np.isfinite(state.said["move"])
        basis_NF = self._basis(before_NF, row_N)
        for name, value_N in state.said.items():
            y_N = self._within(np.where(row_N, value_N, 0.0), row_N)
            y_N = y_N - basis_NF @ (basis_NF.T @ y_N)
            spread = float(y_N[row_N].std()) if row_N.any() else 0.0
            if spread > EXACT:
                surprises[name] = np.zeros(len(y_N))
                surprises[name][row_N] = np.clip(y_N / spread, -8, 8)[row_N] if name == "move" else scores(y_N[row_N])
        return surprises

    def _within(self, value_N: np.ndarray, row_N: np.ndarray) -> np.ndarray:
        """Values less their mean at the same time of the day."""
        count_K = np.bincount(self._slot_N, row_N)
        mean_K = np.bincount(self._slot_N, row_N * value_N) / np.maximum(count_K, 1)
        centred_N: np.ndarray = (value_N - mean_K[self._slot_N]) * row_N
        return centred_N

    def _basis(self, regressor_NF: np.ndarray, row_N: np.ndarray) -> np.ndarray:
        return _orthonormal(np.stack([self._within(r_N, row_N) for r_N in regressor_NF.T], axis=1), EXACT)


def scores(value_N: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks, NaN where there is no value."""
    known_N = np.isfinite(value_N)
    score_N = np.full(len(value_N), np.nan)
    score_N[known_N] = ndtri(rankdata(value_N[known_N]) / (known_N.sum() + 1))
    return score_N


def typical_move(size_N: np.ndarray) -> np.ndarray:
    """Exponential mean of sizes so far, NaN before it is known or where nothing has moved."""
    start = float(size_N[: int(1 / WEIGHT)].mean()) if len(size_N) else 0.0
    typical_N, _ = lfilter([WEIGHT], [1, WEIGHT - 1], size_N, zi=[(1 - WEIGHT) * start])
    typical_N[: int(0.5 / WEIGHT)] = np.nan
    return np.where(typical_N > 0, typical_N, np.nan)


def ahead(value_N: np.ndarray, bars: int) -> np.ndarray:
    """The value so many bars later (earlier where negative); NaN where there is none."""
    shifted_N = np.full(len(value_N), np.nan)
    if bars >= 0:
        shifted_N[: len(value_N) - bars] = value_N[bars:]
    else:
        shifted_N[-bars:] = value_N[:bars]
    return shifted_N


def _mean(value_N: np.ndarray, span: int) -> np.ndarray:
    """Exponential mean so far."""
    weight, start = 2 / (span + 1), float(value_N[: max(1, span // 2)].mean())
    mean_N: np.ndarray = lfilter([weight], [1, weight - 1], value_N, zi=[(1 - weight) * start])[0]
    return mean_N


def _orthonormal(regressor_NF: np.ndarray, tolerance: float) -> np.ndarray:
    """An orthonormal basis of what regressors span, (N, F) or fewer columns."""
    size_F = np.sqrt((regressor_NF**2).sum(axis=0))
    scaled_NF = regressor_NF[:, size_F > 0] / size_F[size_F > 0]
    if not scaled_NF.shape[1]:
        return scaled_NF
    basis_NF, upper_FF, _ = qr(scaled_NF, mode="economic", pivoting=True, check_finite=False)
    kept: np.ndarray = basis_NF[:, np.abs(np.diag(upper_FF)) > tolerance]
    return kept


def _near(state: _State) -> list[np.ndarray]:
    return state.near


def _rich(state: _State) -> list[np.ndarray]:
    return state.rich


def _state(bars: Bars, periods: list[Periods], skipped: str) -> _State:
    close_N, n = bars.columns["close"], len(bars)
    before_N = np.r_[close_N[:1], close_N[:-1]]
    unit_N = typical_move(np.abs(close_N - before_N))
    unit_before_N = ahead(unit_N, -1)
    has_range = all(name in bars.columns for name in PRICES) and skipped not in PRICES
    high_N, low_N = np.maximum(close_N, before_N), np.minimum(close_N, before_N)
    open_N = bars.columns["open"] if has_range else before_N
    move_N = np.clip((close_N - before_N) / unit_before_N, -20, 20)
    said = {"move": move_N, "size": scores(np.abs(move_N))}
    if has_range:
        high_N, low_N = bars.columns["high"], bars.columns["low"]
        said["range"] = scores((high_N - low_N) / unit_before_N)
    amounts = {name: bars.columns[name] for name in AMOUNTS if name in bars.columns and name != skipped}
    amounts = {name: value_N for name, value_N in amounts.items() if np.isfinite(value_N).mean() > 0.9}
    said |= {name: scores(value_N) for name, value_N in amounts.items()}

    def away(value_N: np.ndarray) -> np.ndarray:
        return np.clip((value_N - close_N) / unit_N, -FAR, FAR)

    moves = [np.nan_to_num(ahead(np.nan_to_num(move_N), -j)) for j in range(PAST)]
    sizes = [np.nan_to_num(value_N) for name, value_N in said.items() if name != "move"]
    running, earlier = [], []
    for period in periods:
        high_so_far_N, low_so_far_N = period.so_far(high_N, np.maximum), period.so_far(low_N, np.minimum)
        running += [away(high_so_far_N), away(low_so_far_N)]
        ended_N = np.maximum(period.first_D[period.number_N] - 1, 0)  # the last row of the period before
        earlier += [away(open_N[period.first_D][period.number_N]), away(close_N[ended_N])]
        earlier += [away(high_so_far_N[ended_N]), away(low_so_far_N[ended_N]), period.left_N * 1.0]
        for value_N in amounts.values():
            so_far_N = np.log1p(period.so_far(np.nan_to_num(value_N), np.add))
            running.append(so_far_N)
            earlier.append(so_far_N[ended_N])
    common = [np.ones(n), *moves[:3], *(f for v in sizes for f in (v, *(_mean(v, span) for span in SPANS[:3])))]
    common += [np.nanmedian(unit_N) / unit_N, np.arange(n) / n]
    near = [*common, *moves[3:12], *running]
    slow = [_mean(value_N, span) for value_N in sizes for span in SPANS[3:]]
    levels = [away(_mean(close_N, span)) for span in (8, 32, 128, 512)]
    rich = [*common, *levels[:3], *running, *moves[3:8], *earlier, *moves[8:], levels[3], *slow]
    known_N = np.isfinite(unit_N)
    near, rich = ([np.where(known_N, r, np.nan) for r in regressors] for regressors in (near, rich))
    return _State(unit_N, said, near, rich)
