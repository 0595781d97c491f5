"""Losses of forecasts that are quantiles and no law: CRPS by the quantile score, coverage of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nextbar.metrics import density
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast


def elements(quantiles_NHQ: np.ndarray, truth: Truth, task: Task) -> dict[str, np.ndarray]:
    """Summable losses (N, H) of quantiles, changes in the unit of the target, at ``task.shares``.

    ``crps`` is in the unit of that of a law (see :func:`nextbar.metrics.density.elements`). The CRPS of a law is twice
    the integral of its quantile score over all shares (Laio and Tamea 2007, eq. 8); here it is that integral by
    trapezoids between the shares there are, with a score of 0 at the shares 0 and 1, which it goes to where the tails
    are not heavy. Of deciles of a normal law it is 1.5 % too low, of twentieths 0.5 %.
    """
    shares_Q = np.asarray(task.shares)
    actual_NH1 = density.actual(truth, task)[..., None]
    with np.errstate(invalid="ignore"):
        gap_NHQ = actual_NH1 - quantiles_NHQ
        score_NHQ = np.maximum(shares_Q * gap_NHQ, (shares_Q - 1) * gap_NHQ)
        crps_NH = 2 * (score_NHQ @ weights(task.shares)) * density.slope(truth, task)
        covered = {
            f"covered_{level}": (gap_NHQ[..., low] >= 0) & (gap_NHQ[..., high] <= 0)
            for level, (low, high) in intervals(task.shares).items()
        }
    return {"invalid_law": ~np.isfinite(quantiles_NHQ).all(axis=-1), "crps": crps_NH, **covered}


def read_out(total: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from sums of :func:`elements` and ``count`` of them; coverage in percent, where there is an interval."""
    count = total["count"]
    coverage = {
        f"coverage_{level}": 100 * total[f"covered_{level}"] / count
        for level in density.LEVELS
        if f"covered_{level}" in total
    }
    return {"crps": total["crps"] / count, **coverage}


def weights(shares: Sequence[float]) -> np.ndarray:
    """Of each share in the integral from 0 to 1 of what is 0 at both ends, by trapezoids, (Q,)."""
    whole = np.array([0.0, *shares, 1.0])
    return (whole[2:] - whole[:-2]) / 2


def intervals(shares: Sequence[float]) -> dict[int, tuple[int, int]]:
    """Places of the two ends of the central intervals of ``density.LEVELS`` whose ends are both there."""
    places = {round(share, 6): place for place, share in enumerate(shares)}
    ends = {level: tuple(round(0.5 + side * level / 200, 6) for side in (-1, 1)) for level in density.LEVELS}
    return {level: (places[lo], places[hi]) for level, (lo, hi) in ends.items() if lo in places and hi in places}


def with_quantiles(forecast: Forecast, shares: Sequence[float]) -> Forecast:
    """The forecast of laws with their quantiles, to be scored as those of a participant that has no law."""
    return forecast._replace(quantiles_NHQ=np.stack([density.quantile(forecast, share) for share in shares], axis=-1))
