"""Paths of closes over the H steps, drawn from the laws of the single steps."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from nextbar.errors import ConfigError
from nextbar.forecasts.table import Keys
from nextbar.metrics.standard_laws import located
from nextbar.types import Forecast

MOST = 20_000_000
"""closes that are drawn at once"""


def path_changes(forecast: Forecast, keys: Keys, samples: int, seed: int) -> np.ndarray:
    """Changes from the last close along J paths, (J, N, H), in the unit of the target.

    A forecast says what the close is after one bar, after two and so on, each from the origin, and not how these go
    together. So this is assumed: behind each path stands a random walk with independent normal increments, whose
    variance from step h - 1 to step h is the variance of law h less that of law h - 1; where a law is no wider than the
    widest before it, the increment is zero. Step h of the path is the quantile of law h at the share at which the walk
    stands in its own (a Gaussian copula). So each step has exactly the law that was forecast for it, whatever its tail
    and skewness, and normal laws that widen have independent increments themselves.

    Of a mixture each path follows one of the M laws through all steps, drawn with equal chances: the disagreement of
    an ensemble's members lasts over the path, as that about a drift would.

    The paths of a forecast follow from ``seed``, its ticker, resolution and origin: neither other forecasts nor more
    paths change them.

    Args:
        forecast: N laws of H steps.
        keys: what they are about.
        samples: J.
        seed: 0 or more.

    Raises:
        ConfigError: they would be more than ``MOST`` closes.
    """
    location, unit, law = located(forecast)
    several = forecast.locations_NHM is not None

    def per_law(a: np.ndarray) -> np.ndarray:
        return a if several else a[..., None]

    location_NHM, unit_NHM, scale_NHM = map(per_law, (location, unit, np.asarray(forecast.law.scale, np.float64)))
    count, horizon, laws = location_NHM.shape
    if samples * count * horizon > MOST:
        raise ConfigError(
            f"samples: {samples:,} paths of {count:,} forecasts over {horizon} steps are {samples * count * horizon:,} "
            f"closes; at most {MOST:,} are drawn at once: ask for fewer, or for forecasts from fewer bars"
        )
    clock_NHM = np.maximum.accumulate(scale_NHM**2, axis=1)  # the variance of the walk
    increment_NHM = np.sqrt(np.diff(clock_NHM, axis=1, prepend=0))

    z_JNH, law_JN11 = np.empty((samples, count, horizon)), np.zeros((samples, count, 1, 1), np.int64)
    for n in range(count):
        for_walk, for_law = _generators(seed, keys, n)
        z_JNH[:, n] = for_walk.standard_normal((samples, horizon))
        law_JN11[:, n, 0, 0] = for_law.integers(laws, size=samples)

    def followed(a_NHM: np.ndarray) -> np.ndarray:
        """Of the law that each path follows, (J, N, H)."""
        return np.take_along_axis(a_NHM[None], law_JN11, axis=-1)[..., 0]

    from scipy.special import ndtr

    clock_JNH = followed(clock_NHM)
    walk_JNH = np.cumsum(z_JNH * followed(increment_NHM), axis=-1)
    place_JNH = np.divide(walk_JNH, np.sqrt(clock_JNH), out=np.zeros_like(walk_JNH), where=clock_JNH > 0)
    own = law.map(lambda a: followed(per_law(a)))
    return followed(location_NHM) + followed(unit_NHM) * own.ppf(ndtr(place_JNH))


def _generators(seed: int, keys: Keys, n: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Of the walk and of the choice of the law, for forecast n."""
    resolution = "" if keys.resolution_N is None else keys.resolution_N[n]
    name = crc32(f"{keys.ticker_N[n]}_{resolution}".encode())
    entropy = [seed, name, int(keys.origin_N[n]) % 2**63]  # dates before 1970 are below zero
    first, second = np.random.SeedSequence(entropy).spawn(2)
    return np.random.default_rng(first), np.random.default_rng(second)
