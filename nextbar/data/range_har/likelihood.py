"""Maximum likelihood of a law whose log variance is linear in regressors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MIN_DF = 2.1
"""least degrees of freedom of a Student-t; its variance ends at 2"""
MAX_DF = 500.0
"""with so many the law is normal"""
LARGEST = 20.0
"""of the absolute value of a coefficient, and of a log variance in squares of the unit"""


class HarLaw(NamedTuple):
    """Law of a standardised return: location, log variance, degrees of freedom."""

    coefficients: tuple[float, ...]
    """b_0, then one for each regressor, of the log variance"""
    location: float
    df: float | None
    """None: normal"""

    def log_scale(self, regressors_NK: np.ndarray) -> np.ndarray:
        """Log of the standard deviation, (N,)."""
        b0, *slopes = self.coefficients
        return 0.5 * np.clip(b0 + regressors_NK @ np.array(slopes), -LARGEST, LARGEST)

    def scale_score(self, z_N: np.ndarray) -> np.ndarray:
        """Slope of the log density by the log scale, (N,), at returns less their location over their deviation."""
        pull = 1.0 if self.df is None else (self.df + 1) / (self.df - 2 + z_N**2)
        return pull * z_N**2 - 1

    @property
    def scale_information(self) -> float:
        """Variance of ``scale_score`` under the law."""
        return 2.0 if self.df is None else 2 * self.df / (self.df + 3)


def fit_law(regressors_NK: np.ndarray, return_N: np.ndarray, tail: str, start: HarLaw | None = None) -> HarLaw | None:
    """The likeliest law, by L-BFGS with the exact gradient from ``start``; None where there is none.

    The Student-t has unit variance before it is scaled: t_df(z / s) / s with s^2 = (df - 2) / df.

    Args:
        regressors_NK: of N returns.
        return_N: in units of about their standard deviation.
        tail: ``normal`` or ``student_t``.
        start: where to begin; None: equal weights that add up to 0.95, and 8 degrees of freedom.
    """
    from scipy.optimize import minimize

    n_lags = regressors_NK.shape[1]
    start = start or HarLaw((0.0, *[0.95 / n_lags] * n_lags), 0.0, 8.0)
    design_NK = np.column_stack([np.ones(len(return_N)), regressors_NK])
    is_t = tail == "student_t"
    first = [*start.coefficients, start.location, *([np.log((start.df or 8.0) - MIN_DF)] if is_t else [])]
    bounds = [(-LARGEST, LARGEST)] * (n_lags + 2) + [(-8.0, float(np.log(MAX_DF - MIN_DF)))] * is_t
    optimum = minimize(
        _loss, first, args=(design_NK, return_N, is_t), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-7, "maxiter": 500},
    )  # fmt: skip
    if not np.isfinite(optimum.x).all() or not np.isfinite(optimum.fun):
        return None
    values = [float(value) for value in optimum.x]
    df = MIN_DF + float(np.exp(values[-1])) if is_t else None
    return HarLaw(tuple(values[: n_lags + 1]), values[n_lags + 1], df)


def _loss(parameters: np.ndarray, design_NK: np.ndarray, return_N: np.ndarray, is_t: bool) -> tuple[float, np.ndarray]:
    """Mean negative log density without constants at (coefficients, location, ln(df - MIN_DF)), and its slope."""
    n_coefficients = design_NK.shape[1]
    log_scale_N = 0.5 * np.clip(design_NK @ parameters[:n_coefficients], -LARGEST, LARGEST)
    inverse_N = np.exp(-log_scale_N)
    z_N = (return_N - parameters[n_coefficients]) * inverse_N
    square_N = z_N**2
    if is_t:
        tail_loss, pull_N, by_df = _student_t(square_N, MIN_DF + float(np.exp(parameters[-1])))
    else:
        tail_loss, pull_N, by_df = 0.5 * square_N.mean(), np.ones(len(z_N)), 0.0
    by_log_scale_N = 1 - pull_N * square_N
    by_coefficients = 0.5 * (by_log_scale_N @ design_NK) / len(z_N)
    by_location = -float(np.mean(pull_N * z_N * inverse_N))
    slope = [*by_coefficients, by_location, *([by_df * np.exp(parameters[-1])] if is_t else [])]
    return float(log_scale_N.mean() + tail_loss), np.array(slope)


def _student_t(square_N: np.ndarray, df: float) -> tuple[float, np.ndarray, float]:
    """Of squared standardised returns: mean loss, the factor that the tail puts on z, and the slope by df."""
    from scipy.special import betaln, psi

    room = df - 2
    ratio_N = square_N / room
    log_mean = float(np.log1p(ratio_N).mean())
    pull_N = (df + 1) / (room + square_N)
    loss = betaln(0.5, 0.5 * df) + 0.5 * np.log(room) + 0.5 * (df + 1) * log_mean
    of_norm = 0.5 * (psi(0.5 * df) - psi(0.5 * (df + 1)) + 1 / room)
    of_tail = 0.5 * log_mean - 0.5 * (df + 1) / room * float((ratio_N / (1 + ratio_N)).mean())
    return float(loss), pull_N, float(of_norm + of_tail)
