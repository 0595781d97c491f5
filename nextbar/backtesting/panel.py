"""All series of an experiment as one table that can be cut at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.data.targets import outcomes
from nextbar.forecasts import Keys
from nextbar.types import Outcomes


@dataclass(frozen=True, eq=False)
class Panel:
    """The bars of S series. Rows count over all of them, end to end."""

    bars: tuple[Bars, ...]
    horizon: int
    naming: Naming
    """that of the experiment"""

    @property
    def several(self) -> bool:
        """True where the experiment has more than one resolution, whichever of them have bars."""
        return self.naming.implied is None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What reports call the series, as in :class:`nextbar.data.dataset.Dataset`."""
        return tuple(map(self.naming, self.bars))

    @cached_property
    def time_R(self) -> np.ndarray:
        """Opening times, seconds since the epoch."""
        return np.concatenate([b.time_N for b in self.bars])

    @cached_property
    def close_time_R(self) -> np.ndarray:
        """When each bar became known."""
        return np.concatenate([b.close_time_N for b in self.bars])

    @cached_property
    def close_R(self) -> np.ndarray:
        """Closes, float64."""
        return np.concatenate([b.columns["close"] for b in self.bars])

    @cached_property
    def series_R(self) -> np.ndarray:
        """Series of each row."""
        return np.repeat(np.arange(len(self.bars)), [len(b) for b in self.bars])

    def between(self, begin: int, end: int) -> list[Bars]:
        """The bars that close from ``begin`` on and before ``end``; series without any are left out."""
        parts = [b.between(begin - 1, end - 1) for b in self.bars]
        return [part for part in parts if len(part)]

    def frame(self, begin: int, end: int) -> Any:
        """The same bars as a long pandas frame: ``ticker``, (``resolution``,) ``date`` and the columns there are."""
        import pandas as pd

        parts = []
        for b in self.between(begin, end):
            keys = {"ticker": b.ticker} | ({"resolution": b.resolution} if self.several else {})
            parts.append(pd.DataFrame(keys | {"date": pd.to_datetime(b.time_N, unit="s", utc=True)} | b.columns))
        return pd.concat(parts, ignore_index=True)

    def rows(self, bars: Sequence[Bars], row_N: np.ndarray) -> np.ndarray:
        """Rows of some of these series, or of parts of them, as rows of the panel."""
        place = {(b.ticker, b.resolution): s for s, b in enumerate(self.bars)}
        starts = np.cumsum([0, *(len(b) for b in self.bars)])
        offsets = [
            starts[s] + np.searchsorted(self.bars[s].time_N, b.time_N[0])
            for b, s in ((b, place[b.ticker, b.resolution]) for b in bars)
        ]
        own = np.cumsum([0, *(len(b) for b in bars)])
        series_N = np.searchsorted(own, row_N, side="right") - 1
        return row_N - own[series_N] + np.array(offsets, np.int64)[series_N]

    def outcomes(self, row_N: np.ndarray) -> Outcomes:
        """What happened after the origins."""
        return outcomes(self.close_R, self.close_time_R, self.series_R, self.names, row_N, self.horizon)

    def keys(self, row_N: np.ndarray) -> Keys:
        """Which bars forecasts from the origins are about."""
        series_N = self.series_R[row_N]
        return Keys(
            np.array([b.ticker for b in self.bars], object)[series_N],
            np.array([b.resolution for b in self.bars], object)[series_N] if self.several else None,
            self.time_R[row_N],
            self.time_R[row_N[:, None] + np.arange(1, self.horizon + 1)],
            self.close_R[row_N],
        )
