"""Statistics of the training bars, and prices as pairs of float32, as the device keeps them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.types import Array


class Statistics(NamedTuple):
    """Statistics of the training bars of one group of columns (prices together, volume, trades), or of an own column;
    float64."""

    minimum: float
    maximum: float
    mean: float
    std: float

    @classmethod
    def fit(cls, values: np.ndarray) -> Statistics:
        """Statistics over all elements of ``values`` but NaN; population standard deviation. Nothing left: all NaN."""
        empty = np.isnan(values)
        numbers = values[~empty] if empty.any() else values.ravel()
        if numbers.size == 0:
            return UNKNOWN
        return cls(*(float(f(numbers)) for f in (np.min, np.max, np.mean, np.std)))


UNKNOWN = Statistics(np.nan, np.nan, np.nan, np.nan)
"""those of no value at all"""


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
