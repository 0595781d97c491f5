"""The only file that looks ahead: what happens after an origin.

``label`` runs on the device inside the compiled epoch, ``outcomes`` on the host in float64 for the metrics. Bins are
told on the host alone, by ``bin_index``, for labels, metrics and baselines alike: a move that meets an edge exactly, as
prices of a coarse tick do, is then on one side of it everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.data.statistics import Pair
from nextbar.move_bins import bin_index
from nextbar.types import Array, Outcomes


def bins_ahead(close_N: np.ndarray, horizon: int, edges: Sequence[float] | None) -> np.ndarray:
    """Bins of the moves over the next 1 ... H bars from each bar of a series, int32 (N, H); (N, 0) without edges.

    Past the end of the series the last close stands in; no window reaches there.
    """
    n = len(close_N)
    if edges is None:
        return np.empty((n, 0), np.int32)
    ahead_NH = np.minimum(np.arange(n)[:, None] + np.arange(1, horizon + 1), n - 1)
    return bin_index(close_N[:, None], close_N[ahead_NH], edges).astype(np.int32)


def label(
    last: Pair,
    future: Pair,
    unit_B: Array,
    target: str,
) -> Array:
    """The change the model is asked for, (B, H) float32.

    Args:
        last: last known close, (B,).
        future: the next closes, (B, H).
        unit_B: label unit: price units for target ``close``, log return for ``log_return``.
        target: ``close`` or ``log_return``.
    """
    import jax.numpy as jnp

    change_BH = future.minus(Pair(last.high[:, None], last.low[:, None]))
    if target == "log_return":
        return jnp.log1p(change_BH / last.high[:, None]) / unit_B[:, None]
    return change_BH / unit_B[:, None]


def outcomes(
    close_R: np.ndarray,
    close_time_R: np.ndarray,
    series_R: np.ndarray,
    names: tuple[str, ...],
    origin_N: np.ndarray,
    horizon: int,
) -> Outcomes:
    """What happened after the origins (row numbers), in float64."""
    ahead_NH = origin_N[:, None] + np.arange(1, horizon + 1)
    return Outcomes(
        series_N=series_R[origin_N],
        names=names,
        origin_time_N=close_time_R[origin_N],
        last_close_N=close_R[origin_N],
        close_NH=close_R[ahead_NH],
    )


def realised(variance_R: np.ndarray, origin_N: np.ndarray, horizon: int) -> np.ndarray:
    """Sum of the variances of the next 1 ... H bars after the origins (row numbers), float64 (N, H)."""
    return np.cumsum(variance_R[origin_N[:, None] + np.arange(1, horizon + 1)], axis=1)
