"""Several folds as one: their forecasts end to end, and intervals adjusted by the residuals of each window's fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextbar.errors import DataError
from nextbar.metrics.conformal import Conformal
from nextbar.types import Forecast


def pooled(name: str, forecasts: Sequence[Forecast]) -> Forecast:
    """The forecasts of several folds, end to end.

    Raises:
        DataError: ``df`` or ``skew`` is given in some folds only.
    """
    for column in ("df", "skew"):
        if len({getattr(f.own, column) is None for f in forecasts}) > 1:
            raise DataError(
                f"{name}: there is a column {column} in some folds and none in others; give it in all, or in none"
            )
    kinds = {None if f.scales_NHM is None else (f.scales_NHM.shape[-1], *(a is None for a in f.law)) for f in forecasts}
    if len(kinds) > 1:
        raise DataError(f"{name}: its laws are mixtures of other kinds in some folds; give the same in all")
    return Forecast.joined(forecasts)


@dataclass(frozen=True)
class ByFold(Conformal):
    """Validation residuals of several fits: a window's interval is adjusted by those of the fit that forecast it."""

    parts: tuple[Conformal, ...]
    part_N: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[Conformal], part_N: np.ndarray) -> ByFold:
        """``part_N``: for each window the index into ``parts``."""
        fewest = min((part.pooled for part in parts), key=lambda residuals: residuals.count)
        return cls({}, fewest, tuple(parts), part_N)

    def interval(
        self, level: float, series_N: np.ndarray, names: Sequence[str], forecast: Forecast
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Conformal.interval``; the windows are those of ``part_N``, in that order."""
        ends = [
            part.interval(level, series_N[self.part_N == k], names, forecast.rows(self.part_N == k))
            for k, part in enumerate(self.parts)
        ]
        lo_NH, hi_NH = (np.concatenate(side) for side in zip(*ends, strict=True))
        return lo_NH, hi_NH
