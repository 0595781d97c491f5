"""Equal-weight mixtures of laws of one family: density, distribution function, quantiles, CRPS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextbar.metrics.standard_laws import Normal, StandardLaw, located
from nextbar.types import Forecast

REACH = 7.0
"""the quadrature under the substitution x = center + unit sinh(t) goes from t = -REACH to REACH"""
UNITS = 100.0
"""of every law it is to reach beyond, where variances of F_m(x) have fallen below about 1e-9"""
STEPS = (0.5, 0.25, 0.1, 0.03, 0.01)
"""distances of its nodes: laws that agree take few, humps apart many"""
NODES, BLOCK = 10, 100
"""nodes of a panel, of laws too far apart or too different for that; mixtures that are worked on at once"""
DIGITS = 16.0
"""the logarithm by which its error is below the integral"""
ITERATIONS, PRECISION = 100, 1e-12
"""of the search for a quantile: at most so many steps, to so many standard deviations"""


@dataclass(frozen=True)
class Mixture:
    """N x H mixtures of M laws each, location + unit times a standard law; float64."""

    location_NHM: np.ndarray
    unit_NHM: np.ndarray
    law: StandardLaw
    """with parameters of the same shape"""

    @classmethod
    def of(cls, forecast: Forecast) -> Mixture:
        """The mixtures of forecasts that consist of several laws."""
        return cls(*located(forecast))

    def cdf(self, x_NH: np.ndarray) -> np.ndarray:
        """Share of the mixture at or below x."""
        return self.law.cdf(self._standard(x_NH)).mean(axis=-1)

    def sf(self, x_NH: np.ndarray) -> np.ndarray:
        """Share of the mixture above x."""
        return self.law.sf(self._standard(x_NH)).mean(axis=-1)

    def losses(self, x_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(nll, crps, cdf) at x.

        The CRPS is the mean of the laws' own less what their disagreement is worth, the integral of the variance of
        F_m(x) over the laws: the spread term of the mixture, integral F (1 - F), has that much more than the mean of
        theirs.
        """
        z_NHM = self._standard(x_NH)
        nll, crps, below = self.law.losses(z_NHM)
        count = z_NHM.shape[-1]
        nll_NH = np.log(count) - np.logaddexp.reduce(-nll - np.log(self.unit_NHM), axis=-1)
        crps_NH = (crps * self.unit_NHM).mean(axis=-1) - self.disagreement()
        return nll_NH, crps_NH, below.mean(axis=-1)

    def disagreement(self) -> np.ndarray:
        """Integral over x of the variance of F_m(x) over the laws, (N, H).

        Normal laws: half the mean of E|X_m - X_n| over all pairs, less half its mean over the pairs of a law with
        itself (Grimit, Gneiting, Berrocal and Johnson 2006, equation 5). Others: a quadrature.
        """
        if isinstance(self.law, Normal):
            return self._disagreement_of_normals()
        shape, count = self.location_NHM.shape[:-1], self.location_NHM.shape[-1]

        def flat(a_NHM: np.ndarray) -> np.ndarray:
            return a_NHM.reshape(-1, count)

        flat_law = self.law.map(flat)
        return _disagreement_by_quadrature(flat(self.location_NHM), flat(self.unit_NHM), flat_law).reshape(shape)

    def quantile(self, share: float) -> np.ndarray:
        """What the mixture stays below with this probability, (N, H): Newton's steps, halving where they lead out.

        It lies between the lowest and the highest of the laws' own.
        """
        own_NHM = self.location_NHM + self.unit_NHM * self.law.ppf(share)
        low_NH, high_NH, x_NH = own_NHM.min(axis=-1), own_NHM.max(axis=-1), own_NHM.mean(axis=-1)
        tolerance_NH = PRECISION * self.unit_NHM.mean(axis=-1)
        for _ in range(ITERATIONS):
            z_NHM = self._standard(x_NH)
            excess_NH = self.law.cdf(z_NHM).mean(axis=-1) - share
            low_NH, high_NH = np.where(excess_NH < 0, x_NH, low_NH), np.where(excess_NH < 0, high_NH, x_NH)
            with np.errstate(divide="ignore", invalid="ignore"):
                next_NH = x_NH - excess_NH / (np.exp(-self.law.nll(z_NHM)) / self.unit_NHM).mean(axis=-1)
            inside = (next_NH >= low_NH) & (next_NH <= high_NH)
            former_NH, x_NH = x_NH, np.where(inside, next_NH, (low_NH + high_NH) / 2)
            if (np.abs(x_NH - former_NH) <= tolerance_NH).all():
                break
        return x_NH

    def _standard(self, x_NH: np.ndarray) -> np.ndarray:
        return (x_NH[..., None] - self.location_NHM) / self.unit_NHM

    def _disagreement_of_normals(self) -> np.ndarray:
        total_NH = np.zeros(self.location_NHM.shape[:-1])
        count = self.location_NHM.shape[-1]
        for m in range(count):
            for n in range(m):
                variance = self.unit_NHM[..., m] ** 2 + self.unit_NHM[..., n] ** 2
                mean = self.location_NHM[..., m] - self.location_NHM[..., n]
                total_NH += _mean_size(mean, np.sqrt(variance))
        # both orders of a pair, less as much of each law with itself as the pairs of the mean leave out
        own_NH = 2 / np.sqrt(np.pi) * self.unit_NHM.sum(axis=-1)
        return (total_NH - (count - 1) / 2 * own_NH) / count**2


def _disagreement_by_quadrature(location_EM: np.ndarray, unit_EM: np.ndarray, law: StandardLaw) -> np.ndarray:
    """Integral of the variance of F_m over the laws, for E mixtures, by the trapezoidal rule under x = c + u sinh(t).

    The variance falls faster than 1/x^4 and is analytic but at the laws' singularities, so that the error falls with
    exp(-2 pi d / step), d the distance of the nearest such t from the real line (Trefethen and Weideman 2014). What a
    kink adds to it, see ``_of_kinks``, falls with the sixth power of step / (2 pi d): to about 1e-8 of a deviation.
    Where that would take a shorter step, or end before a law does, see ``_by_panels``.
    """
    center_E, scale_E = location_EM.mean(axis=-1), np.exp(np.log(unit_EM).mean(axis=-1))
    with np.errstate(invalid="ignore"):
        singular_EM = (location_EM - center_E[:, None] + law.singularity() * unit_EM) / scale_E[:, None]
        needed_E = 2 * np.pi * np.arcsinh(singular_EM).imag.min(axis=-1) / DIGITS
    if law.kink() is not None:
        needed_E = needed_E / 2
    ends_E = (np.abs(location_EM - center_E[:, None]) + UNITS * unit_EM).max(axis=1)
    needed_E = np.where(ends_E > np.sinh(REACH) * scale_E, 0.0, needed_E)
    total_E = np.full(len(center_E), np.nan)
    is_law_E = (np.isfinite(location_EM) & np.isfinite(unit_EM) & (unit_EM > 0)).all(axis=1)
    far_N = np.flatnonzero((needed_E < STEPS[-1]) & is_law_E)
    for start in range(0, len(far_N), BLOCK):
        rows = far_N[start : start + BLOCK]
        total_E[rows] = _by_panels(location_EM[rows], unit_EM[rows], law.map(lambda a, rows=rows: a[rows]))  # type: ignore[misc]
    wider = np.inf
    for step in STEPS:
        rows = np.flatnonzero((needed_E >= step) & (needed_E < wider))
        wider = step
        if not len(rows):
            continue
        variance_E, law_rows = np.zeros(len(rows)), law.map(lambda a, rows=rows: a[rows])  # type: ignore[misc]
        for t in np.arange(-round(REACH / step), round(REACH / step) + 1) * step:
            x_E1 = (center_E[rows] + scale_E[rows] * np.sinh(t))[:, None]
            variance_E += law_rows.cdf((x_E1 - location_EM[rows]) / unit_EM[rows]).var(axis=-1) * np.cosh(t)
        total_E[rows] = variance_E * scale_E[rows] * step
        total_E[rows] += _of_kinks(location_EM[rows], unit_EM[rows], law_rows, center_E[rows], scale_E[rows], step)
    return total_E


def _by_panels(location_EM: np.ndarray, unit_EM: np.ndarray, law: StandardLaw) -> np.ndarray:
    """The integral of ``_disagreement_by_quadrature`` by Gauss's and Legendre's rule on panels, for any laws.

    With z a law's singularity and w = Im z, or its unit where that is less, panels end at Re z + w sinh(k), k whole
    numbers or a little closer, for every law. So a panel is not much longer than its distance from any singularity, and
    the error falls with 4^(-2 NODES); and a law's kink, at Re z, is an end. Their number grows with the logarithm of
    distances and of ratios of units.
    """
    singular_EM = law.singularity()
    mode_EM, width_EM = location_EM + unit_EM * singular_EM.real, unit_EM * np.minimum(singular_EM.imag, 1.0)
    reach_E = np.ptp(location_EM, axis=1) + np.sinh(REACH) * unit_EM.max(axis=1)
    last_EM = np.arcsinh(reach_E[:, None] / width_EM)
    count = int(np.ceil(last_EM.max()))
    of_law_EMK = width_EM[..., None] * np.sinh(last_EM[..., None] * np.arange(-count, count + 1) / count)
    ends_EK = np.sort((mode_EM[..., None] + of_law_EMK).reshape(len(mode_EM), -1), axis=1)
    middle_EK, half_EK = (ends_EK[:, 1:] + ends_EK[:, :-1]) / 2, np.diff(ends_EK) / 2
    law_E1M, total_E = law.map(lambda a_EM: a_EM[:, None]), np.zeros(len(ends_EK))
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        x_EK1 = (middle_EK + node * half_EK)[..., None]
        variance_EK = law_E1M.cdf((x_EK1 - location_EM[:, None]) / unit_EM[:, None]).var(axis=-1)
        total_E += weight * (variance_EK * half_EK).sum(axis=1)
    return total_E


def _of_kinks(
    location_EM: np.ndarray,
    unit_EM: np.ndarray,
    law: StandardLaw,
    center_E: np.ndarray,
    scale_E: np.ndarray,
    step: float,
) -> np.ndarray:
    """What the trapezoidal rule of ``_disagreement_by_quadrature`` lacks for the laws' kinks, (E,).

    By the formula of Euler and Maclaurin on either side of a kink: a jump of the k-th derivative of the integrand, a
    share q of the step before the next node, adds step^(k + 1) B_(k + 1)(q) / (k + 1)! of it; here for k = 3 and 4.
    """
    missing_E, kink = np.zeros(len(center_E)), law.kink()
    if kink is None:
        return missing_E
    mode_EM, jump_EM = kink
    for m in range(location_EM.shape[1]):
        x_E = location_EM[:, m] + unit_EM[:, m] * mode_EM[:, m]
        z_EM = (x_E[:, None] - location_EM) / unit_EM
        share_EM, density_EM = law.cdf(z_EM), np.exp(-law.nll(z_EM)) / unit_EM
        jump_E = 2 / location_EM.shape[1] * jump_EM[:, m] / unit_EM[:, m] ** 3
        third_E = jump_E * (share_EM[:, m] - share_EM.mean(axis=1))  # of the variance, by x
        fourth_E = 4 * jump_E * (density_EM[:, m] - density_EM.mean(axis=1))
        t_E = np.arcsinh((x_E - center_E) / scale_E)
        slope_E, bend_E = scale_E * np.cosh(t_E), scale_E * np.sinh(t_E)  # of x by t
        q_E = np.ceil(t_E / step) - t_E / step
        of_third_E = q_E**4 - 2 * q_E**3 + q_E**2 - 1 / 30
        of_fourth_E = q_E**5 - 5 / 2 * q_E**4 + 5 / 3 * q_E**3 - q_E / 6
        missing_E += step**4 / 24 * of_third_E * third_E * slope_E**4
        missing_E += step**5 / 120 * of_fourth_E * (fourth_E * slope_E**5 + 10 * third_E * slope_E**3 * bend_E)
    return missing_E


def _mean_size(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E|X| of a normal X."""
    z = np.abs(mean / deviation)
    nll, _, below = Normal().losses(z)
    return deviation * (z * (2 * below - 1) + 2 * np.exp(-nll))
