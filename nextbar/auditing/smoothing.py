"""Smoothed prices: the share of a series' next move that its last moves explain, which a market leaves near zero."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lstsq
from scipy.stats import spearmanr

from nextbar.auditing.surprises import ahead, typical_move
from nextbar.bars.bars import Bars
from nextbar.machine.blas import one_thread

MOST_ROWS = 4000
"""Number of last rows that are searched."""
LEAST_ROWS = 100
"""Number of complete rows from which on a share is computed."""
PAST = 20
"""Number of last moves that the next one is regressed on."""
BLOCKS = 10
"""Number of blocks of rows; every second block is forecast by the fit on the others."""


@one_thread
def next_move_known(bars: Bars) -> float:
    """Share of the next bar's move that follows from the last ones, out of sample; a few percent in a market."""
    bars = bars.last(MOST_ROWS)
    close_N = bars.columns["close"]
    change_N = np.diff(close_N, prepend=close_N[:1])
    unit_N = typical_move(np.abs(change_N))
    past_NF = np.stack([np.ones(len(bars)), *(ahead(change_N, -j) / unit_N for j in range(PAST))], axis=1)
    y_N = ahead(change_N, 1) / unit_N
    row_N = np.isfinite(y_N) & np.isfinite(past_NF).all(axis=1)
    if row_N.sum() < LEAST_ROWS:
        return 0.0
    y_N, past_NF = y_N[row_N], past_NF[row_N]
    first_N = np.arange(len(y_N)) * BLOCKS // len(y_N) % 2 == 0
    forecast_N, mean_N = np.empty(len(y_N)), np.empty(len(y_N))
    for fitted, judged in ((first_N, ~first_N), (~first_N, first_N)):
        weight_F = lstsq(past_NF[fitted], y_N[fitted], check_finite=False)[0]
        forecast_N[judged], mean_N[judged] = past_NF[judged] @ weight_F, y_N[fitted].mean()
    if np.ptp(y_N) == 0:
        return 1.0
    share = 1 - float(((y_N - forecast_N) ** 2).sum() / ((y_N - mean_N) ** 2).sum())
    by_rank = float(spearmanr(y_N, forecast_N).statistic)  # of many rows, and not of the largest few
    return min(share, max(by_rank, 0.0) ** 2)
