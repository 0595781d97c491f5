"""Several models' forecasts of the same windows as one: their equal-weight mixture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.types import Forecast, Law


def mixture(forecasts: Sequence[Forecast]) -> Forecast:
    """The forecast of a deep ensemble (Lakshminarayanan et al. 2017), float64.

    - Point forecasts: their mean.
    - Bins: the mean of the probabilities.
    - Distributions: all their laws, each with the same weight, and mean and standard deviation of the whole. Laws of
      forecasts that are mixtures themselves count one by one.

    All but the first are the mixture itself. A single forecast stays as it is.

    Raises:
        ValueError: no forecast, or forecasts of different kinds.
    """
    kinds = {(*(number is None for number in f.law), f.log_probs_NHK is None) for f in forecasts}
    if len(kinds) != 1:
        raise ValueError(
            f"found {len(forecasts)} forecasts of different kinds; a mixture needs one or more of one kind"
        )
    if len(forecasts) == 1:
        return forecasts[0]
    first = forecasts[0]
    if first.log_probs_NHK is not None:
        log_probs = np.stack([np.asarray(f.log_probs_NHK, np.float64) for f in forecasts])
        return Forecast(log_probs_NHK=np.logaddexp.reduce(log_probs, axis=0) - np.log(len(forecasts)))
    if first.scale_NH is None:
        return Forecast(np.mean([np.asarray(f.location_NH, np.float64) for f in forecasts], axis=0))
    laws = [_several(f.law, mixed=f.locations_NHM is not None) for f in forecasts]
    return of_laws(
        Law(*(None if parts[0] is None else np.concatenate(parts, axis=-1) for parts in zip(*laws, strict=True)))
    )


def of_laws(law: Law) -> Forecast:
    """The equal-weight mixture of M laws, (N, H, M), with its mean and standard deviation."""
    location_NHM, scale_NHM = law.location, law.scale
    assert location_NHM is not None and scale_NHM is not None
    center_NH = location_NHM.mean(axis=-1)
    variance_NH = np.mean(scale_NHM**2 + (location_NHM - center_NH[..., None]) ** 2, axis=-1)
    several = {"locations_NHM": location_NHM, "scales_NHM": scale_NHM, "dfs_NHM": law.df, "skews_NHM": law.skew}
    return Forecast(center_NH, np.sqrt(variance_NH), **several)


def _several(law: Law, mixed: bool) -> Law:
    """The laws of a forecast as (N, H, M), float64; M is 1 where it is no mixture."""
    arrays = (None if a is None else np.asarray(a, np.float64) for a in law)
    return Law(*(a if a is None or mixed else a[..., None] for a in arrays))
