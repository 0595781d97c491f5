"""Axis R: the bars of several series end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.data.range_har.ranges import has_ranges, range_variances
from nextbar.data.targets import outcomes, realised
from nextbar.machine.long_arrays import empty
from nextbar.types import Outcomes


@dataclass(frozen=True, eq=False)
class Panel:
    """The bars of S series end to end; a row is the number of a bar over all of them."""

    bars: tuple[Bars, ...]
    horizon: int
    """H, bars after an origin that its outcome is made of"""
    naming: Naming
    """that of the experiment"""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the series in reports."""
        return tuple(map(self.naming, self.bars))

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 (S + 1,): row of the first bar of each series, and the number of rows."""
        return np.cumsum([0, *(len(b) for b in self.bars)])

    @cached_property
    def time_R(self) -> np.ndarray:
        """Opening time of each bar, seconds since the epoch."""
        return self.per_bar(lambda b: b.time_N)

    @cached_property
    def close_time_R(self) -> np.ndarray:
        """Closing time of each bar, when it becomes known; seconds since the epoch."""
        return self.per_bar(lambda b: b.close_time_N)

    @cached_property
    def close_R(self) -> np.ndarray:
        """Closes, float64."""
        return self.per_bar(lambda b: b.columns["close"])

    @cached_property
    def series_R(self) -> np.ndarray:
        """int32: number of the series of each row."""
        return self.per_series(np.arange(len(self.bars), dtype=np.int32))

    def per_bar(self, values: Callable[[Bars], np.ndarray]) -> np.ndarray:
        """(R, ...): values of the bars of each series, one after the other."""
        return self.end_to_end(values(b) for b in self.bars)

    def end_to_end(self, parts: Iterable[np.ndarray], dtype: DTypeLike | None = None) -> np.ndarray:
        """(R, ...): the part of each series, one after the other; of those that an iterator makes, one at a time.

        Their type is that of the first where none is given.
        """
        whole: np.ndarray | None = None
        for part, start in zip(parts, self.starts[:-1], strict=True):
            if whole is None:
                whole = empty((self.starts[-1], *part.shape[1:]), part.dtype if dtype is None else dtype)
            whole[start : start + len(part)] = part
        assert whole is not None  # there is no panel without series
        return whole

    def per_series(self, value_S: Sequence[int] | np.ndarray) -> np.ndarray:
        """(R,): one value of each series, for all its rows."""
        return np.repeat(np.asarray(value_S), [len(b) for b in self.bars])

    def join(self, row_SN: Sequence[np.ndarray]) -> np.ndarray:
        """int32: rows over all series of bars counted within each series."""
        shifted = [(row_N + start).astype(np.int32) for row_N, start in zip(row_SN, self.starts[:-1], strict=True)]
        return np.concatenate([np.empty(0, np.int32), *shifted])

    def within(self, row_N: np.ndarray, s: int) -> np.ndarray:
        """The rows that are bars of one series, counted within it."""
        start, end = self.starts[s], self.starts[s + 1]
        return row_N[(row_N >= start) & (row_N < end)] - start

    def outcomes(self, origin_N: np.ndarray) -> Outcomes:
        """What happened in the H bars after the origins."""
        return outcomes(self.close_R, self.close_time_R, self.series_R, self.names, origin_N, self.horizon)

    def realised_variance(self, origin_N: np.ndarray) -> np.ndarray:
        """Variance of the log return from the origins over 1 ... H bars by ranges and opening gaps, (N, H).

        NaN for series without open, high and low, or with a price that is not above zero.
        """
        variance_R = self.per_bar(
            lambda b: range_variances(b.columns) if has_ranges(b.columns) else np.full(len(b), np.nan)
        )
        return realised(variance_R, origin_N, self.horizon)
