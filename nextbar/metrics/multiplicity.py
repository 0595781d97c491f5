"""Several tests at once: p-values corrected so that one false alarm among all stays as rare as in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) corrected p-values, in the order given; valid however the tests hang together.

    The i-th smallest of m is multiplied by m - i + 1, is never below the one before, and 1 at most.
    """
    p_M = np.asarray(p_values, np.float64)
    order_M = np.argsort(p_M, kind="stable")
    corrected_M = np.empty(len(p_M))
    corrected_M[order_M] = np.minimum(np.maximum.accumulate(p_M[order_M] * np.arange(len(p_M), 0, -1)), 1.0)
    return corrected_M.tolist()
