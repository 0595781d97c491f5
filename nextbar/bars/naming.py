"""Names of series, the same in training, forecasts, evaluations, backtests and reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from nextbar.config import DatasetConfig


class Series(Protocol):
    """Anything with a ticker and a resolution."""

    @property
    def ticker(self) -> str: ...
    @property
    def resolution(self) -> str: ...


@dataclass(frozen=True)
class Naming:
    """Names of an experiment's series: the ticker, with its resolution where there are several.

    The configuration decides, not the bars at hand, so that a series has the same name whichever others are there.
    """

    implied: str | None
    """the resolution that goes without saying; None: every name carries its own"""

    @classmethod
    def of(cls, config: DatasetConfig) -> Naming:
        """The naming of an experiment on this data."""
        return cls(config.resolutions[0] if len(config.resolutions) == 1 else None)

    @classmethod
    def of_bars(cls, series: Iterable[Series]) -> Naming:
        """The naming of runs that saved none: by the resolutions of their bars."""
        resolutions = {bars.resolution for bars in series}
        return cls(resolutions.pop() if len(resolutions) == 1 else None)

    def __call__(self, series: Series) -> str:
        """The name of a series."""
        return series.ticker if series.resolution == self.implied else f"{series.ticker}_{series.resolution}"
