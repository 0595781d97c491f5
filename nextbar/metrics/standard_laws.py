"""The standard normal and the standard Student-t law: negative log density, CRPS, distribution function, quantiles."""

from __future__ import annotations

import numpy as np


def normal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(nll, crps, cdf at \\|z\\|) of a standard normal law at z, any shape.

    CRPS: z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi) (Gneiting and Raftery 2007, equation 21).
    """
    from scipy.special import ndtr

    nll = 0.5 * z**2 + 0.5 * np.log(2 * np.pi)
    cdf = ndtr(np.abs(z))
    crps = np.abs(z) * (2 * cdf - 1) + 2 * np.exp(-nll) - 1 / np.sqrt(np.pi)
    return nll, crps, cdf


def student_t(t: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(nll, crps, cdf at \\|t\\|) of a standard Student-t law (variance df/(df-2)) at t, any shape; df > 1.

    CRPS: t (2 F(t) - 1) + 2 f(t) (df + t^2)/(df - 1) - 2 sqrt(df)/(df - 1) B(1/2, df - 1/2)/B(1/2, df/2)^2
    (Jordan, Krueger and Lerch 2019, "Evaluating probabilistic forecasts with scoringRules", appendix A).
    """
    from scipy.special import betaln, stdtr

    log_beta = betaln(0.5, 0.5 * df)
    nll = 0.5 * np.log(df) + log_beta + 0.5 * (df + 1) * np.log1p(t**2 / df)
    cdf = stdtr(df, np.abs(t))
    crps = (
        np.abs(t) * (2 * cdf - 1)
        + 2 * np.exp(-nll) * (df + t**2) / (df - 1)
        - 2 * np.sqrt(df) / (df - 1) * np.exp(betaln(0.5, df - 0.5) - 2 * log_beta)
    )
    return nll, crps, cdf


def cdf(z: np.ndarray, df: np.ndarray | None) -> np.ndarray:
    """Distribution function of the standard normal law, or of the standard Student-t law, at z, any shape."""
    from scipy.special import ndtr, stdtr

    return ndtr(z) if df is None else stdtr(df, z)


def ppf(share: float, df: np.ndarray | None) -> np.ndarray | float:
    """Inverse of ``cdf``; of the normal law one number."""
    from scipy.special import ndtri, stdtrit

    return ndtri(share) if df is None else stdtrit(df, share)


def unit_of(scale: np.ndarray, df: np.ndarray | None) -> np.ndarray:
    """What a standard law is multiplied by to have this standard deviation; df > 2."""
    return scale if df is None else scale * np.sqrt((df - 2) / df)
