"""Fit of a Student-t law by maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MIN_DF, MAX_DF = 2.05, 500.0
"""bounds of the degrees of freedom: with 2 or fewer there is no standard deviation, with 500 the law is normal"""

NARROWEST = 1e-4
"""least unit, in standard deviations: where two thirds of the x are the same the likelihood has no maximum"""


class FittedStudentT(NamedTuple):
    """A Student-t law by its standard deviation."""

    location: float
    scale: float
    """standard deviation"""
    df: float


def fit_student_t(x_N: np.ndarray, location: float | None = None) -> FittedStudentT:
    """Maximum likelihood, by L-BFGS with the exact gradient; ``location`` is fitted too unless it is given.

    ``df`` stays within ``MIN_DF`` ... ``MAX_DF``. ``x_N`` are of the order of 1.
    """
    from scipy.optimize import minimize

    spread = max(float(x_N.std()), 1e-9)
    middle = float(np.median(x_N)) if location is None else location
    optimum = minimize(
        _loss,
        [middle, np.log(spread * np.sqrt(0.6)), np.log(5.0)],
        args=(x_N,),
        jac=True,
        method="L-BFGS-B",
        bounds=[
            (None, None) if location is None else (location, location),
            (np.log(NARROWEST * spread), np.log(10 * spread)),
            (np.log(MIN_DF), np.log(MAX_DF)),
        ],
        options={"ftol": 1e-13, "gtol": 1e-8},
    )
    middle, unit, df = optimum.x[0], np.exp(optimum.x[1]), np.exp(optimum.x[2])
    return FittedStudentT(float(middle), float(unit * np.sqrt(df / (df - 2))), float(df))


def _loss(parameters: np.ndarray, x_N: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log density at (location, ln unit, ln df), and its slope; unit^2 df / (df - 2) is the variance."""
    from scipy.special import betaln, psi

    location, unit, df = parameters[0], np.exp(parameters[1]), np.exp(parameters[2])
    z_N = (x_N - location) / unit
    q_N = z_N**2 / df
    log_N, pull_N = np.log1p(q_N), (df + 1) / df / (1 + q_N)
    loss = 0.5 * np.log(df) + betaln(0.5, 0.5 * df) + np.log(unit) + 0.5 * (df + 1) * log_N.mean()
    by_location = -(pull_N * z_N).mean() / unit
    by_log_unit = 1 - (pull_N * z_N**2).mean()
    by_df = 0.5 * (1 / df + psi(0.5 * df) - psi(0.5 * (df + 1)) + log_N.mean() - (pull_N * q_N).mean())
    return float(loss), np.array([by_location, by_log_unit, by_df * df])
