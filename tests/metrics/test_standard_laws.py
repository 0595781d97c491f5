"""Standard laws beside scipy's and arch's; their CRPS is compared in ``test_metrics``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from skewed import SkewedLaw

from nextbar.metrics.standard_laws import Normal, SkewT, StandardLaw, StudentT

Z = np.array([-9.0, -1.0, 0.0, 0.3, 5.0])


def standard(df: float | None) -> tuple[StandardLaw, Any]:
    """A law and scipy's."""
    return (Normal(), stats.norm()) if df is None else (StudentT(np.full(Z.shape, df)), stats.t(df))


@pytest.mark.parametrize("df", [None, 2.2, 30.0])
def test_distribution_functions_and_quantiles_are_scipys(df: float | None) -> None:
    found, law = standard(df)
    np.testing.assert_allclose(found.cdf(Z), law.cdf(Z), rtol=1e-12)
    np.testing.assert_allclose(found.sf(Z), law.sf(Z), rtol=1e-12)
    np.testing.assert_allclose(found.losses(Z)[2], law.cdf(Z), rtol=1e-12, atol=1e-16)
    for share in (0.001, 0.5, 0.9):
        np.testing.assert_allclose(found.ppf(share), law.ppf(share), rtol=1e-9, atol=1e-12)


def test_a_law_in_its_unit_has_the_deviation_asked_for() -> None:
    for df in (2.5, 6.0):
        assert stats.t(df, 0, StudentT(np.array(df)).unit(np.array(3.0))).std() == pytest.approx(3.0)
    assert Normal().unit(np.array(3.0)) == 3.0


SKEWED = [(df, skew) for df in (2.2, 5.0, 40.0) for skew in (-0.95, -0.12, 0.0, 0.5)]


@pytest.mark.parametrize(("df", "skew"), SKEWED)
def test_the_skewed_law_is_archs(df: float, skew: float) -> None:
    found, law = SkewT(np.full(Z.shape, df), np.full(Z.shape, skew)), SkewedLaw(df, skew)
    np.testing.assert_allclose(found.nll(Z), -law.logpdf(Z), rtol=1e-10)
    nll, _, cdf = found.losses(Z)
    np.testing.assert_array_equal(nll, found.nll(Z))
    for values in (cdf, found.cdf(Z), 1 - found.sf(Z)):
        np.testing.assert_allclose(values, law.cdf(Z), rtol=1e-9, atol=1e-15)
    for share in (0.001, 0.02, 0.5, 0.9):
        np.testing.assert_allclose(found.ppf(share), law.ppf(share), rtol=1e-10)


@pytest.mark.parametrize(("df", "skew"), [(4.5, -0.12), (3.0, 0.8)])
def test_the_skewed_law_has_mean_zero_and_variance_one(df: float, skew: float) -> None:
    """By quadrature, and in draws of the inverse of its distribution function."""
    law = SkewT(np.array(df), np.array(skew))

    def moment(power: int) -> float:
        mode = -float(law._mean() / law._spread())
        parts = ((-np.inf, mode), (mode, np.inf))
        return sum(integrate.quad(lambda z: z**power * np.exp(-law.nll(np.array(z))), *part)[0] for part in parts)

    assert moment(0) == pytest.approx(1, rel=1e-9)
    assert moment(1) == pytest.approx(0, abs=1e-8)
    assert moment(2) == pytest.approx(1, rel=1e-5)
    drawn = SkewT(np.full(200_000, df), np.full(200_000, skew)).ppf(np.random.default_rng(0).random(200_000))
    assert drawn.mean() == pytest.approx(0, abs=0.01) and drawn.var() == pytest.approx(1, abs=0.1)
    assert np.sign(stats.skew(drawn)) == np.sign(skew)
    assert stats.kstest(law.cdf(drawn[:2000]), "uniform").pvalue > 0.01


def test_without_skewness_it_is_the_student_t_and_mirrored_its_mirror_image() -> None:
    df, narrowing = np.full(Z.shape, 4.0), np.sqrt(0.5)
    nll, crps, cdf = StudentT(df).losses(Z / narrowing)
    for found, law in zip(SkewT(df, 0 * df).losses(Z), (nll + np.log(narrowing), crps * narrowing, cdf), strict=True):
        np.testing.assert_allclose(found, law, rtol=1e-12)
    left, right = SkewT(df, 0 * df - 0.4), SkewT(df, 0 * df + 0.4)
    for found, mirrored in zip(left.losses(Z)[:2], right.losses(-Z)[:2], strict=True):
        np.testing.assert_allclose(found, mirrored, rtol=1e-12)
    np.testing.assert_allclose(left.cdf(Z), right.sf(-Z), rtol=1e-12)
    np.testing.assert_allclose(left.ppf(0.03), -right.ppf(0.97), rtol=1e-12)


def test_a_skewed_law_keeps_the_digits_of_both_tails() -> None:
    law = SkewT(np.array(5.0), np.array(-0.3))
    for sign, tail in ((-1, law.cdf), (1, law.sf)):
        found = float(tail(np.array(sign * 1e4)))
        density = float(np.exp(-law.nll(np.array(sign * 1e4))))  # of a tail that falls with z^-5
        assert found == pytest.approx(density * 1e4 / 5, rel=1e-3)


@pytest.mark.parametrize(("df", "skew"), [(2.0, 0.1), (5.0, 1.0), (5.0, -1.0), (np.nan, 0.1), (5.0, np.nan)])
def test_a_skewed_law_that_is_none_has_no_unit(df: float, skew: float) -> None:
    assert np.isnan(SkewT(np.array(df), np.array(skew)).unit(np.array(1.0)))
    assert SkewT(np.array(2.1), np.array(-0.99)).unit(np.array(3.0)) == 3.0


EDGES = [Normal(), *(StudentT(np.array(df)) for df in (2.1, 500.0, 1e7))]
EDGES += [SkewT(np.array(df), np.array(skew)) for df in (2.1, 500.0, 1e7) for skew in (-0.99, 0.0, 0.99)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("law", EDGES, ids=str)
def test_losses_are_finite_at_the_edges_and_far_out_those_of_the_distance(law: StandardLaw) -> None:
    """Twice as far out the CRPS is larger by the distance, whatever the law; between the ends it is never below 0."""
    size = np.array([1e-300, 1e-8, 1.0, 37.0, 1e3, 1e8, 1e100])
    for z in (size, -size, np.zeros(1)):
        nll, crps, cdf = law.losses(z)
        assert np.isfinite(nll).all() and np.isfinite(crps).all() and (crps >= 0).all()
        assert ((cdf >= 0) & (cdf <= 1)).all()
    far = np.array([-1e8, 1e8])
    np.testing.assert_allclose(law.losses(2 * far)[1] - law.losses(far)[1], np.abs(far), rtol=1e-6)
