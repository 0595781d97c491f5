"""Quantiles of a predictive law."""

from __future__ import annotations

import numpy as np

from nextbar.types import Forecast


def quantile(forecast: Forecast, share: float) -> np.ndarray:
    """The change (N, H) that the outcome stays below with probability ``share``; float64."""
    from scipy import special

    assert forecast.location_NH is not None and forecast.scale_NH is not None
    location, scale = np.asarray(forecast.location_NH, np.float64), np.asarray(forecast.scale_NH, np.float64)
    if forecast.df_NH is None:
        return location + scale * special.ndtri(share)
    df = np.asarray(forecast.df_NH, np.float64)
    return location + scale * np.sqrt((df - 2) / df) * special.stdtrit(df, share)
