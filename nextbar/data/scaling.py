"""The six normalisations: statistics fitted on training bars, and their application to windows on the device.

Every mode is one affine map, ``x = (p - offset) / scale + shift``, whose offset and scale come from the window, from
the training span, or from nowhere (``none``). Prices are kept as a high and a low float32 part and only differences to
the window's last close are ever formed, so that a price of 60,000 that moves within 5 keeps all its digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.types import Array

NORM_MODES = ("window_minmax", "window_meanstd", "window_mean", "global_minmax", "global_meanstd", "none")
"""order gives each mode the number by which compiled code selects it"""

GLOBAL_MODES = frozenset({"global_minmax", "global_meanstd"})


class Statistics(NamedTuple):
    """What the training bars of one group of columns (prices together, volume, trades) say; float64."""

    minimum: float
    maximum: float
    mean: float
    std: float

    @classmethod
    def fit(cls, values: np.ndarray) -> Statistics:
        """Statistics over all elements of ``values`` but NaN; population standard deviation. Nothing left: all NaN."""
        known = values[~np.isnan(values)]
        if known.size == 0:
            return cls(np.nan, np.nan, np.nan, np.nan)
        return cls(*(float(f(known)) for f in (np.min, np.max, np.mean, np.std)))


class Pair(NamedTuple):
    """A float64 number as the unevaluated sum of two float32."""

    high: Array
    low: Array

    @classmethod
    def split(cls, values: np.ndarray) -> Pair:
        """Exact to about 48 bits of significand."""
        high = np.asarray(values, np.float64).astype(np.float32)
        return cls(high, (values - high.astype(np.float64)).astype(np.float32))

    def minus(self, other: Pair) -> Array:
        """The difference as one float32, accurate to float32 relative to the difference itself."""
        return (self.high - other.high) + (self.low - other.low)


class GlobalScale(NamedTuple):
    """Fitted statistics on the device, (S, G) each."""

    minimum: Pair
    mean: Pair
    range: Array
    std: Array

    @classmethod
    def stack(cls, statistics_SG: list[list[Statistics]]) -> GlobalScale:
        """Statistics of S series and G groups, ready for the device."""
        values = np.array(statistics_SG, np.float64)  # (S, G, 4)
        minimum, maximum, mean, std = np.moveaxis(values, -1, 0)
        return cls(
            Pair.split(minimum),
            Pair.split(mean),
            (maximum - minimum).astype(np.float32),
            std.astype(np.float32),
        )


class Scale(NamedTuple):
    """One affine map for each window, relative to a reference price of that window; (B,) each."""

    offset: Array
    """offset minus reference, in price units"""
    scale: Array
    """price units per normalised unit; never 0"""
    shift: Array

    def apply(self, difference_BLC: Array) -> Array:
        """Normalise prices given as differences to the reference."""
        offset, scale, shift = (a[:, None, None] for a in self)
        return (difference_BLC - offset) / scale + shift

    def invert(self, x_BLC: Array) -> Array:
        """Differences to the reference, in price units."""
        offset, scale, shift = (a[:, None, None] for a in self)
        return (x_BLC - shift) * scale + offset


def deviation(value_BLC: Array) -> Array:
    """(B,): population standard deviation of each window, all columns together."""
    import jax.numpy as jnp

    # in units of the range, since float32 has no room for the squares of very large and very small numbers
    range_B = jnp.max(value_BLC, axis=(1, 2)) - jnp.min(value_BLC, axis=(1, 2))
    unit_B = jnp.where(range_B == 0, 1.0, range_B)
    return unit_B * jnp.std(value_BLC / unit_B[:, None, None], axis=(1, 2))


def fit_windows(difference_BLC: Array, reference: Pair, fitted: GlobalScale, norm_mode: Array) -> Scale:
    """The map of each window under the mode of number ``norm_mode`` (traced: changing it compiles nothing).

    Args:
        difference_BLC: columns of one group minus the reference, float32.
        reference: the windows' reference value, (B,).
        fitted: training statistics of each window's series for this group, (B,).
        norm_mode: index into ``NORM_MODES``.
    """
    import jax.numpy as jnp

    low = jnp.min(difference_BLC, axis=(1, 2))
    spread = jnp.max(difference_BLC, axis=(1, 2)) - low
    mean = jnp.mean(difference_BLC, axis=(1, 2))
    std = deviation(difference_BLC)
    level = reference.high + mean
    zero, one = jnp.zeros_like(low), jnp.ones_like(low)
    # one column for each of NORM_MODES, in its order
    offsets = (
        low,
        mean,
        mean,
        fitted.minimum.minus(reference),
        fitted.mean.minus(reference),
        -reference.high,
    )
    scales = (spread, std, level, fitted.range, fitted.std, one)
    shifts = (zero, zero, one, zero, zero, zero)
    chosen = [jnp.stack(jnp.broadcast_arrays(*group))[norm_mode] for group in (offsets, scales, shifts)]
    # A group without any spread says nothing: its numbers become 0 and changes are told relative to its level.
    level = jnp.where(level == 0, 1.0, jnp.abs(level))
    flat = chosen[1] == 0
    return Scale(chosen[0], jnp.where(flat, level, chosen[1]), jnp.where(flat, 0.0, chosen[2]))
