"""Maximum likelihood of a law whose log variance is linear in regressors."""

from __future__ import annotations

from collections.abc import Sequence
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
    first = [*start.coefficients, start.location, *_raw(start, tail)]
    bounds = [(-LARGEST, LARGEST)] * (n_lags + 2) + RAW_BOUNDS[tail]
    optimum = minimize(
        _loss, first, args=(design_NK, return_N, tail), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-7, "maxiter": 500},
    )  # fmt: skip
    if not np.isfinite(optimum.x).all() or not np.isfinite(optimum.fun):
        return None
    values = [float(value) for value in optimum.x]
    return HarLaw(tuple(values[: n_lags + 1]), values[n_lags + 1], *_shape(values[n_lags + 2 :]))


def _raw(law: HarLaw, tail: str) -> list[float]:
    """What the optimiser moves freely, of the shape of a law: ln(df - MIN_DF)."""
    return [] if tail == "normal" else [float(np.log((law.df or 8.0) - MIN_DF))]


def _shape(raw: Sequence[float]) -> tuple[float | None]:
    """Inverse of ``_raw``."""
    return (MIN_DF + float(np.exp(raw[0])) if raw else None,)


class _Tail(NamedTuple):
    """Of N standardised returns z."""

    loss: float
    """mean negative log density, without constants"""
    pull_N: np.ndarray
    """its slope by z is pull (z - mode)"""
    mode: float
    by_raw: list[float]
    """slopes of the mean by the raw numbers"""


def _loss(parameters: np.ndarray, design_NK: np.ndarray, return_N: np.ndarray, tail: str) -> tuple[float, np.ndarray]:
    """Mean negative log density without constants at (coefficients, location, raw shape), and its slope."""
    n_coefficients = design_NK.shape[1]
    log_scale_N = 0.5 * np.clip(design_NK @ parameters[:n_coefficients], -LARGEST, LARGEST)
    inverse_N = np.exp(-log_scale_N)
    z_N = (return_N - parameters[n_coefficients]) * inverse_N
    loss, pull_N, mode, by_raw = TAILS[tail](z_N, parameters[n_coefficients + 1 :])
    from_mode_N = z_N - mode
    by_coefficients = 0.5 * ((1 - pull_N * (z_N * from_mode_N)) @ design_NK) / len(z_N)
    by_location = -float(np.mean(pull_N * from_mode_N * inverse_N))
    return float(log_scale_N.mean() + loss), np.array([*by_coefficients, by_location, *by_raw])


def _normal(z_N: np.ndarray, raw: np.ndarray) -> _Tail:
    return _Tail(0.5 * (z_N**2).mean(), np.ones(len(z_N)), 0.0, [])


def _student_t(z_N: np.ndarray, raw: np.ndarray) -> _Tail:
    from scipy.special import betaln, psi

    df, square_N = MIN_DF + float(np.exp(raw[0])), z_N**2
    room = df - 2
    ratio_N = square_N / room
    log_mean = float(np.log1p(ratio_N).mean())
    loss = betaln(0.5, 0.5 * df) + 0.5 * np.log(room) + 0.5 * (df + 1) * log_mean
    of_norm = 0.5 * (psi(0.5 * df) - psi(0.5 * (df + 1)) + 1 / room)
    of_tail = 0.5 * log_mean - 0.5 * (df + 1) / room * float((ratio_N / (1 + ratio_N)).mean())
    return _Tail(float(loss), (df + 1) / (room + square_N), 0.0, [float(of_norm + of_tail) * np.exp(raw[0])])


_DF = (-8.0, float(np.log(MAX_DF - MIN_DF)))
TAILS = {"normal": _normal, "student_t": _student_t}
RAW_BOUNDS: dict[str, list[tuple[float, float]]] = {"normal": [], "student_t": [_DF]}
"""of the raw numbers of a shape"""
