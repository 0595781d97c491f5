"""Null distribution of the differences between several mean losses, each divided by its standard error.

The Diebold-Mariano test of :mod:`nextbar.metrics.significance` for many at once: of K losses per timestamp, the first
B cosine transforms tell the long-run covariance of their means (Müller 2007; Lazarus, Lewis, Stock and Watson 2018).
Under equal expected loss the means are normal with that covariance, and independent of its estimate, which is
Wishart-distributed with B degrees of freedom. Both are drawn, and each draw is divided by its own standard errors, so
that a contest of two has the Student-t law of the Diebold-Mariano test, and one of many the joint law of all their
statistics.

This takes the place of a block bootstrap, with which the model confidence set loses one of six equals far too often;
``bench/contest_size.py`` measures how often either errs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nextbar.machine.blas import one_thread
from nextbar.metrics.significance import cosine_averages

DRAWS = 10_000
SEED = 0
CHUNK = 4_000_000
"""numbers worked on at once"""
ROUNDING = 1e-14
"""variances of differences below this share of those of the losses are zero"""


class NullDraws(NamedTuple):
    """Mean losses of K forecasts, and what their differences are drawn from."""

    mean_K: np.ndarray
    root_QK: np.ndarray
    """Q = min(B, K): its product with its transpose, (K, K), is the covariance of the means"""
    averages: int
    """B"""
    draws: int = DRAWS
    seed: int = SEED

    @classmethod
    @one_thread
    def of(cls, loss_TK: np.ndarray, horizon: int, draws: int = DRAWS, seed: int = SEED) -> NullDraws:
        """From losses per timestamp; H and B as in the Diebold-Mariano test, B must be 1 at least."""
        from scipy.fft import dct

        n = len(loss_TK)
        averages = cosine_averages(n, horizon)
        wave_BK = dct(loss_TK, norm="ortho", axis=0)[1 : averages + 1] / np.sqrt(n * averages)
        _, size_Q, axis_QK = np.linalg.svd(wave_BK, full_matrices=False)
        return cls(loss_TK.mean(axis=0), size_Q[:, None] * axis_QK, averages, draws, seed)

    @one_thread
    def between(self) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of loss i - loss j: observed (K, K), and R draws of them, (R, K, K); 0 on the diagonal."""
        k_all = range(len(self.mean_K))
        observed = np.stack([_gains(self.mean_K, self.root_QK, k) for k in k_all])
        drawn = [np.stack([_gains(*draw, k) for k in k_all], axis=1) for draw in self._drawn()]
        return observed, np.concatenate(drawn)

    @one_thread
    def gains(self, benchmark: int) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of the benchmark's loss - loss of each: observed (K,), and R draws, (R, K)."""
        drawn = [_gains(*draw, benchmark) for draw in self._drawn()]
        return _gains(self.mean_K, self.root_QK, benchmark), np.concatenate(drawn)

    def _drawn(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Means (C, K) and roots (C, Q, K), of C draws at a time; of Wishart matrices by Bartlett's decomposition."""
        q, k = self.root_QK.shape
        rng = np.random.default_rng(self.seed)
        at_once = max(1, CHUNK // (q * k))
        diagonal = np.arange(q)
        for first in range(0, self.draws, at_once):
            count = min(at_once, self.draws - first)
            lower_CQQ = np.tril(rng.standard_normal((count, q, q)), -1)
            lower_CQQ[:, diagonal, diagonal] = np.sqrt(rng.chisquare(self.averages - diagonal, (count, q)))
            root_CQK = lower_CQQ.swapaxes(1, 2) @ self.root_QK / np.sqrt(self.averages)
            yield rng.standard_normal((count, q)) @ self.root_QK, root_CQK


def _gains(mean_K: np.ndarray, root_QK: np.ndarray, k: int) -> np.ndarray:
    """Loss k - loss of each, by its standard error, (..., K); 0 where the two do not differ."""
    variance_K = np.sum((root_QK - root_QK[..., [k]]) ** 2, axis=-2)
    total_K = np.sum(root_QK**2 + root_QK[..., [k]] ** 2, axis=-2)
    gain_K = mean_K[..., [k]] - mean_K
    varies_K = variance_K > ROUNDING * total_K
    return np.divide(gain_K, np.sqrt(variance_K), out=np.zeros_like(gain_K), where=varies_K)
