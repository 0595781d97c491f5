"""Random outcomes and forecasts that the tests of metrics share."""

from __future__ import annotations

import numpy as np

from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

EDGES = (-np.inf, -1.0, -0.25, 0.25, 1.0, np.inf)
NAMES = ("dear", "cheap", "penny")


def make_outcomes(horizon: int, seed: int = 0, sizes: tuple[int, ...] = (301, 37, 120)) -> Outcomes:
    """Tickers of unequal length and very unequal price, shuffled together, a few bars without a move."""
    rng = np.random.default_rng(seed)
    series_N = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    last_N = np.array([60_000.0, 30.0, 0.02])[series_N] * np.exp(0.1 * rng.normal(size=len(series_N)))
    close_NH = last_N[:, None] * np.exp(0.01 * rng.normal(size=(len(series_N), horizon)).cumsum(axis=1))
    close_NH[::17] = last_N[::17, None]
    time_N = np.zeros(len(series_N), np.int64)
    for s, size in enumerate(sizes):
        time_N[series_N == s] = 3600 * rng.permutation(size)
    return Outcomes(series_N, NAMES, time_N, last_N, close_NH)


def make_scorer(horizon: int, **question: object) -> Scorer:
    outcomes = make_outcomes(horizon)
    task = Task(horizon=horizon, **question)  # type: ignore[arg-type]
    rng = np.random.default_rng(5)
    closes = [price * np.exp(0.2 * rng.normal(size=400)) for price in (60_000.0, 30.0, 0.02)]
    return Scorer(outcomes, fit_reference(make_outcomes(horizon, seed=9), closes, task), task)


def random_forecast(scorer: Scorer, df: bool = False, skew: float | None = None) -> Forecast:
    """Moves half right, spreads around one percent, and some flat forecasts."""
    rng, (last_N, close_NH) = (
        np.random.default_rng(2),
        (scorer.outcomes.last_close_N, scorer.outcomes.close_NH),
    )
    r_NH = 0.3 * np.log(close_NH / last_N[:, None]) + 0.01 * rng.normal(size=close_NH.shape)
    r_NH[::13] = 0
    scale_NH = 0.01 * np.exp(0.3 * rng.normal(size=close_NH.shape))
    unit_N1 = last_N[:, None] if scorer.task.target == "close" else 1.0
    location_NH = last_N[:, None] * np.expm1(r_NH) if scorer.task.target == "close" else r_NH
    df_NH = 2.1 + rng.exponential(6.0, close_NH.shape) if df else None
    skew_NH = None if skew is None else np.full(close_NH.shape, skew)
    return Forecast(location_NH=location_NH, scale_NH=scale_NH * unit_N1, df_NH=df_NH, skew_NH=skew_NH)


def random_bins(scorer: Scorer) -> Forecast:
    logits_NHK = np.random.default_rng(3).normal(size=(*scorer.outcomes.close_NH.shape, len(EDGES) - 1))
    return Forecast(log_probs_NHK=logits_NHK - np.log(np.exp(logits_NHK).sum(-1, keepdims=True)))


def prices(scorer: Scorer, forecast: Forecast, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(last close, true close, predicted close) of some windows, by the definition."""
    last_N1 = scorer.outcomes.last_close_N[row, None]
    location_NH = forecast.location_NH[row]
    predicted = last_N1 + location_NH if scorer.task.target == "close" else last_N1 * np.exp(location_NH)
    return np.broadcast_to(last_N1, predicted.shape), scorer.outcomes.close_NH[row], predicted


def direction(sign: np.ndarray, move: np.ndarray) -> float:
    """acc_dir by counting."""
    points = [0.5 if s == 0 else float(s == np.sign(m)) for s, m in zip(sign.flat, move.flat, strict=True) if m]
    return 100 * sum(points) / len(points)
