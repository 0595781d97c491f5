"""Bins of the next percentage move, and the losses of their probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nextbar.metrics.standard_laws import located
from nextbar.metrics.truth import Truth, hit, ratio
from nextbar.move_bins import bin_index
from nextbar.types import Forecast

EQUAL_MASS = 1e-6  # probabilities come in float32: masses closer than its rounding are equal

LEAST = 1e-12
"""probability that a law leaves to each bin at least: the log loss of what it excludes stays finite"""


def law_log_probs(forecast: Forecast, edges: Sequence[float]) -> np.ndarray:
    """Log probabilities (N, H, K) of the bins of the percentage move, of laws of the log return ln(c(t+h)/c(t)).

    A move of e percent is a log return of ln(1 + e / 100); the outermost bins reach to infinity.

    Args:
        forecast: the laws; no mixtures.
        edges: K+1, ascending, in percent.
    """
    inner = np.asarray(edges, np.float64)[1:-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # a series without a law has NaN
        edge_K = np.where(inner > -100, np.log1p(np.maximum(inner, -100) / 100), -np.inf)
        location_NH, unit_NH, law = located(forecast)
        z_NHK = (edge_K - location_NH[..., None]) / unit_NH[..., None]
    by_edge = law.map(lambda a: a[..., None])
    # a bin's mass is the difference of the smaller tails, which keep their digits far out
    below_NHK, above_NHK = by_edge.cdf(z_NHK), by_edge.sf(z_NHK)
    ones, zeros = np.ones((*z_NHK.shape[:2], 1)), np.zeros((*z_NHK.shape[:2], 1))
    below_NHK, above_NHK = np.concatenate([zeros, below_NHK, ones], -1), np.concatenate([ones, above_NHK, zeros], -1)
    by_below, by_above = np.diff(below_NHK, axis=-1), -np.diff(above_NHK, axis=-1)
    probs_NHK = np.maximum(np.where(below_NHK[..., 1:] < 0.5, by_below, by_above), LEAST)
    return np.log(probs_NHK / probs_NHK.sum(axis=-1, keepdims=True))


def side(edges: Sequence[float]) -> np.ndarray:
    """+1 for a bin above zero, -1 below, 0 where it straddles; shape (K,).

    The outermost bins reach to infinity whatever their outer edge says, because they take the moves outside.
    """
    inner = np.asarray(edges, np.float64)[1:-1]
    lower, upper = np.r_[-np.inf, inner], np.r_[inner, np.inf]
    return np.where(lower >= 0, 1, np.where(upper <= 0, -1, 0))


def direction(probs_NHK: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """The sign (-1, 0, 1) of the predicted move by probabilities (..., K) of the bins.

    It is that of the larger mass above or below zero, a straddling bin giving half to each, which cancels; equal masses
    are a flat forecast.
    """
    sides = side(edges)
    lead_NH = probs_NHK[..., sides > 0].sum(axis=-1) - probs_NHK[..., sides < 0].sum(axis=-1)
    return np.where(np.abs(lead_NH) <= EQUAL_MASS, 0.0, np.sign(lead_NH))


def elements(log_probs_NHK: np.ndarray, truth: Truth, edges: Sequence[float]) -> dict[str, np.ndarray]:
    """Summable losses (N, H) of log probabilities of the bins.

    ``log_loss``: -ln p of the bin of the outcome. ``brier``: sum over the bins of (p - outcome)^2, the original 0
    ... 2 (Brier 1950). For the direction see :func:`direction`.
    """
    bin_NH = bin_index(truth.last_close_N1, truth.close_NH, edges)
    chosen_NH = np.take_along_axis(log_probs_NHK, bin_NH[..., None], axis=-1)[..., 0]
    probs_NHK = np.exp(log_probs_NHK)
    return {
        "invalid": ~np.isfinite(probs_NHK).all(axis=-1),
        "log_loss": -chosen_NH,
        "brier": (probs_NHK**2).sum(axis=-1) - 2 * np.exp(chosen_NH) + 1,
        "correct": log_probs_NHK.argmax(axis=-1) == bin_NH,
        **hit(direction(probs_NHK, edges), truth.change_NH),
    }


def read_out(total: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics from sums of :func:`elements` and ``count`` of them; accuracies in percent."""
    count = total["count"]
    return {
        "acc": 100 * total["correct"] / count,
        "log_loss": total["log_loss"] / count,
        "brier": total["brier"] / count,
        "acc_dir": 100 * ratio(total["hit"], total["move"]),
    }
