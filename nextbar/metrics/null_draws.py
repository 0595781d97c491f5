"""What luck alone makes of the differences between several mean losses, each divided by its standard error.

The Diebold-Mariano test of :mod:`nextbar.metrics.significance` for many at once: of K losses per timestamp, the first
B cosine transforms tell the long-run covariance of their means (Müller 2007; Lazarus, Lewis, Stock and Watson 2018).
Under equal expected loss the means are normal with that covariance, and independent of its estimate, which is
Wishart-distributed with B degrees of freedom. Both are drawn, and each draw is divided by its own standard errors, so
that a contest of two has the Student-t law of the Diebold-Mariano test, and one of many the joint law of all their
statistics.

This takes the place of a block bootstrap, whose standard errors are too small in the samples at hand: see
``docs/metrics.md`` for how often either errs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.significance import cosine_averages

DRAWS = 10_000
SEED = 0


class NullDraws(NamedTuple):
    """Differences of K mean losses, observed and under equal expected loss; R draws."""

    mean_K: np.ndarray
    covariance_KK: np.ndarray
    """of the means"""
    mean_RK: np.ndarray
    covariance_RKK: np.ndarray

    @classmethod
    def of(cls, loss_TK: np.ndarray, horizon: int, draws: int = DRAWS, seed: int = SEED) -> NullDraws:
        """From losses per timestamp; ``horizon`` H as in the Diebold-Mariano test, B must be 1 at least.

        The Wishart matrices are drawn by Bartlett's decomposition.
        """
        from scipy.fft import dct

        n = len(loss_TK)
        averages = cosine_averages(n, horizon)
        wave_BK = dct(loss_TK, norm="ortho", axis=0)[1 : averages + 1] / np.sqrt(n * averages)
        _, size_Q, axis_QK = np.linalg.svd(wave_BK, full_matrices=False)
        root_QK = size_Q[:, None] * axis_QK
        q = len(size_Q)
        rng = np.random.default_rng(seed)
        lower = np.tril(rng.standard_normal((draws, q, q)), -1)
        diagonal = np.arange(q)
        lower[:, diagonal, diagonal] = np.sqrt(rng.chisquare(averages - diagonal, (draws, q)))
        factor = np.einsum("rij,ik->rjk", lower, root_QK) / np.sqrt(averages)
        mean_RK = rng.standard_normal((draws, q)) @ root_QK
        return cls(loss_TK.mean(axis=0), root_QK.T @ root_QK, mean_RK, np.einsum("rjk,rjl->rkl", factor, factor))

    def between(self) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of loss i - loss j: observed (K, K), drawn (R, K, K); 0 on the diagonal."""
        return _pairs(self.mean_K, self.covariance_KK), _pairs(self.mean_RK, self.covariance_RKK)

    def gains(self, benchmark: int) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of the benchmark's loss - loss of each: observed (K,), drawn (R, K); 0 for the benchmark
        itself."""
        observed_KK, drawn_RKK = self.between()
        return observed_KK[benchmark], drawn_RKK[:, benchmark]


def _pairs(mean_K: np.ndarray, covariance_KK: np.ndarray) -> np.ndarray:
    variance_K = np.diagonal(covariance_KK, axis1=-2, axis2=-1)
    variance_KK = variance_K[..., :, None] + variance_K[..., None, :] - 2 * covariance_KK
    gap_KK = mean_K[..., :, None] - mean_K[..., None, :]
    floor = 1e-14 * (variance_K[..., :, None] + variance_K[..., None, :])
    return np.divide(
        gap_KK, np.sqrt(np.maximum(variance_KK, floor)), out=np.zeros_like(gap_KK), where=variance_KK > floor
    )
