"""Mixtures of laws: density, distribution function, quantiles and CRPS beside scipy's integrals and draws."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from skewed import SkewedLaw

from nextbar.metrics.calibration import calibration_report, pit
from nextbar.metrics.density import elements, mass_below, quantile
from nextbar.metrics.mixtures import Mixture
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast, Outcomes, Reference

AGREEING = ((0.0, 1.0, 5.0), (0.1, 1.1, 6.0), (-0.05, 0.9, 4.0))
BESIDE = ((-0.6, 1.0, 8.0), (0.7, 1.2, 9.0))
HUMPS = ((-3.0, 0.5, 3.0), (4.0, 1.0, 2.2), (0.0, 2.0, 30.0))
"""(location, standard deviation, degrees of freedom) of three laws"""
SYMMETRICAL = [(laws, tail) for laws in (AGREEING, HUMPS) for tail in ("normal", "student_t")]
CASES = [*SYMMETRICAL, (AGREEING, "skew_t"), (HUMPS, "skew_t")]
SKEW = (-0.12, 0.3, -0.5)
TASK = Task(output_mode="distribution", target="log_return")


def scipy_laws(laws, tail):
    if tail == "normal":
        return [stats.norm(m, s) for m, s, _ in laws]
    if tail == "skew_t":
        return [SkewedLaw(df, skew, m, s) for (m, s, df), skew in zip(laws, SKEW * 2, strict=False)]
    return [stats.t(df, m, s * np.sqrt((df - 2) / df)) for m, s, df in laws]


def forecast(laws, tail, n=1, scale=1.0):
    """The mixture as a forecast of n windows, one step ahead, in other units."""
    m, s, df = (np.tile(np.array(values), (n, 1, 1)) for values in zip(*laws, strict=True))
    mean = m.mean(axis=-1)
    deviation = np.sqrt((s**2 + (m - mean[..., None]) ** 2).mean(axis=-1))
    return Forecast(
        scale * mean,
        scale * deviation,
        locations_NHM=scale * m,
        scales_NHM=scale * s,
        dfs_NHM=None if tail == "normal" else df,
        skews_NHM=np.tile((SKEW * 2)[: m.shape[-1]], (n, 1, 1)) if tail == "skew_t" else None,
    )


@pytest.mark.parametrize(("laws", "tail"), SYMMETRICAL)
def test_losses_are_those_of_the_mixture(laws, tail) -> None:
    parts = scipy_laws(laws, tail)
    x = np.array([-7.0, -3.0, -0.2, 0.0, 1.0, 4.0, 40.0])
    nll, crps, cdf = (a[:, 0] for a in Mixture.of(forecast(laws, tail, len(x))).losses(x[:, None]))
    np.testing.assert_allclose(nll, -np.log(np.mean([p.pdf(x) for p in parts], axis=0)), rtol=1e-10)
    np.testing.assert_allclose(cdf, np.mean([p.cdf(x) for p in parts], axis=0), rtol=1e-10, atol=1e-15)

    def share(y):
        return np.mean([p.cdf(y) for p in parts])

    for value, found in zip(x, crps, strict=True):
        # the definition: the integral of (F(y) - 1{y >= x})^2, by parts that have no jump
        cuts = sorted({-np.inf, np.inf, value, *(m for m, _, _ in laws)})
        pieces = [
            integrate.quad(lambda y, x: (share(y) - (y >= x)) ** 2, *ends, (value,), epsabs=1e-11, limit=500)[0]
            for ends in pairwise(cuts)
        ]
        assert found == pytest.approx(sum(pieces), rel=2e-7)


@pytest.mark.parametrize("laws", [AGREEING, BESIDE, HUMPS])
def test_losses_are_those_of_the_mixture_of_skewed_laws(laws) -> None:
    """CRPS: the integral by Gauss's rule between the kinks of the laws, and the outcome."""
    parts = scipy_laws(laws, "skew_t")
    x = np.array([-7.0, -0.2, 4.0])
    nll, crps, cdf = (a[:, 0] for a in Mixture.of(forecast(laws, "skew_t", len(x))).losses(x[:, None]))
    np.testing.assert_allclose(nll, -np.log(np.mean([p.pdf(x) for p in parts], axis=0)), rtol=1e-10)
    np.testing.assert_allclose(cdf, np.mean([p.cdf(x) for p in parts], axis=0), rtol=1e-10)
    modes = [p.ppf((1 - p.skew) / 2) for p in parts]
    node, weight = np.polynomial.legendre.leggauss(200)
    for value, found in zip(x, crps, strict=True):
        total = 0.0
        for begin, end in pairwise(np.arcsinh([-1e4, *sorted([*modes, value]), 1e4])):
            t = begin + (end - begin) * (1 + node) / 2
            y = np.sinh(t)
            gap = np.mean([p.cdf(y) for p in parts], axis=0) - (y >= value)
            total += (gap**2 * np.cosh(t)) @ weight * (end - begin) / 2
        assert found == pytest.approx(total, abs=2e-8)


APART = {
    "800 units": ((0.0, 1.0, 3.0), (800.0, 1.0, 3.0)),
    "thousands": ((-3000.0, 1.0, 3.0), (10.0, 1.5, 2.5), (5000.0, 0.7, 8.0)),
    "far but not too far": ((0.0, 1.0, 2.2), (60.0, 1.0, 300.0)),
    "a millionth of the unit": ((0.0, 1.0, 3.0), (0.0, 1e-6, 3.0)),
}


@pytest.mark.parametrize("tail", ["student_t", "skew_t"])
@pytest.mark.parametrize("laws", APART.values(), ids=APART)
def test_the_crps_of_laws_far_apart_or_of_other_sizes(laws, tail) -> None:
    """The definition, by Gauss's rule on decades of distance from each mode, by the laws of scipy and arch."""
    parts, value = scipy_laws(laws, tail), 0.3
    modes = [p.ppf((1 - p.skew) / 2) if tail == "skew_t" else m for p, (m, _, _) in zip(parts, laws, strict=True)]
    decades = np.r_[-(10.0 ** np.arange(12, -4, -1)), 0.0, 10.0 ** np.arange(-3, 13)]
    ends = np.unique(np.concatenate([[value], *(m + s * decades for m, (_, s, _) in zip(modes, laws, strict=True))]))
    node, weight = np.polynomial.legendre.leggauss(40)
    y = ends[:-1, None] + np.diff(ends)[:, None] * (1 + node) / 2
    gap = np.mean([p.cdf(y) for p in parts], axis=0) - (y >= value)
    expected = (gap**2 @ weight * np.diff(ends) / 2).sum()
    found = Mixture.of(forecast(laws, tail, 2)).losses(np.full((2, 1), value))[1]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize(("laws", "tail"), CASES)
@pytest.mark.parametrize("share", [1e-6, 0.025, 0.25, 0.5, 0.9, 0.999])
def test_a_quantile_is_the_inverse_of_the_distribution_function(laws, tail, share) -> None:
    parts = scipy_laws(laws, tail)
    exact = optimize.brentq(lambda x: np.mean([p.cdf(x) for p in parts]) - share, -1e4, 1e4, xtol=1e-12, rtol=1e-14)
    found = quantile(forecast(laws, tail, 2), share)
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(mass_below(forecast(laws, tail, 2), found), share, rtol=1e-7)


def test_a_mixture_of_equals_is_the_law_itself() -> None:
    laws = ((0.3, 2.0, 4.0),) * 5
    x = np.linspace(-6, 6, 9)[:, None]
    for tail in ("normal", "student_t"):
        (law,) = {p.args: p for p in scipy_laws(laws, tail)}.values()
        mixture = Mixture.of(forecast(laws, tail, len(x)))
        assert np.abs(mixture.disagreement()).max() < 1e-14
        np.testing.assert_allclose(mixture.losses(x)[0], -law.logpdf(x), rtol=1e-12)
        np.testing.assert_allclose(mixture.quantile(0.9), law.ppf(0.9), rtol=1e-12)


def test_scores_are_of_the_mixture_and_not_of_its_moments() -> None:
    """Two humps: what falls between them is unlikely, although it is their mean."""
    rng = np.random.default_rng(0)
    laws, n = ((-0.02, 0.004, 5.0), (0.02, 0.004, 5.0)), 4000
    parts = scipy_laws(laws, "normal")
    moves = np.where(rng.random(n) < 0.5, parts[0].rvs(n, random_state=1), parts[1].rvs(n, random_state=2))
    times = np.arange(n) * 3600
    outcomes = Outcomes(np.zeros(n, int), ("x",), times, np.full(n, 100.0), 100 * np.exp(moves)[:, None])
    reference = Reference(np.array([100.0]), np.array([1.0]), np.array([[0.02]]), np.array([True]))
    told = forecast(laws, "normal", n)
    model = Scorer(outcomes, reference, TASK).report(told)["model"]
    density = np.mean([p.pdf(moves) for p in parts], axis=0)
    assert model["nll"] == pytest.approx(-np.log(density / 100).mean(), rel=1e-9)
    moments = Scorer(outcomes, reference, TASK).report(Forecast(told.location_NH, told.scale_NH))["model"]
    assert model["nll"] < moments["nll"] - 0.5 and model["crps"] < moments["crps"]
    for level in (50, 80, 90, 95):
        assert model[f"coverage_{level}"] == pytest.approx(level, abs=2.5)
    assert stats.kstest(pit(outcomes, told, TASK)[:, 0], "uniform").pvalue > 0.01
    report = calibration_report(outcomes, told, TASK)
    assert report["coverage"]["80"]["coverage"] == pytest.approx(model["coverage_80"])


def test_a_law_that_is_none_is_no_score() -> None:
    truth = Truth.of(np.array([100.0]), np.array([[101.0]]), True, 100.0)
    told = forecast(AGREEING, "normal")
    heavy = forecast(AGREEING, "student_t")
    for laws in (told, heavy):
        broken = laws._replace(scales_NHM=laws.scales_NHM * np.array([1, 0, 1]))
        assert elements(broken, truth, TASK)["invalid_law"].all()
    assert not elements(told, truth, TASK)["invalid_law"].any()


def test_other_units_scale_the_figures() -> None:
    x = np.array([[0.7]])
    for tail in ("normal", "student_t", "skew_t"):
        nll, crps, cdf = Mixture.of(forecast(HUMPS, tail)).losses(x)
        finer = Mixture.of(forecast(HUMPS, tail, scale=1e-4)).losses(x * 1e-4)
        np.testing.assert_allclose(finer[0], nll + np.log(1e-4), rtol=1e-12)
        np.testing.assert_allclose(finer[1], crps * 1e-4, rtol=1e-12)
        np.testing.assert_allclose(finer[2], cdf, rtol=1e-12)
