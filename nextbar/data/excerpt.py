"""Some windows of a tape as a small tape of their own: cut on the host, read by the same compiled code."""

from __future__ import annotations

import jax
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nextbar.data.window_spec import WindowSpec
from nextbar.data.windows import Tape


def excerpt(tape: Tape, origin_N: np.ndarray, spec: WindowSpec, ahead: int) -> Tape:
    """The windows that end at the origins, one after the other, each a series of its own.

    Args:
        tape: bars on the host.
        origin_N: rows of the last known bars; the rows of their windows all lie on the tape.
        spec: what a window consists of.
        ahead: bars after each origin that come with it; H where labels are asked for, 0 where there may be none.
    """
    n, length = len(origin_N), spec.seq_len + ahead
    first_N = origin_N - spec.seq_len + 1
    series_N = tape.series_R[origin_N]
    # the slots of the context's bars, then those ahead
    context_NL = _slices(tape.rank_R, first_N, spec.seq_len).reshape(n, -1) - 1
    rank_NZ = np.concatenate([context_NL, tape.rank_R[origin_N][:, None] + np.arange(spec.horizon)], axis=1)
    slot_NZ = tape.chain_SZ[series_N[:, None], rank_NZ]
    return Tape(
        stride=np.int32(length),
        rows_RX=_slices(tape.rows_RX, first_N, length),
        close_R2=_slices(tape.close_R2, first_N, length),
        bin_RH=tape.bin_RH[origin_N],
        series_R=np.arange(n, dtype=np.int32),
        rank_R=np.tile(np.arange(1, length + 1, dtype=np.int32), n),
        chain_SZ=np.tile(np.arange(rank_NZ.shape[1], dtype=np.int32), (n, 1)),
        clock_SMC=tape.clock_SMC[series_N[:, None], slot_NZ],
        fitted=jax.tree.map(lambda fitted_SG: fitted_SG[series_N], tape.fitted),
        return_std_S=tape.return_std_S[series_N],
        spreads=tape.spreads._replace(typical_SG=tape.spreads.typical_SG[series_N]),
        start_RHX=tape.start_RHX[origin_N],
        regressors_RK=tape.regressors_RK[origin_N],
        ahead_RHA=tape.ahead_RHA[origin_N],
        range_RH=tape.range_RH[origin_N],
        contexts=tuple(context.cut(origin_N, origins_in(n, spec, ahead), spec) for context in tape.contexts),
    )


def origins_in(windows: int, spec: WindowSpec, ahead: int) -> np.ndarray:
    """Rows of the last known bars of an excerpt's windows, int32."""
    return np.arange(windows, dtype=np.int32) * (spec.seq_len + ahead) + spec.seq_len - 1


def _slices(array_RX: np.ndarray, first_N: np.ndarray, length: int) -> np.ndarray:
    """(N * length, ...): rows from each first one on. Each slice is copied in one piece, not row by row."""
    width = array_RX[:1].size
    if width == 0:
        return np.empty((len(first_N) * length, *array_RX.shape[1:]), array_RX.dtype)
    piece_RX = sliding_window_view(array_RX.reshape(-1), length * width)[::width]
    return piece_RX[first_N].reshape(-1, *array_RX.shape[1:])
