"""Losses of a predictive law: logarithmic score, CRPS, coverage of central intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast

LEVELS = (50, 80, 90, 95)


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


def elements(
    location_NH: np.ndarray, scale_NH: np.ndarray, df_NH: np.ndarray | None, truth: Truth, task: Task
) -> dict[str, np.ndarray]:
    """Summable losses (N, H) of a law with that location and standard deviation in the unit of the target.

    Without ``df_NH`` the law is normal; with it, a Student-t of that many degrees of freedom (> 2) whose
    standard deviation is ``scale_NH``: x has the density t_df((x - location)/s)/s with s = scale sqrt((df -
    2)/df).

    Where all prices are above zero, ``nll`` (nats) and ``crps`` are those of z = 100 ln(c(t+h)/c(t)), the
    percent log return. For target ``log_return`` that is exact. For target ``close`` the law of the price is
    carried over with the slope of z at the observed close c, dz/dc = 100/c: nll_z = nll_c - ln(c/100), which
    is the exact density of z, and crps_z = crps_c 100/c, a linearisation whose error is of the order of one
    move. Elsewhere both are of the price.
    """
    with np.errstate(all="ignore"):
        if task.target == "log_return":
            assert truth.log_return_NH is not None  # refused earlier, see Task.needs_positive_prices
            actual_NH = truth.log_return_NH
        else:
            actual_NH = truth.change_NH
        if df_NH is None:
            unit_NH = scale_NH
            nll_NH, crps_NH, cdf_NH = normal((actual_NH - location_NH) / unit_NH)
            invalid_NH = ~(np.isfinite(scale_NH) & (scale_NH > 0))
        else:
            unit_NH = scale_NH * np.sqrt((df_NH - 2) / df_NH)
            nll_NH, crps_NH, cdf_NH = student_t((actual_NH - location_NH) / unit_NH, df_NH)
            invalid_NH = ~(np.isfinite(unit_NH) & (unit_NH > 0))
        if truth.log_return_NH is not None:
            # d(percent log return) / d(target)
            unit_NH = unit_NH * (100.0 if task.target == "log_return" else 100 / truth.close_NH)
        covered = {f"covered_{level}": cdf_NH <= 0.5 + level / 200 for level in LEVELS}
        return {
            "invalid_law": invalid_NH,
            "nll": nll_NH + np.log(unit_NH),
            "crps": crps_NH * unit_NH,
            **covered,
        }


def read_out(total: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from sums of :func:`elements` and ``count`` of them; coverage in percent."""
    count = total["count"]
    coverage = {f"coverage_{level}": 100 * total[f"covered_{level}"] / count for level in LEVELS}
    return {"nll": total["nll"] / count, "crps": total["crps"] / count, **coverage}


def quantile(forecast: Forecast, share: float) -> np.ndarray:
    """The change (N, H) that the outcome stays below with probability ``share``; float64."""
    from scipy import special

    assert forecast.location_NH is not None and forecast.scale_NH is not None
    location, scale = np.asarray(forecast.location_NH, np.float64), np.asarray(forecast.scale_NH, np.float64)
    if forecast.df_NH is None:
        return location + scale * special.ndtri(share)
    df = np.asarray(forecast.df_NH, np.float64)
    return location + scale * np.sqrt((df - 2) / df) * special.stdtrit(df, share)
