"""Several models' forecasts of the same windows as one: their equal-weight mixture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.types import Forecast


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
    kinds = {(f.location_NH is None, f.scale_NH is None, _df(f) is None, f.log_probs_NHK is None) for f in forecasts}
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
    return of_laws(
        _joined([_laws(f.location_NH, f.locations_NHM) for f in forecasts]),
        _joined([_laws(f.scale_NH, f.scales_NHM) for f in forecasts]),
        None if _df(first) is None else _joined([_laws(f.df_NH, f.dfs_NHM) for f in forecasts]),
    )


def of_laws(location_NHM: np.ndarray, scale_NHM: np.ndarray, df_NHM: np.ndarray | None) -> Forecast:
    """The equal-weight mixture of M laws, with its mean and standard deviation.

    Args:
        location_NHM: means.
        scale_NHM: standard deviations.
        df_NHM: degrees of freedom of Student-t laws; None: normal ones.
    """
    center_NH = location_NHM.mean(axis=-1)
    variance_NH = np.mean(scale_NHM**2 + (location_NHM - center_NH[..., None]) ** 2, axis=-1)
    return Forecast(center_NH, np.sqrt(variance_NH), locations_NHM=location_NHM, scales_NHM=scale_NHM, dfs_NHM=df_NHM)


def _df(forecast: Forecast) -> np.ndarray | None:
    """Degrees of freedom of its law or laws."""
    return forecast.df_NH if forecast.locations_NHM is None else forecast.dfs_NHM


def _laws(own_NH: np.ndarray | None, several_NHM: np.ndarray | None) -> np.ndarray:
    """A number of each law, (N, H, M); M is 1 where the forecast is no mixture."""
    if several_NHM is not None:
        return np.asarray(several_NHM, np.float64)
    assert own_NH is not None
    return np.asarray(own_NH, np.float64)[..., None]


def _joined(laws: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(laws, axis=-1)
