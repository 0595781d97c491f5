"""The trailing level: how much wider or narrower the next law is to be, by what the last returns say of their laws.

How ranges stand to returns changes over the years (the tick, the fees, who trades), and with it the level of a law
that is read off ranges. The step from zero towards the likeliest level of the last bars is one of Fisher's scoring
method, as in score-driven models (Creal, Koopman and Lucas 2013; Harvey 2013), here over a window that ends.
"""

from __future__ import annotations

import numpy as np

TRAIL = 500
"""bars whose returns are asked, and the weight of a level of zero, in bars"""
LARGEST_SCORE = 1000.0
QUANTA = 2**20
"""scores are whole multiples of its inverse, hence their sums exact"""


def trailing_level(score_N: np.ndarray, information: float, trail: int) -> np.ndarray:
    """What is to be added to the log scale of the law after each bar, (N,); none depends on a later bar.

    The sum of the last ``trail`` scores over ``information`` and twice ``trail`` (fewer: those there are and
    ``trail``). The same, bit for bit, however many bars were before them.

    Args:
        score_N: slope of the log density of the return into each bar by the log scale of its law; 0: unknown.
        information: its variance under the law.
        trail: bars.
    """
    clipped_N = np.clip(np.nan_to_num(score_N, nan=0.0), -LARGEST_SCORE, LARGEST_SCORE)
    sum_N = np.cumsum(np.r_[0, np.rint(clipped_N * QUANTA).astype(np.int64)])
    end_N = np.arange(1, len(score_N) + 1)
    begin_N = np.maximum(end_N - trail, 0)
    known_N = np.minimum(end_N - 1, trail)  # the first bar has no return
    return (sum_N[end_N] - sum_N[begin_N]) / QUANTA / information / (known_N + trail)
