"""All series of an experiment end to end, to be cut at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.data.panel import Panel
from nextbar.forecasts import Keys


@dataclass(frozen=True, eq=False)
class BacktestPanel(Panel):
    """The panel of a backtest, whose predictors get it as a frame until an instant."""

    @property
    def several(self) -> bool:
        """Whether the experiment has more than one resolution, whichever of them have bars."""
        return self.naming.implied is None

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
        offsets = [
            self.starts[s] + np.searchsorted(self.bars[s].time_N, b.time_N[0])
            for b, s in ((b, place[b.ticker, b.resolution]) for b in bars)
        ]
        parts = Panel(tuple(bars), self.horizon, self.naming)
        series_N = parts.series_R[row_N]
        return row_N - parts.starts[series_N] + np.array(offsets, np.int64)[series_N]

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
