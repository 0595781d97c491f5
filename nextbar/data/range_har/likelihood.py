"""Maximum likelihood of a law whose log variance is linear in regressors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_DF = 2.1
"""least degrees of freedom of a Student-t; its variance ends at 2"""
MAX_DF = 500.0
"""with so many the law is normal"""
MAX_SKEW = 0.99
"""of the absolute value of a skewness; with 1 half of a law has no width"""
LARGEST = 20.0
"""of the absolute value of a coefficient, and of a log variance in squares of the unit"""
FIRST_DF = 8.0
"""degrees of freedom that a fit begins at"""


class HarLaw(NamedTuple):
    """Law of a standardised return: location, log variance, degrees of freedom, skewness."""

    coefficients: tuple[float, ...]
    """b_0, then one for each regressor, of the log variance"""
    location: float
    df: float | None
    """None: normal"""
    skew: float | None = None
    """None: not skewed"""

    def log_scale(self, regressors_NK: np.ndarray) -> np.ndarray:
        """Log of the standard deviation, (N,)."""
        b0, *slopes = self.coefficients
        return 0.5 * np.clip(b0 + regressors_NK @ np.array(slopes), -LARGEST, LARGEST)

    def scale_score(self, z_N: np.ndarray) -> np.ndarray:
        """Slope of the log density by the log scale, (N,), at returns less their location over their deviation."""
        tail = "normal" if self.df is None else "student_t" if self.skew is None else "skew_t"
        shape = TAILS[tail](z_N, np.array(_raw(self, tail)))
        return shape.pull_N * z_N * (z_N - shape.mode) - 1

    @property
    def scale_information(self) -> float:
        """Variance of ``scale_score`` under the law, were it not skewed."""
        return 2.0 if self.df is None else 2 * self.df / (self.df + 3)


def fit_law(regressors_NK: np.ndarray, return_N: np.ndarray, tail: str, start: HarLaw | None = None) -> HarLaw | None:
    """The likeliest law, by L-BFGS with the exact gradient from ``start``; None where there is none.

    The Student-t has unit variance before it is scaled: t_df(z / s) / s with s^2 = (df - 2) / df. So has Hansen's
    skewed one, see ``nextbar.metrics.standard_laws``.

    Args:
        regressors_NK: of N returns.
        return_N: in units of about their standard deviation.
        tail: ``normal``, ``student_t`` or ``skew_t``.
        start: where to begin; None: equal weights that add up to 0.95, 8 degrees of freedom, no skewness.
    """
    from scipy.optimize import minimize

    n_lags = regressors_NK.shape[1]
    start = start or HarLaw((0.0, *[0.95 / n_lags] * n_lags), 0.0, FIRST_DF)
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
    """What the optimiser moves of the shape of a law: ln(df - MIN_DF), artanh(skew / MAX_SKEW)."""
    raw = [float(np.log((law.df or FIRST_DF) - MIN_DF)), float(np.arctanh((law.skew or 0.0) / MAX_SKEW))]
    return raw[: len(RAW_BOUNDS[tail])]


def _shape(raw: Sequence[float]) -> tuple[float | None, float | None]:
    """Degrees of freedom and skewness of a law; inverse of ``_raw``."""
    df = MIN_DF + float(np.exp(raw[0])) if raw else None
    return df, MAX_SKEW * float(np.tanh(raw[1])) if len(raw) > 1 else None


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


def _skew_t(z_N: np.ndarray, raw: np.ndarray) -> _Tail:
    """Of the law of Z = (Y - a) / b, where Y is a Student-t with a width w of its own on either side of 0."""
    from scipy.special import betaln, psi

    df, skew = MIN_DF + float(np.exp(raw[0])), MAX_SKEW * float(np.tanh(raw[1]))
    room = df - 2
    of_beta = 0.5 * (psi(0.5 * df) - psi(0.5 * (df + 1)))  # slope by df of the logarithm of the beta function below
    half = np.sqrt(room) / (df - 1) * np.exp(-betaln(0.5, 0.5 * df))
    a = 4 * skew * half
    b = np.sqrt(1 + 3 * skew**2 - a**2)
    a_by_df, a_by_skew = a * (0.5 / room - 1 / (df - 1) - of_beta), 4 * half
    b_by_df, b_by_skew = -a * a_by_df / b, (3 * skew - a * a_by_skew) / b

    y_N = a + b * z_N
    side_N = np.where(y_N < 0, -1.0, 1.0)
    width_N = 1 + skew * side_N
    ratio_N = (y_N / width_N) ** 2 / room
    pull_N = (df + 1) / (room * width_N**2 * (1 + ratio_N))  # the slope by y is pull y
    share_N = ratio_N / (1 + ratio_N)
    log_mean = float(np.log1p(ratio_N).mean())
    loss = betaln(0.5, 0.5 * df) + 0.5 * np.log(room) - np.log(b) + 0.5 * (df + 1) * log_mean
    by_df = of_beta + 0.5 / room - b_by_df / b + 0.5 * log_mean - 0.5 * (df + 1) / room * share_N.mean()
    by_df += (pull_N * y_N * (a_by_df + b_by_df * z_N)).mean()
    by_skew = -b_by_skew / b - (df + 1) * (share_N * side_N / width_N).mean()
    by_skew += (pull_N * y_N * (a_by_skew + b_by_skew * z_N)).mean()
    by_raw = [float(by_df) * np.exp(raw[0]), float(by_skew) * (MAX_SKEW - skew**2 / MAX_SKEW)]
    return _Tail(float(loss), pull_N * b**2, -a / b, by_raw)


_DF = (-8.0, float(np.log(MAX_DF - MIN_DF)))
_SKEW = (-3.0, 3.0)
TAILS = {"normal": _normal, "student_t": _student_t, "skew_t": _skew_t}
RAW_BOUNDS: dict[str, list[tuple[float, float]]] = {"normal": [], "student_t": [_DF], "skew_t": [_DF, _SKEW]}
"""of the raw numbers of a shape"""
