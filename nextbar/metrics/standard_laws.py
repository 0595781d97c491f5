"""Standard laws: their negative log density, CRPS, distribution function and quantiles.

Parameters and z are float64 arrays of shapes that go together. A further law is a class here and a line in ``located``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from nextbar.types import Forecast


class StandardLaw(ABC):
    """A law of mean 0."""

    @abstractmethod
    def unit(self, scale: np.ndarray) -> np.ndarray:
        """What it is multiplied by to have this standard deviation."""

    @abstractmethod
    def nll(self, z: np.ndarray) -> np.ndarray:
        """Negative log density at z."""

    @abstractmethod
    def losses(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(nll, crps, cdf) at z."""

    @abstractmethod
    def cdf(self, z: np.ndarray) -> np.ndarray:
        """Probability of at most z."""

    def sf(self, z: np.ndarray) -> np.ndarray:
        """Probability of more than z, with all its digits far up; here of a law that its mirror image equals."""
        return self.cdf(-z)

    @abstractmethod
    def ppf(self, share: float) -> np.ndarray | float:
        """Inverse of ``cdf``; of the normal law one number."""

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """The laws whose parameters are what ``change`` makes of these, such as some of them, or in another shape."""
        return type(self)(*(change(getattr(self, field.name)) for field in fields(self)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Normal(StandardLaw):
    """The standard normal law."""

    def unit(self, scale: np.ndarray) -> np.ndarray:
        return scale

    def nll(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 * z**2 + 0.5 * np.log(2 * np.pi))

    def losses(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """CRPS: z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi) (Gneiting and Raftery 2007, equation 21)."""
        nll, larger = self.nll(z), self.cdf(np.abs(z))
        crps = np.abs(z) * (2 * larger - 1) + 2 * np.exp(-nll) - 1 / np.sqrt(np.pi)
        return nll, crps, np.where(z < 0, 1 - larger, larger)

    def cdf(self, z: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        return np.asarray(ndtr(z))

    def ppf(self, share: float) -> float:
        from scipy.special import ndtri

        return float(ndtri(share))


@dataclass(frozen=True)
class StudentT(StandardLaw):
    """Student-t laws of variance df / (df - 2)."""

    df: np.ndarray
    """degrees of freedom, above 2; the density needs them above 0, the CRPS above 1"""

    def unit(self, scale: np.ndarray) -> np.ndarray:
        return np.asarray(scale * np.sqrt((self.df - 2) / self.df))

    def nll(self, z: np.ndarray) -> np.ndarray:
        from scipy.special import betaln

        df = self.df
        return np.asarray(0.5 * np.log(df) + betaln(0.5, 0.5 * df) + 0.5 * (df + 1) * np.log1p(z**2 / df))

    def losses(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """CRPS: z (2 F(z) - 1) + 2 f(z) (df + z^2)/(df - 1) - half of E|Z - Z'|, see ``spacing``."""
        df = self.df
        nll, larger = self.nll(z), self.cdf(np.abs(z))
        crps = np.abs(z) * (2 * larger - 1) + 2 * np.exp(-nll) * (df + z**2) / (df - 1) - self.spacing()
        return nll, crps, np.where(z < 0, 1 - larger, larger)

    def spacing(self) -> np.ndarray:
        """Half of E|Z - Z'|: 2 sqrt(df)/(df - 1) B(1/2, df - 1/2)/B(1/2, df/2)^2.

        Jordan, Krueger and Lerch 2019, "Evaluating probabilistic forecasts with scoringRules", appendix A.
        """
        from scipy.special import betaln

        df = self.df
        ratio = np.exp(betaln(0.5, df - 0.5) - 2 * betaln(0.5, 0.5 * df))
        return np.asarray(2 * np.sqrt(df) / (df - 1) * ratio)

    def cdf(self, z: np.ndarray) -> np.ndarray:
        from scipy.special import stdtr

        return np.asarray(stdtr(self.df, z))

    def ppf(self, share: float) -> np.ndarray:
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self.df, share))

    def singularity(self) -> np.ndarray:
        """Where in the complex plane the distribution function ceases to be analytic, nearest to the real line."""
        return np.asarray(1j * np.sqrt(self.df))


def located(forecast: Forecast) -> tuple[np.ndarray, np.ndarray, StandardLaw]:
    """Location, unit and standard law of forecasts, each law being that of location + unit Z.

    (N, H), and of mixtures (N, H, M); float64.
    """
    location, scale, df = (None if a is None else np.asarray(a, np.float64) for a in forecast.law)
    assert location is not None and scale is not None
    law = Normal() if df is None else StudentT(df)
    return location, law.unit(scale), law
