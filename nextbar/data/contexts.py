"""Longer bars beside a window: the last closed ones of each context resolution, made from the series' own bars.

A longer bar counts for a row if it was over when that row's bar closed. It is whole, the bar before it is there too
(its returns begin with that one's close), and all of them lie among the last bars that a context looks back on, so
that a forecast is the same however much more history there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.bars.longer_bars import OF_BARS, LongerBars
from nextbar.data.scaling import Scale
from nextbar.data.statistics import Pair
from nextbar.resolution import seconds
from nextbar.types import Array, Context

if TYPE_CHECKING:
    from nextbar.data.series_fit import SeriesFit
    from nextbar.data.window_spec import WindowSpec

SPARE = 2
"""longer bars that a context looks back on beside those asked for: the one that is not over, one that is not whole"""

PREVIOUS = "previous"
"""column: the close of the bar before a longer one"""


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

    def cut(self, origin_B: np.ndarray, spec: WindowSpec) -> ContextTape:
        """That of the windows that end at the origins alone, each a series of L bars; on the host."""
        size, length = len(origin_B), spec.seq_len
        row_BJ = self.last_R[origin_B][:, None] + np.arange(1 - spec.context_len, 1)
        age_BJ = origin_B[:, None] - self.closed_U[row_BJ]
        closed_BJ = (np.arange(1, size + 1) * length - 1)[:, None] - age_BJ
        last_B = np.arange(1, size + 1) * spec.context_len - 1
        return ContextTape(
            self.rows_UX[row_BJ.reshape(-1)],
            closed_BJ.reshape(-1).astype(np.int32),
            np.repeat(last_B, length).astype(np.int32),
            np.repeat(self.known_R[origin_B], length),
        )

    def beside_R(self) -> np.ndarray:
        """float32 (R, X + 2): the last closed bar beside each row, how many there are, and how many rows ago it closed;
        0 where there is none. On the host."""
        ago_R = np.arange(len(self.last_R)) - self.closed_U[self.last_R]
        beside_RX = np.concatenate([self.rows_UX[self.last_R], np.stack([self.known_R, ago_R], axis=1)], axis=1)
        return np.where(self.known_R[:, None] > 0, beside_RX, 0).astype(np.float32)


class ClosedBars(NamedTuple):
    """Whole bars of a longer resolution of one series, and which of them have closed with each of its bars."""

    rows_UX: np.ndarray
    """float64: columns, and the number of bars that each is made of"""
    closed_U: np.ndarray
    """int64: row with which each has closed, ascending"""
    until_N: np.ndarray
    """int64: how many have closed with each row"""
    known_N: np.ndarray
    """int64: how many of the last J of these count"""


class Terms(NamedTuple):
    """What a window's numbers are told in, by which its context is told too."""

    scales: Sequence[Scale]
    """of each group"""
    references: Sequence[Pair]
    """of each group, (B,)"""
    deviation_B: Array
    """unit of log returns"""


def context_columns(spec: WindowSpec) -> tuple[str, ...]:
    """Columns of a longer bar; volume and trades are those of its mean bar."""
    previous = (PREVIOUS,) if spec.returns else ()
    return (*spec.prices[: spec.own_prices], *previous, *spec.volumes)


def context_width(spec: WindowSpec) -> int:
    """Numbers of a longer bar on the host."""
    return len(context_columns(spec)) + 1


def reach(longer: str, resolution: str, context_len: int) -> int:
    """Bars of a series, up to and with the origin, that so many bars of a longer resolution may come from."""
    return (context_len + SPARE) * (seconds(longer) // seconds(resolution))


def closed_bars(bars: Bars, calendar: Calendar, resolution: str, spec: WindowSpec) -> ClosedBars:
    """The whole bars of a longer resolution that the bars of a series make up, as far as they have closed."""
    longer = LongerBars.of(bars.time_N, bars.step, calendar, seconds(resolution))
    rows_UX = np.stack([*_columns(bars, longer, spec), longer.count_M], axis=1)
    # over by the clock, and so are the bars that it is made of
    closed_M = np.maximum(np.searchsorted(bars.close_time_N, longer.end_M), longer.last_M)
    kept_M = (longer.lacking_M == 0) & ~np.isnan(rows_UX).any(axis=1) & (longer.first_M > 0) & (closed_M < len(bars))
    closed_U, before_U = closed_M[kept_M], longer.first_M[kept_M] - 1
    row_N = np.arange(len(bars))
    until_N = np.searchsorted(closed_U, row_N, side="right")
    since_N = np.searchsorted(before_U, row_N - reach(resolution, bars.resolution, spec.context_len) + 1)
    known_N = np.clip(until_N - since_N, 0, spec.context_len)
    return ClosedBars(rows_UX[kept_M], closed_U, until_N, known_N)


def context_of(context: ContextTape, origin_B: Array, terms: Terms, spec: WindowSpec) -> Context:
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
        first_B = context.last_R[origin_B] - (size - 1)
        return jax.vmap(lambda first: jax.lax.dynamic_slice_in_dim(array_U, first, size))(first_B)

    rows_BJX = last(context.rows_UX)
    known_BJ = jnp.arange(size)[None] >= size - context.known_R[origin_B][:, None]
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


def _columns(bars: Bars, longer: LongerBars, spec: WindowSpec) -> Iterable[np.ndarray]:
    """float64 (M,) each: the columns of the longer bars."""
    for name in context_columns(spec):
        if name == PREVIOUS:
            yield bars.columns["close"][np.maximum(longer.first_M - 1, 0)]
            continue
        value_M = longer.aggregated(bars.columns[name], OF_BARS[name], whole=name in AMOUNTS)
        if name in AMOUNTS:
            value_M = value_M / longer.count_M
            yield np.log1p(value_M) if spec.returns else value_M
        else:
            yield value_M


def _returns(change_BJC: Array, last: Pair, columns: Sequence[str], size: int) -> Array:
    """Log of close, high, low and open over the close before, log range, and the path: log of the close over the last
    one, in units of what a random walk of so many longer bars goes."""
    import jax.numpy as jnp

    log_BJC = jnp.log1p(change_BJC / last.high[:, None, None])
    open_, high, low, close, previous = (log_BJC[..., columns.index(name)] for name in (*PRICES, PREVIOUS))
    path = close / np.sqrt(size)
    return jnp.stack([close - previous, high - previous, low - previous, open_ - previous, high - low, path], axis=-1)
