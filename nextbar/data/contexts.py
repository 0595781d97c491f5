"""Contexts: the last closed bars of longer resolutions beside a window, in the window's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.data.closed_bars import PREVIOUS, closed_bars, context_columns, context_width
from nextbar.data.scaling import Scale
from nextbar.data.statistics import Pair
from nextbar.types import Array, Context

if TYPE_CHECKING:
    from nextbar.data.series_fit import SeriesFit
    from nextbar.data.window_spec import WindowSpec


class ContextTape(NamedTuple):
    """Closed bars of one longer resolution of all series, end to end, on the device."""

    rows_UX: Array
    """high parts of the columns, low parts, and the number of bars that each is made of; float32. The first J rows
    are empty, so that every window has J before it"""
    closed_U: Array
    """row of the bars with which each has closed, int32"""
    last_R: Array
    """the last one that has closed with each bar, int32"""
    known_R: Array
    """how many of the J up to it there are, int32"""

    @classmethod
    def of(cls, bars: Sequence[Bars], fits: Sequence[SeriesFit], resolution: str, spec: WindowSpec) -> ContextTape:
        """The context of one resolution, on the host; ``fits`` go with ``bars``."""
        rows, closed = [np.zeros((spec.context_len, context_width(spec)))], [np.zeros(spec.context_len)]
        last, known, size, start = [], [], spec.context_len, 0
        for b, fit in zip(bars, fits, strict=True):
            longer = closed_bars(b, fit.calendar, resolution, spec)
            last.append(size - 1 + longer.until_N)
            known.append(longer.known_N)
            rows.append(longer.rows_UX)
            closed.append(start + longer.closed_U)
            size, start = size + len(longer.rows_UX), start + len(b)
        pair = Pair.split(np.concatenate(rows))
        n = pair.high.shape[1] - 1
        return cls(
            np.concatenate([pair.high[:, :n], pair.low[:, :n], pair.high[:, n:]], axis=1),
            *(np.concatenate(parts).astype(np.int32) for parts in (closed, last, known)),
        )

    @classmethod
    def blank(cls, rows: int, spec: WindowSpec) -> ContextTape:
        """One without any longer bar, beside so many rows."""
        width, size = 2 * context_width(spec) - 1, spec.context_len
        return cls(
            np.zeros((size, width), np.float32),
            np.zeros(size, np.int32),
            np.full(rows, size - 1, np.int32),
            np.zeros(rows, np.int32),
        )

    def cut(self, origin_B: np.ndarray, own_B: np.ndarray, spec: WindowSpec) -> ContextTape:
        """That of the windows that end at the origins alone, on an excerpt where they end at rows ``own_B``; on the
        host."""
        row_BJ = self.last_R[origin_B][:, None] + np.arange(1 - spec.context_len, 1)
        closed_BJ = own_B[:, None] - (origin_B[:, None] - self.closed_U[row_BJ])
        return ContextTape(
            self.rows_UX[row_BJ.reshape(-1)],
            closed_BJ.reshape(-1).astype(np.int32),
            np.arange(1, len(origin_B) + 1, dtype=np.int32) * spec.context_len - 1,
            self.known_R[origin_B],
        )

    def beside_R(self) -> np.ndarray:
        """float32 (R, X + 2): the last closed bar beside each row, how many there are, and how many rows ago it closed;
        0 where there is none. On the host."""
        ago_R = np.arange(len(self.last_R)) - self.closed_U[self.last_R]
        beside_RX = np.concatenate([self.rows_UX[self.last_R], np.stack([self.known_R, ago_R], axis=1)], axis=1)
        return np.where(self.known_R[:, None] > 0, beside_RX, 0).astype(np.float32)


class Terms(NamedTuple):
    """Units of a window's numbers, which those of its context share."""

    scales: Sequence[Scale]
    """of each group"""
    references: Sequence[Pair]
    """of each group, (B,)"""
    deviation_B: Array
    """unit of log returns"""


def context_of(context: ContextTape, origin_B: Array, entry_B: Array, terms: Terms, spec: WindowSpec) -> Context:
    """The context of the windows that end at the origins, inside compiled code.

    Prices, volume and trades go through the maps of their window, so they are told in its terms. Returns are told in
    units of what a random walk goes in as many bars as each is made of. The last number says how long ago a bar has
    closed: the logarithm of the bars since, in units of those that it is made of, and one.
    """
    import jax
    import jax.numpy as jnp

    size, columns = spec.context_len, context_columns(spec)
    n = len(columns)

    def last(array_U: Array) -> Array:
        first_B = context.last_R[entry_B] - (size - 1)
        return jax.vmap(lambda first: jax.lax.dynamic_slice_in_dim(array_U, first, size))(first_B)

    rows_BJX = last(context.rows_UX)
    known_BJ = jnp.arange(size)[None] >= size - context.known_R[entry_B][:, None]
    bars_BJ = jnp.where(known_BJ, rows_BJX[..., -1], 1.0)
    pair = Pair(rows_BJX[..., :n], rows_BJX[..., n : 2 * n])
    prices = n - len(spec.volumes)
    groups = [slice(prices), *(slice(i, i + 1) for i in range(prices, n))]
    difference = [
        Pair(*(part[..., group] for part in pair)).minus(Pair(*(part[:, None, None] for part in reference)))
        for group, reference in zip(groups, terms.references, strict=True)
    ]
    if spec.returns:
        unit_BJ = terms.deviation_B[:, None] * jnp.sqrt(bars_BJ)
        own = _returns(difference[0], terms.references[0], columns, size) / unit_BJ[..., None]
    else:
        own = terms.scales[0].apply(difference[0])
    others = [scale.apply(group) for scale, group in zip(terms.scales[1:], difference[1:], strict=True)]
    age_BJ = jnp.log1p((origin_B[:, None] - last(context.closed_U)) / bars_BJ)
    x_BJF = jnp.concatenate([own, *others, age_BJ[..., None]], axis=-1)
    return Context(jnp.where(known_BJ[..., None], x_BJF, 0.0), known_BJ)


def _returns(change_BJC: Array, last: Pair, columns: Sequence[str], size: int) -> Array:
    """Log of close, high, low and open over the close before, log range, and the path: log of the close over the last
    one, in units of what a random walk of so many longer bars goes."""
    import jax.numpy as jnp

    log_BJC = jnp.log1p(change_BJC / last.high[:, None, None])
    open_, high, low, close, previous = (log_BJC[..., columns.index(name)] for name in (*PRICES, PREVIOUS))
    path = close / np.sqrt(size)
    return jnp.stack([close - previous, high - previous, low - previous, open_ - previous, high - low, path], axis=-1)
