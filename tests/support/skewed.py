"""An independent skewed Student-t law: that of the package arch, with the methods of scipy's laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from arch.univariate import SkewStudent


@dataclass(frozen=True)
class SkewedLaw:
    """Hansen's law of that mean and standard deviation."""

    df: float
    skew: float
    location: float = 0.0
    scale: float = 1.0

    @property
    def args(self) -> tuple[float, ...]:
        return self.df, self.skew, self.location, self.scale

    def logpdf(self, x: Any) -> np.ndarray:
        z = (np.atleast_1d(np.asarray(x, float)) - self.location) / self.scale
        logs = SkewStudent().loglikelihood([self.df, self.skew], z.reshape(-1), np.ones(z.size), individual=True)
        return np.asarray(logs).reshape(np.shape(x)) - np.log(self.scale)

    def pdf(self, x: Any) -> np.ndarray:
        return np.exp(self.logpdf(x))

    def cdf(self, x: Any) -> np.ndarray:
        z = (np.atleast_1d(np.asarray(x, float)) - self.location) / self.scale
        return np.asarray(SkewStudent().cdf(z.reshape(-1), [self.df, self.skew])).reshape(np.shape(x))

    def ppf(self, share: float) -> float:
        return self.location + self.scale * float(SkewStudent().ppf(share, [self.df, self.skew]))
