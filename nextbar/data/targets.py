"""The only file that looks ahead: what happens after an origin.

``label`` runs on the device inside the compiled epoch, ``outcomes`` on the host in float64 for the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.data.scaling import Pair
from nextbar.types import Array, Outcomes


def label(
    last: Pair,
    future: Pair,
    unit_B: Array,
    target: str,
    edges: Sequence[float] | None,
) -> Array:
    """What the model is asked for, (B, H).

    Args:
        last: last known close, (B,).
        future: the next closes, (B, H).
        unit_B: label unit: price units for target ``close``, log return for ``log_return``.
        target: ``close`` or ``log_return``.
        edges: K+1 ascending bin edges in percent; then the label is the int32 bin of the simple percentage move.
    """
    import jax.numpy as jnp

    change_BH = future.minus(Pair(last.high[:, None], last.low[:, None]))
    move_BH = change_BH / last.high[:, None]
    if edges is not None:
        inner = jnp.asarray(edges[1:-1], jnp.float32)[None, None]
        return jnp.sum(100 * move_BH[..., None] >= inner, axis=-1, dtype=jnp.int32)
    if target == "log_return":
        return jnp.log1p(move_BH) / unit_B[:, None]
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
