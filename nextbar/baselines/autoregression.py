"""Autoregressions of the move: by least squares, which a squared error asks for, and by least absolute deviations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.baselines.moves import Moves
from nextbar.baselines.series_baseline import SeriesBaseline
from nextbar.baselines.spread import step_moves
from nextbar.types import Forecast

MOST_LAGS = 14
"""Largest order that is tried."""
MOST_ROWS = 200_000
"""Rows that an autoregression is fitted on at most, the last of training: it has a handful of numbers."""
MOST_BARS = 4_000_000
"""Training bars of all series, times steps ahead, that an autoregression is fitted on as a rival."""
ITERATIONS = 200
NARROWEST = 1e-8
"""Residual, in standard deviations of the move, below which a weight grows no further."""
CLOSE_ENOUGH = 1e-9
"""Relative decrease of the mean absolute residual at which reweighting ends."""


class Lags(NamedTuple):
    """An autoregression: the next move is a constant and a weighted sum of the last moves."""

    constant: float
    coefficient_P: np.ndarray
    """Of the last move, the one before it and so on; zero beyond the order. (``MOST_LAGS``,)"""


class Autoregression(SeriesBaseline[Lags]):
    """AR(p) of the moves by least squares, p ≤ 14 by the Bayesian information criterion (Schwarz 1978).

    All orders are compared on the same rows, and the chosen one is fitted on all rows that it has. Orders under which
    forecasts would grow without end are left out. Several steps ahead are forecast by iteration.
    """

    name = "ar"
    words = "an autoregression"
    parameters = Lags
    min_windows = 3 * MOST_LAGS
    most_bars = MOST_BARS

    def _learn(self, moves: Moves) -> Lags:
        move_N = moves.move_N[1:][-MOST_ROWS:]
        fits = (self._fitted(move_N, order) for order in orders_by_bic(move_N))
        constant, *coefficients = next(fit_K for fit_K in fits if _is_stable(fit_K[1:]))
        coefficient_P = np.zeros(MOST_LAGS)
        coefficient_P[: len(coefficients)] = coefficients
        return Lags(float(constant), coefficient_P)

    def _fitted(self, move_N: np.ndarray, order: int) -> np.ndarray:
        """Constant and coefficients, (1 + order,)."""
        return least_squares(*lagged(move_N, order))

    def _forecast(self, learnt: Lags, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        order = int(np.max(np.flatnonzero(learnt.coefficient_P), initial=-1)) + 1
        padded_N = np.concatenate([np.zeros(order), moves.move_N])
        last = [padded_N[row_N + order - lag] for lag in range(order)]  # the newest move first
        step_NH = np.empty(date_NH.shape)
        for h in range(date_NH.shape[1]):
            weighted = (weight * move_N for weight, move_N in zip(learnt.coefficient_P, last, strict=False))
            step_NH[:, h] = learnt.constant + sum(weighted, np.zeros(len(row_N)))
            last = [step_NH[:, h], *last[:-1]] if order else []
        return Forecast(location_NH=step_NH.cumsum(axis=1))


class MedianAutoregression(Autoregression):
    """The autoregression of the same order whose mean absolute residual is least: the median of the next move."""

    name = "ar_median"
    words = "an autoregression of the median"

    def _fitted(self, move_N: np.ndarray, order: int) -> np.ndarray:
        return least_absolute(*lagged(move_N, order))


class Medians(NamedTuple):
    """The median move over each number of bars ahead."""

    move_H: np.ndarray


class MedianDrift(SeriesBaseline[Medians]):
    """The median of the moves over h bars in training: of all constants the one whose absolute error is least."""

    name = "drift_median"
    words = "the median move of training"
    parameters = Medians
    min_windows = 1

    def _learn(self, moves: Moves) -> Medians:
        steps = range(1, self.task.horizon + 1)
        return Medians(np.array([np.median(step_moves(moves.move_N, h)) for h in steps]))

    def _forecast(self, learnt: Medians, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        return Forecast(location_NH=np.broadcast_to(learnt.move_H, date_NH.shape))


def lagged(move_N: np.ndarray, order: int, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Regressors (M, 1 + order), a one and the last moves, the newest first; and the moves after them, (M,).

    Args:
        move_N: moves in the order of time.
        order: how many of the last moves.
        first: row of the first move that is explained; None: the first one that can be.
    """
    first = order if first is None else first
    columns = [np.ones(len(move_N) - first), *(move_N[first - lag : len(move_N) - lag] for lag in range(1, order + 1))]
    return np.stack(columns, axis=1), move_N[first:]


def orders_by_bic(move_N: np.ndarray, most: int = MOST_LAGS) -> list[int]:
    """The orders 0 ... ``most``, the best by the Bayesian information criterion first.

    The columns of an orthogonal decomposition are nested, so one of all lags tells the residuals of every order.
    """
    x_MK, y_M = lagged(move_N, most, most)
    explained_K = (np.linalg.qr(x_MK)[0].T @ y_M) ** 2
    residual_K = np.maximum(y_M @ y_M - np.cumsum(explained_K), np.finfo(float).tiny)
    n = len(y_M)
    criterion_K = n * np.log(residual_K / n) + np.log(n) * np.arange(1, most + 2)
    return [int(order) for order in np.argsort(criterion_K, kind="stable")]


def least_squares(x_MK: np.ndarray, y_M: np.ndarray) -> np.ndarray:
    """Coefficients with the least sum of squared residuals."""
    return np.asarray(np.linalg.lstsq(x_MK, y_M, rcond=None)[0])


def least_absolute(x_MK: np.ndarray, y_M: np.ndarray) -> np.ndarray:
    """Coefficients with the least sum of absolute residuals, by iteratively reweighted least squares."""
    best_K = least_squares(x_MK, y_M)
    best = last = float(np.abs(y_M - x_MK @ best_K).mean())
    beta_K = best_K
    for _ in range(ITERATIONS):
        weight_M = 1 / np.maximum(np.abs(y_M - x_MK @ beta_K), NARROWEST)
        weighted_KM = x_MK.T * weight_M
        beta_K = np.linalg.lstsq(weighted_KM @ x_MK, weighted_KM @ y_M, rcond=None)[0]
        error = float(np.abs(y_M - x_MK @ beta_K).mean())
        if error < best:
            best, best_K = error, beta_K
        if abs(last - error) <= CLOSE_ENOUGH * max(last, NARROWEST):
            break
        last = error
    return best_K


def _is_stable(coefficient_P: np.ndarray) -> bool:
    """Whether iterated forecasts settle: all roots of the companion matrix lie within the unit circle."""
    if not len(coefficient_P):
        return True
    companion = np.eye(len(coefficient_P), k=-1)
    companion[0] = coefficient_P
    return bool(np.abs(np.linalg.eigvals(companion)).max() < 1)
