"""Spreads: how widely each group of columns varies in a window, compared with the windows of the training span.

The spread of the price is the standard deviation of the window's one-bar log returns (of its own columns, where prices
need not be above zero), that of volume and trades the one of what the device keeps of them. Normalisation removes it,
so the model gets the logarithm of a window's spread over the middle one of its series' training windows: as a number,
and as a token, the number's place among the training windows of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nextbar.types import Array

if TYPE_CHECKING:
    from nextbar.data.window_spec import WindowSpec

BINS = 32
"""tokens of a group, with equal counts on the training windows of the run; the outermost are open"""

LIMIT = 5.0
"""largest absolute value of the number: about 150 times as wide, or as narrow, as the middle training window"""

FORMER_TOKENS = 101
"""tokens of a group in runs of layout 1"""

_CHUNK = 1_000_000
"""numbers of windows that the host works on at once"""


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
    def fit(cls, spread_SNG: Sequence[np.ndarray], typical_SG: np.ndarray) -> SpreadBins:
        """Fit on the training windows' spreads (N, G) of each series, and those of its middle window."""
        pooled, edges = [], []
        for g, own_S in enumerate(typical_SG.T):  # one by one: of many bars all groups together are too many numbers
            pooled.append(_middle(np.concatenate([spread_NG[spread_NG[:, g] > 0, g] for spread_NG in spread_SNG])))
            by_S = divisors(own_S, np.array(pooled[g]))
            number_N = np.concatenate(
                [numbers(np.nan_to_num(spread_NG[:, g]), by) for spread_NG, by in zip(spread_SNG, by_S, strict=True)]
            )
            edges.append(tuple(np.quantile(number_N, np.arange(1, BINS) / BINS, overwrite_input=True).tolist()))
        return cls(tuple(pooled), tuple(edges))

    @classmethod
    def none(cls, groups: int) -> SpreadBins:
        """Bins for runs of layout 1, whose models get no such numbers."""
        return cls((np.nan,) * groups, ((),) * groups)

    def scale(self, spreads_SG: Sequence[Sequence[float]]) -> SpreadScale:
        """The scale on the device; ``spreads_SG`` are those of the middle windows of each series."""
        typical_SG = divisors(np.array(spreads_SG, np.float64), np.array(self.typical))
        least = np.finfo(np.float32).tiny
        return SpreadScale(np.maximum(typical_SG.astype(np.float32), least), np.array(self.edges, np.float32))


def window_spreads(columns: dict[str, np.ndarray], origin_N: np.ndarray, spec: WindowSpec) -> np.ndarray:
    """float64 (N, G): spread of each group in the windows that end at the rows ``origin_N``; NaN where it is empty.

    ``columns`` are those the device keeps, float64, by name.
    """
    if spec.log_prices:
        with np.errstate(invalid="ignore", divide="ignore"):  # prices not above 0 are refused elsewhere
            price_RC, length = np.diff(np.log(columns["close"]), prepend=np.nan)[:, None], spec.seq_len - 1
    else:
        price_RC = np.stack([columns[name] for name in spec.prices[: spec.own_prices]], axis=1)
        length = spec.seq_len
    groups = [_deviations(price_RC, origin_N, length)]
    groups += [_deviations(columns[name][:, None], origin_N, spec.seq_len) for name in spec.volumes]
    return np.stack(groups, axis=1)


def typical(spread_NG: np.ndarray) -> np.ndarray:
    """float64 (G,): the middle one of the spreads above 0 of each group; NaN where there is none."""
    return np.array([_middle(column[column > 0]) for column in spread_NG.T])


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


def _deviations(value_RC: np.ndarray, origin_N: np.ndarray, length: int) -> np.ndarray:
    """float64 (N,): population standard deviation of the ``length`` rows up to each origin, all columns together."""
    if not len(origin_N):
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(value_RC, length, axis=0)  # (R - length + 1, C, length)
    return np.concatenate([windows[rows].std(axis=(1, 2)) for rows in _chunks(origin_N, windows.shape)])


def _chunks(origin_N: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Rows of the windows that end at the origins, so many at a time as fit in memory easily."""
    _, width, length = shape
    size = max(1, _CHUNK // (width * length))
    for first in range(0, len(origin_N), size):
        yield origin_N[first : first + size] - length + 1
