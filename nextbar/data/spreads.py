"""Spreads: how widely each group of columns varies in a window, compared with the windows of the training span.

The spread of the price is the standard deviation of the window's one-bar log returns (of its own columns, where prices
need not be above zero), that of volume and trades the one of what the device keeps of them. Normalisation removes it,
so the model gets the logarithm of a window's spread over the middle one of its series' training windows: as a number,
and as a token, the number's place among the training windows of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nextbar.machine.long_arrays import BLOCK, blocks, in_threads
from nextbar.types import Array

if TYPE_CHECKING:
    from nextbar.data.window_spec import WindowSpec

BINS = 32
"""tokens of a group, with equal counts on the training windows of the run; the outermost are open"""

LIMIT = 5.0
"""largest absolute value of the number: about 150 times as wide, or as narrow, as the middle training window"""

FORMER_TOKENS = 101
"""tokens of a group in runs of layout 1"""


RANGES = 4096
"""equal parts of the numbers that quantiles are looked for in"""


class SpreadScale(NamedTuple):
    """Spreads of training, which those of windows are divided by, and bins of tokens; on the device, float32."""

    typical_SG: Array
    """spread of each series' middle training window; above 0"""
    edges_GT: Array
    """inner edges of the tokens' bins, ascending"""


@dataclass(frozen=True)
class SpreadBins:
    """Spreads of the training windows of a run."""

    typical: tuple[float, ...]
    """middle spread of all of them, by group, for series that have none of their own; NaN where nothing varied"""
    edges: tuple[tuple[float, ...], ...]
    """by group: inner edges of the tokens' bins, ascending"""

    @classmethod
    def fit(cls, spread_SGN: Sequence[np.ndarray], origins: Sequence[np.ndarray], typical_SG: np.ndarray) -> SpreadBins:
        """Fit on the spreads (G, N) of each series at the rows that its training windows end at, and those of its
        middle window."""

        def of_group(g: int) -> tuple[float, tuple[float, ...]]:
            spread_SN = in_threads(lambda spread_GN, row_N: spread_GN[g, row_N], spread_SGN, origins)
            pooled = _middle(np.concatenate(in_threads(lambda spread_N: spread_N[spread_N > 0], spread_SN)))
            by_S = divisors(typical_SG[:, g], np.array(pooled))
            number_SN = in_threads(lambda spread_N, by: numbers(np.nan_to_num(spread_N), by), spread_SN, by_S)
            return pooled, tuple(_quantiles(number_SN, np.arange(1, BINS) / BINS))

        # one by one: of many bars all groups together are too many numbers
        return cls(*zip(*map(of_group, range(typical_SG.shape[1])), strict=True))

    @classmethod
    def none(cls, groups: int) -> SpreadBins:
        """Bins for runs of layout 1, whose models get no such numbers."""
        return cls((np.nan,) * groups, ((),) * groups)

    def scale(self, spreads_SG: Sequence[Sequence[float]]) -> SpreadScale:
        """The scale on the device; ``spreads_SG`` are those of the middle windows of each series."""
        typical_SG = divisors(np.array(spreads_SG, np.float64), np.array(self.typical))
        least = np.finfo(np.float32).tiny
        return SpreadScale(np.maximum(typical_SG.astype(np.float32), least), np.array(self.edges, np.float32))


def window_spreads(columns: dict[str, np.ndarray], spec: WindowSpec) -> np.ndarray:
    """float64 (G, N): spread of each group in the window that ends at each row, whatever holes there are in it; NaN
    where something in it is empty or before the first row.

    ``columns`` are those the device keeps, float64 (N,), by name.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # prices not above 0 are refused elsewhere
        if spec.log_prices:
            price_N, length = np.diff(np.log(columns["close"]), prepend=np.nan), spec.seq_len - 1
        else:
            price_N, length = columns["close"], spec.seq_len
        groups = [(price_N, length), *((columns[name], spec.seq_len) for name in spec.volumes)]
        return np.stack([_deviations(*group) for group in groups])


def typical(spread_GN: np.ndarray, whole_N: np.ndarray) -> np.ndarray:
    """float64 (G,): the middle one of the spreads above 0 of each group, where a window is whole (bool (N,)); NaN where
    there is none."""
    return np.array([_middle(spread_N[whole_N & (spread_N > 0)]) for spread_N in spread_GN])


def _middle(above_N: np.ndarray) -> float:
    """Their median, NaN of none; their order is lost."""
    return float(np.median(above_N, overwrite_input=True)) if above_N.size else np.nan


def divisors(typical_XG: np.ndarray, pooled_G: np.ndarray) -> np.ndarray:
    """Spreads to divide by: a series' own, else the pooled one, else 1."""
    return np.nan_to_num(np.where(np.isnan(typical_XG), pooled_G, typical_XG), nan=1.0)


def numbers(spread_XG: Any, typical_XG: Any, xp: Any = np) -> Any:
    """Logs of spreads over typical ones, within ± ``LIMIT``, least where nothing varies; ``xp``: numpy or jax.numpy."""
    ratio = spread_XG / typical_XG
    return xp.clip(xp.log(xp.maximum(ratio, np.exp(-LIMIT))), -LIMIT, LIMIT)


def tokens(number_BG: Array, edges_GT: Array) -> Array:
    """(B, G) int32: the bin of each number."""
    import jax.numpy as jnp

    return jnp.sum(number_BG[..., None] > edges_GT[None], axis=-1, dtype=jnp.int32)


def former_token(group_BLC: Array) -> Array:
    """Integer 0..100 of layout 1: standard deviation of the normalised group in the window, times 500."""
    import jax.numpy as jnp

    spread_B = jnp.std(group_BLC, axis=(1, 2)) * 5 * 100
    return jnp.clip(jnp.round(spread_B), 0, FORMER_TOKENS - 1).astype(jnp.int32)


def _quantiles(number_SN: Sequence[np.ndarray], share_Q: np.ndarray) -> list[float]:
    """``np.quantile`` of the numbers of several arrays together, of which only the few around the quantiles are sorted.

    Numbers within ± ``LIMIT`` are counted in narrow ranges first.
    """

    def ranges(number_B: np.ndarray) -> np.ndarray:
        return ((number_B + LIMIT) * (RANGES / (2 * LIMIT))).astype(np.int64)

    blocks_B = [number_N[rows] for number_N in number_SN for rows in blocks(len(number_N))]
    count_R = sum(np.bincount(ranges(number_B), minlength=RANGES + 1) for number_B in blocks_B)
    upto_R = np.cumsum(count_R)
    place_Q = (upto_R[-1] - 1) * share_Q
    rank_2Q = np.minimum(np.stack([np.floor(place_Q), np.floor(place_Q) + 1]).astype(np.int64), upto_R[-1] - 1)
    range_2Q = np.searchsorted(upto_R, rank_2Q, side="right")
    around_R = np.bincount(range_2Q.ravel(), minlength=RANGES + 1) > 0
    near_N = np.sort(np.concatenate([number_B[around_R[ranges(number_B)]] for number_B in blocks_B]))
    left_out_R = np.cumsum(np.where(around_R, 0, count_R))
    pair_2Q = near_N[rank_2Q - left_out_R[range_2Q]]
    return [float(np.quantile(pair, part)) for pair, part in zip(pair_2Q.T, place_Q % 1, strict=True)]


def _deviations(value_N: np.ndarray, length: int) -> np.ndarray:
    """float64 (N,): population standard deviation of the ``length`` values up to each; NaN where there are fewer.

    The very bits of ``np.std`` of each window, but by a few additions of whole columns that stay in the cache.
    """
    deviation_N = np.full(len(value_N), np.nan)
    for first in range(0, len(value_N) - length + 1, BLOCK):
        value_B = value_N[first : first + BLOCK + length - 1]
        deviation_N[first + length - 1 : first + len(value_B)] = _of_block(value_B, length)
    return deviation_N


def _of_block(value_B: np.ndarray, length: int) -> np.ndarray:
    """``_deviations`` where there are as many values."""
    size, places = len(value_B) - length + 1, range(length)
    mean_B = _sum(lambda place: value_B[place : place + size], places) / length
    square_B = _sum(lambda place: np.square(value_B[place : place + size] - mean_B), places)
    return np.sqrt(square_B / length)


def _sum(column: Callable[[int], np.ndarray], places: range) -> np.ndarray:
    """The sum of the columns at some places, added up in the order in which NumPy adds the numbers of a row."""
    n = len(places)
    if n > 128:
        half = n // 2 - n // 2 % 8
        return _sum(column, places[:half]) + _sum(column, places[half:])
    if n < 8:
        return reduce(np.add, map(column, places))
    whole, rest = places[: n - n % 8], places[n - n % 8 :]
    a, b, c, d, e, f, g, h = (reduce(np.add, map(column, whole[i::8])) for i in range(8))
    return reduce(np.add, map(column, rest), ((a + b) + (c + d)) + ((e + f) + (g + h)))
