"""Exact law of tests of independence: all orders of a number of hits, counted by their transitions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SPAN = 8.0
"""standard deviations from the mean that the sums of the exact laws reach; beyond lies less than 1e-14"""


class Transitions(NamedTuple):
    """How often a window without (0) or with (1) a hit was followed by one without or with; arrays or numbers."""

    n00: np.ndarray
    n01: np.ndarray
    n10: np.ndarray
    n11: np.ndarray

    @classmethod
    def of(cls, hit_M: np.ndarray) -> Transitions:
        """Counts of a sequence of bool."""
        before, after = hit_M[:-1], hit_M[1:]
        counts = (np.sum((before == b) & (after == a)) for b in (False, True) for a in (False, True))
        return cls(*counts)


def likely_hits(m: int, probability: float) -> np.ndarray:
    """Numbers of hits in m windows that a sum over the binomial law must hold, ascending."""
    mean, reach = m * probability, SPAN * np.sqrt(m * probability * (1 - probability)) + SPAN
    return np.arange(max(0, int(mean - reach)), min(m, int(mean + reach)) + 1)


def orders(hits_K: np.ndarray, m: int) -> tuple[np.ndarray, Transitions]:
    """All orders of so many hits among m, by runs of hits and by what stands first and last.

    k hits in r runs lie in C(k - 1, r - 1) C(m - k - 1, z - 1) orders with z runs of misses, and z is r - 1, and one
    more for a miss that stands first, and for one that stands last.

    Returns:
        Log of the share of each kind among all orders of its number of hits, (K, R, 2, 2), and its transitions.
    """
    from scipy.special import gammaln

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        """ln C(n, k), with C(-1, -1) = 1, and 0 ways where there are none."""
        with np.errstate(all="ignore"):
            value = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        value = np.where((k >= 0) & (k <= n), value, -np.inf)
        return np.where((n == -1) & (k == -1), 0.0, value)

    share_K = hits_K / m
    runs_K, deviation_K = hits_K * (1 - share_K), m * share_K * (1 - share_K) / np.sqrt(m)
    low, high = np.floor(runs_K - SPAN * deviation_K - SPAN).min(), np.ceil(runs_K + SPAN * deviation_K + SPAN).max()
    r = np.arange(max(0, int(low)), min(int(high), int(hits_K.max())) + 1)[:, None, None]
    k, misses = hits_K[:, None, None, None], m - hits_K[:, None, None, None]
    first, last = np.array([0, 1])[:, None], np.array([0, 1])
    gaps = r - 1 + (1 - first) + (1 - last)
    possible = np.where((r == 0) & ((first == 1) | (last == 1)), -np.inf, 0.0)
    log_ways = log_choose(k - 1, r - 1) + log_choose(misses - 1, gaps - 1) + possible
    n10, n01 = r - last, r - first
    counts = np.broadcast_arrays(misses - gaps, n01, n10, k - r)
    return log_ways - log_choose(np.asarray(m), k), Transitions(*(np.maximum(count, 0) for count in counts))
