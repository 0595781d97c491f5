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
    def ppf(self, share: float | np.ndarray) -> np.ndarray:
        """Inverse of ``cdf``, of one share for all laws or of one for each."""

    @abstractmethod
    def singularity(self) -> np.ndarray:
        """Where in the complex plane the distribution function ceases to be analytic, nearest to the real line."""

    def kink(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where the third derivative of the distribution function jumps, and by how much; None: nowhere."""
        return None

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

    def ppf(self, share: float | np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return np.asarray(ndtri(share))

    def singularity(self) -> np.ndarray:
        return np.asarray(complex(0, np.inf))


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

    def ppf(self, share: float | np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self.df, share))

    def singularity(self) -> np.ndarray:
        return np.asarray(1j * np.sqrt(self.df))


@dataclass(frozen=True)
class SkewT(StandardLaw):
    """Skewed Student-t laws of variance 1 (Hansen 1994, "Autoregressive conditional density estimation").

    Y = a + b Z has mode 0 and the density of a Student-t of variance 1 that is (1 - skew) as wide below it and
    (1 + skew) as wide above; a is the mean of Y and b its standard deviation. With skew 0 it is the Student-t.
    """

    df: np.ndarray
    """degrees of freedom, above 2"""
    skew: np.ndarray
    """between -1 and 1; below zero falls reach further than rises"""

    def unit(self, scale: np.ndarray) -> np.ndarray:
        """The scale; NaN where there is no such law."""
        return np.where((self.df > 2) & (np.abs(self.skew) < 1), scale, np.nan)

    def nll(self, z: np.ndarray) -> np.ndarray:
        t, _, _ = self._halves(z)
        return np.asarray(StudentT(self.df).nll(t) + np.log(self._narrowing()) - np.log(self._spread()))

    def losses(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """CRPS: of Y at y, over b, by integration of either half as that of a truncated Student-t (Jordan, Krueger and
        Lerch 2019): d (1 - 2 P) -+ a + 2 w^2 m - (1 + 3 skew^2) s + skew a, with d the distance of y from 0, w the
        width of its half, P the probability of what lies further out, m the integral of t over the tail of the
        Student-t beyond d / w, s half of the mean distance of two of its draws.
        """
        t, width, above = self._halves(z)
        law, narrowing, mean = StudentT(self.df), self._narrowing(), self._mean()
        tail = narrowing * np.exp(-law.nll(t)) * (self.df + t**2) / (self.df - 1)
        outer = width * law.cdf(-np.abs(t))
        crps = (
            np.abs(t) * width * narrowing * (1 - 2 * outer)
            + np.where(above, -mean, mean)
            + 2 * width**2 * tail
            - (1 + 3 * self.skew**2) * narrowing * law.spacing()
            + self.skew * mean
        ) / self._spread()
        return self.nll(z), crps, np.where(above, 1 - outer, outer)

    def cdf(self, z: np.ndarray) -> np.ndarray:
        t, width, above = self._halves(z)
        outer = width * StudentT(self.df).cdf(-np.abs(t))
        return np.where(above, 1 - outer, outer)

    def sf(self, z: np.ndarray) -> np.ndarray:
        return SkewT(self.df, -self.skew).cdf(-z)

    def ppf(self, share: float | np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        below = share < (1 - self.skew) / 2
        width = np.where(below, 1 - self.skew, 1 + self.skew)
        t = stdtrit(self.df, np.where(below, share, 1 - share) / width)  # at most 0
        return np.asarray((np.where(below, t, -t) * width * self._narrowing() - self._mean()) / self._spread())

    def singularity(self) -> np.ndarray:
        reach = (1 - np.abs(self.skew)) * np.sqrt(self.df - 2)
        return np.asarray((1j * reach - self._mean()) / self._spread())

    def kink(self) -> tuple[np.ndarray, np.ndarray]:
        mean, spread = self._mean(), self._spread()
        height = np.exp(-StudentT(self.df).nll(np.zeros(()))) / self._narrowing()
        bend = (1 + self.skew) ** -2 - (1 - self.skew) ** -2
        return -mean / spread, -(spread**3) * height * (self.df + 1) / (self.df - 2) * bend

    def _halves(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where z lies in the Student-t of its half, the width of that half, and whether it is the upper one."""
        y = self._mean() + self._spread() * z
        above = y >= 0
        width = np.where(above, 1 + self.skew, 1 - self.skew)
        return y / (width * self._narrowing()), width, above

    def _narrowing(self) -> np.ndarray:
        """What a Student-t is multiplied by to have variance 1."""
        return np.asarray(np.sqrt((self.df - 2) / self.df))

    def _mean(self) -> np.ndarray:
        """a: 4 skew times the integral of t over the upper half of a Student-t of variance 1."""
        from scipy.special import betaln

        return np.asarray(4 * self.skew * np.sqrt(self.df - 2) / (self.df - 1) * np.exp(-betaln(0.5, 0.5 * self.df)))

    def _spread(self) -> np.ndarray:
        """b."""
        return np.asarray(np.sqrt(1 + 3 * self.skew**2 - self._mean() ** 2))


def located(forecast: Forecast) -> tuple[np.ndarray, np.ndarray, StandardLaw]:
    """Location, unit and standard law of forecasts, each law being that of location + unit Z.

    (N, H), and of mixtures (N, H, M); float64.
    """
    location, scale, df, skew = (None if a is None else np.asarray(a, np.float64) for a in forecast.law)
    assert location is not None and scale is not None
    law = Normal() if df is None else StudentT(df) if skew is None else SkewT(df, skew)
    return location, law.unit(scale), law
