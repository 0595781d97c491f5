"""Several models' forecasts of the same windows as one: their equal-weight mixture, or the law nearest to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.types import Forecast


def mixture(forecasts: Sequence[Forecast]) -> Forecast:
    """The forecast of a deep ensemble (Lakshminarayanan et al. 2017), float64.

    - Point forecasts: their mean.
    - Bins: the mean of the probabilities, which is the mixture itself.
    - Distributions: one law with the mean and the variance of the mixture (their section 2.4), wider where the models
      disagree. The degrees of freedom of Student-t laws are the harmonic mean: the mean of their tail indices.

    Raises:
        ValueError: no forecast, or forecasts of different kinds.
    """
    if not forecasts or len({tuple(a is None for a in forecast) for forecast in forecasts}) > 1:
        raise ValueError(
            f"found {len(forecasts)} forecasts of different kinds; a mixture needs one or more of one kind"
        )
    location, scale, df, log_probs = (
        None if arrays[0] is None else np.stack(arrays).astype(np.float64)  # (M, N, H) or (M, N, H, K)
        for arrays in zip(*forecasts, strict=True)
    )
    if log_probs is not None:
        return Forecast(log_probs_NHK=np.logaddexp.reduce(log_probs, axis=0) - np.log(len(forecasts)))
    assert location is not None
    center_NH = location.mean(axis=0)
    if scale is None:
        return Forecast(center_NH)
    variance_NH = np.mean(scale**2 + (location - center_NH) ** 2, axis=0)
    return Forecast(center_NH, np.sqrt(variance_NH), None if df is None else 1 / np.mean(1 / df, axis=0))
