"""Names of series: the one rule by which training, forecasts, evaluations, backtests and reports call them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from nextbar.config import DatasetConfig


class Series(Protocol):
    """Whatever belongs to one ticker at one resolution."""

    @property
    def ticker(self) -> str: ...
    @property
    def resolution(self) -> str: ...


@dataclass(frozen=True)
class Naming:
    """What the series of an experiment are called: the ticker, with its resolution where there are several.

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
        """As runs that saved no naming called their series: by the resolutions of the bars that were there."""
        resolutions = {bars.resolution for bars in series}
        return cls(resolutions.pop() if len(resolutions) == 1 else None)

    def __call__(self, series: Series) -> str:
        """The name of a series."""
        return series.ticker if series.resolution == self.implied else f"{series.ticker}_{series.resolution}"
