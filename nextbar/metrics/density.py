"""Losses of a predictive law: logarithmic score, CRPS, coverage of central intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nextbar.metrics.mixtures import Mixture
from nextbar.metrics.standard_laws import located
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast

LEVELS = (50, 80, 90, 95)


def elements(forecast: Forecast, truth: Truth, task: Task) -> dict[str, np.ndarray]:
    """Summable losses (N, H) of the laws, or mixtures of laws, of a forecast.

    Where all prices are above zero, ``nll`` (nats) and ``crps`` are those of z = 100 ln(c(t+h)/c(t)), the
    percent log return. For target ``log_return`` that is exact. For target ``close`` the law of the price is
    carried over with the slope of z at the observed close c, dz/dc = 100/c: nll_z = nll_c - ln(c/100), which
    is the exact density of z, and crps_z = crps_c 100/c, a linearisation whose error is of the order of one
    move. Elsewhere both are of the price.
    """
    with np.errstate(all="ignore"):
        actual_NH, per_unit = actual(truth, task), slope(truth, task)
        if forecast.locations_NHM is not None:
            mixture = Mixture.of(forecast)
            nll_NH, crps_NH, cdf_NH = mixture.losses(actual_NH)
            invalid_NH = ~(np.isfinite(mixture.unit_NHM) & (mixture.unit_NHM > 0)).all(axis=-1)
            nll_NH, crps_NH = nll_NH + np.log(per_unit), crps_NH * per_unit
        else:
            location_NH, unit_NH, law = located(forecast)
            nll_NH, crps_NH, cdf_NH = law.losses((actual_NH - location_NH) / unit_NH)
            invalid_NH = ~(np.isfinite(unit_NH) & (unit_NH > 0))
            unit_NH = unit_NH * per_unit
            nll_NH, crps_NH = nll_NH + np.log(unit_NH), crps_NH * unit_NH
        covered = {f"covered_{level}": np.abs(cdf_NH - 0.5) <= level / 200 for level in LEVELS}
        return {"invalid_law": invalid_NH, "nll": nll_NH, "crps": crps_NH, **covered}


def actual(truth: Truth, task: Task) -> np.ndarray:
    """Outcomes in the unit of the target, (N, H)."""
    if task.target != "log_return":
        return truth.change_NH
    assert truth.log_return_NH is not None  # refused earlier, see Task.needs_positive_prices
    return truth.log_return_NH


def slope(truth: Truth, task: Task) -> np.ndarray | float:
    """d(percent log return) / d(target); 1 where prices are not all above zero."""
    if truth.log_return_NH is None:
        return 1.0
    return 100.0 if task.target == "log_return" else 100 / truth.close_NH


def read_out(total: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from sums of :func:`elements` and ``count`` of them; coverage in percent."""
    count = total["count"]
    coverage = {f"coverage_{level}": 100 * total[f"covered_{level}"] / count for level in LEVELS}
    return {"nll": total["nll"] / count, "crps": total["crps"] / count, **coverage}


def crps(forecast: Forecast, change_NH: np.ndarray) -> np.ndarray:
    """The CRPS (N, H) of the laws where a change came, in the unit of the target; float64. Of changes (J, N, H) too."""
    if forecast.locations_NHM is not None:
        return Mixture.of(forecast).losses(change_NH)[1]
    location_NH, unit_NH, law = located(forecast)
    return law.losses((change_NH - location_NH) / unit_NH)[1] * unit_NH


def quantile(forecast: Forecast, share: float) -> np.ndarray:
    """The change (N, H) that the outcome stays below with probability ``share``; float64."""
    if forecast.locations_NHM is not None:
        return Mixture.of(forecast).quantile(share)
    location_NH, unit_NH, law = located(forecast)
    return location_NH + unit_NH * law.ppf(share)


def mass_below(forecast: Forecast, change_NH: np.ndarray) -> np.ndarray:
    """The probability (N, H) of an outcome at or below a change; float64."""
    if forecast.locations_NHM is not None:
        return Mixture.of(forecast).cdf(change_NH)
    location_NH, unit_NH, law = located(forecast)
    return law.cdf((change_NH - location_NH) / unit_NH)


def mass_above(forecast: Forecast, change_NH: np.ndarray) -> np.ndarray:
    """The probability (N, H) of an outcome above a change, with all its digits where it is small; float64."""
    if forecast.locations_NHM is not None:
        return Mixture.of(forecast).sf(change_NH)
    location_NH, unit_NH, law = located(forecast)
    return law.sf((change_NH - location_NH) / unit_NH)
