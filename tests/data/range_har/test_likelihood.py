from __future__ import annotations

import numpy as np
import pytest
from arch.univariate import SkewStudent
from scipy import stats
from scipy.optimize import approx_fprime, minimize
from skewed import SkewedLaw

from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF, HarLaw, _loss, fit_law

TRUE = HarLaw((0.2, 0.5, 0.3), 0.1, 5.0, -0.3)


def _sample(n: int, tail: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    regressors = rng.normal(size=(n, 2))
    z = rng.standard_normal(n) if tail == "normal" else rng.standard_t(5, n) / np.sqrt(5 / 3)
    if tail == "skew_t":
        z = SkewStudent(seed=7).ppf(rng.random(n), [TRUE.df, TRUE.skew])
    return regressors, TRUE.location + np.exp(TRUE.log_scale(regressors)) * z


def _nll(law: HarLaw, regressors: np.ndarray, returns: np.ndarray) -> float:
    scale = np.exp(0.5 * (law.coefficients[0] + regressors @ np.array(law.coefficients[1:])))
    if law.df is None:
        return -stats.norm.logpdf(returns, law.location, scale).mean()
    if law.skew is not None:
        return -SkewedLaw(law.df, law.skew).logpdf((returns - law.location) / scale).mean() + np.log(scale).mean()
    return -stats.t.logpdf(returns, law.df, law.location, scale * np.sqrt((law.df - 2) / law.df)).mean()


TAILS = ["normal", "student_t", "skew_t"]


@pytest.mark.parametrize("tail", TAILS)
def test_it_is_the_optimum_that_a_search_without_slopes_finds(tail: str) -> None:
    regressors, returns = _sample(400, tail)

    def loss(x: np.ndarray) -> float:
        df = None if tail == "normal" else MIN_DF + np.exp(x[4])
        skew = np.tanh(x[5]) if tail == "skew_t" else None
        return _nll(HarLaw(tuple(x[:3]), x[3], df, skew), regressors, returns)

    first = [0, 0.5, 0.5, 0, *{"normal": [], "student_t": [1.0], "skew_t": [1.0, 0.0]}[tail]]
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxfev": 20_000, "maxiter": 20_000}
    found = minimize(loss, first, method="Nelder-Mead", options=options)
    law = fit_law(regressors, returns, tail)
    assert law is not None
    assert _nll(law, regressors, returns) == pytest.approx(found.fun, abs=1e-9)
    np.testing.assert_allclose([*law.coefficients, law.location], found.x[:4], atol=2e-4)
    assert (law.df is None) == (tail == "normal") and (law.skew is None) == (tail != "skew_t")


@pytest.mark.parametrize("tail", TAILS)
def test_it_finds_what_made_the_sample(tail: str) -> None:
    law = fit_law(*_sample(40_000, tail), tail)
    assert law is not None
    np.testing.assert_allclose(law.coefficients, TRUE.coefficients, atol=0.05)
    assert law.location == pytest.approx(TRUE.location, abs=0.02)
    if tail != "normal":
        assert law.df == pytest.approx(5.0, rel=0.1)
    if tail == "skew_t":
        assert law.skew == pytest.approx(-0.3, abs=0.02)


@pytest.mark.parametrize(
    ("tail", "raw"),
    [("normal", []), ("student_t", [0.7]), ("skew_t", [0.7, -0.1]), ("skew_t", [-3.0, 1.5]), ("skew_t", [3.0, -2.5])],
)
def test_the_slope_is_exact(tail: str, raw: list[float]) -> None:
    regressors, returns = _sample(300, "student_t")
    design = np.column_stack([np.ones(300), regressors])
    x = np.array([0.1, 0.4, 0.2, 0.05, *raw])
    numeric = approx_fprime(x, lambda p: _loss(p, design, returns, tail)[0], 1e-7)
    np.testing.assert_allclose(_loss(x, design, returns, tail)[1], numeric, rtol=1e-4, atol=1e-6)


def test_a_normal_sample_has_as_many_degrees_of_freedom_as_are_allowed() -> None:
    rng = np.random.default_rng(0)
    law = fit_law(rng.normal(size=(5000, 1)), rng.uniform(-1, 1, 5000), "student_t")
    assert law is not None and law.df == pytest.approx(500.0)


def test_a_law_as_skewed_as_can_be_stays_within_the_bounds() -> None:
    rng = np.random.default_rng(0)
    law = fit_law(rng.normal(size=(2000, 1)), -rng.exponential(size=2000), "skew_t")
    assert law is not None and law.skew is not None and -MAX_SKEW < law.skew < -0.9
