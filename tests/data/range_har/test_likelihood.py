from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import approx_fprime, minimize

from nextbar.data.range_har.likelihood import MIN_DF, HarLaw, _loss, fit_law

TRUE = HarLaw((0.2, 0.5, 0.3), 0.1, 5.0)


def _sample(n: int, tail: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    regressors = rng.normal(size=(n, 2))
    z = rng.standard_normal(n) if tail == "normal" else rng.standard_t(5, n) / np.sqrt(5 / 3)
    return regressors, TRUE.location + np.exp(TRUE.log_scale(regressors)) * z


def _nll(law: HarLaw, regressors: np.ndarray, returns: np.ndarray) -> float:
    scale = np.exp(0.5 * (law.coefficients[0] + regressors @ np.array(law.coefficients[1:])))
    if law.df is None:
        return -stats.norm.logpdf(returns, law.location, scale).mean()
    return -stats.t.logpdf(returns, law.df, law.location, scale * np.sqrt((law.df - 2) / law.df)).mean()


@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_it_is_the_optimum_that_a_search_without_slopes_finds(tail: str) -> None:
    regressors, returns = _sample(400, tail)

    def loss(x: np.ndarray) -> float:
        df = None if tail == "normal" else MIN_DF + np.exp(x[4])
        return _nll(HarLaw(tuple(x[:3]), x[3], df), regressors, returns)

    first = [0, 0.5, 0.5, 0, *([1.0] if tail == "student_t" else [])]
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxfev": 20_000, "maxiter": 20_000}
    found = minimize(loss, first, method="Nelder-Mead", options=options)
    law = fit_law(regressors, returns, tail)
    assert law is not None
    assert _nll(law, regressors, returns) == pytest.approx(found.fun, abs=1e-9)
    np.testing.assert_allclose([*law.coefficients, law.location], found.x[:4], atol=2e-4)
    assert (law.df is None) == (tail == "normal")


@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_it_finds_what_made_the_sample(tail: str) -> None:
    law = fit_law(*_sample(40_000, tail), tail)
    assert law is not None
    np.testing.assert_allclose(law.coefficients, TRUE.coefficients, atol=0.05)
    assert law.location == pytest.approx(TRUE.location, abs=0.02)
    if tail == "student_t":
        assert law.df == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_the_slope_is_exact(tail: str) -> None:
    regressors, returns = _sample(300, "student_t")
    design = np.column_stack([np.ones(300), regressors])
    x = np.array([0.1, 0.4, 0.2, 0.05, *([0.7] if tail == "student_t" else [])])
    numeric = approx_fprime(x, lambda p: _loss(p, design, returns, tail)[0], 1e-7)
    np.testing.assert_allclose(_loss(x, design, returns, tail)[1], numeric, rtol=1e-4, atol=1e-6)


def test_a_normal_sample_has_as_many_degrees_of_freedom_as_are_allowed() -> None:
    rng = np.random.default_rng(0)
    law = fit_law(rng.normal(size=(5000, 1)), rng.uniform(-1, 1, 5000), "student_t")
    assert law is not None and law.df == pytest.approx(500.0)
