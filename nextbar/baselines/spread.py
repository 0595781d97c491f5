"""Baselines for a predictive law: of a constant spread, or of one that follows the last moves."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from nextbar.baselines.moves import Moves
from nextbar.baselines.series_baseline import Learnt, SeriesBaseline
from nextbar.baselines.student_t import fit_student_t
from nextbar.baselines.variance import Filter
from nextbar.metrics.task import Task
from nextbar.types import Forecast

TAILS = {"normal": "normal", "student_t": "t", "skew_t": "skew_t"}
"""tails of a law, called as in a model's configuration: what they are called in the names of baselines"""
IN_WORDS = {"normal": "normal", "student_t": "Student-t", "skew_t": "skewed Student-t"}

LAMBDA = 0.94
"""RiskMetrics' decay for daily returns (J.P. Morgan and Reuters 1996)"""

ENOUGH = 1000
"""overlapping moves are thinned to four in a horizon for the fit of a tail, but not below this many"""


MOST_BARS = 1_000_000
"""training bars of all series, times steps ahead, that a tail is fitted on as a rival"""


class Laws(NamedTuple):
    """A law for each step; ``df_H`` is (0,) where they are normal."""

    location_H: np.ndarray
    scale_H: np.ndarray
    df_H: np.ndarray


class Spread(SeriesBaseline[Learnt]):
    """A baseline for a whole law, with a ``normal`` or a ``student_t`` tail."""

    family: str
    is_law = True
    min_windows = 30

    def __init__(self, task: Task, tail: str = "normal") -> None:
        super().__init__(task)
        self.tail = tail
        self.name = f"{self.family}_{TAILS[tail]}"
        self.words = f"{self.words} with a {IN_WORDS[tail]} tail"
        if tail == "student_t":
            self.most_bars = MOST_BARS

    def _learn(self, moves: Moves) -> Learnt | None:
        return self._learn_law(moves) if np.ptp(moves.move_N[1:]) > 0 else None

    @abstractmethod
    def _learn_law(self, moves: Moves) -> Learnt | None:
        """As ``_learn``, of a close that does move."""


class Constant(Spread[Laws]):
    """One law for each step: mean and standard deviation of the h-step moves in training; with a Student-t tail
    location, scale and degrees of freedom by maximum likelihood.

    One step ahead the normal one is the law of ``drift``.
    """

    family = "constant"
    words = "a constant spread"
    parameters = Laws

    def _learn_law(self, moves: Moves) -> Laws:
        steps = range(1, self.task.horizon + 1)
        if self.tail == "normal":
            mean = [step_moves(moves.move_N, h).mean() for h in steps]
            return Laws(np.array(mean), moves.spread_H, np.empty(0))
        return Laws(*np.array([fit_student_t(thinned(step_moves(moves.move_N, h), h)) for h in steps]).T)

    def _forecast(self, learnt: Laws, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        return Forecast(*(np.broadcast_to(value_H, date_NH.shape) if len(value_H) else None for value_H in learnt))


class Filtered(Spread[Filter]):
    """The variance of the next move follows the last moves; fitted once, run forward over all bars.

    Several steps ahead the variance is that of their sum. A Student-t tail has the degrees of freedom, and a factor on
    the scale, that are likeliest for the standardised moves of training, for each step.
    """

    parameters = Filter

    @abstractmethod
    def _learn_filter(self, moves: Moves) -> Filter | None:
        """With the laws of the first steps, as far as they are fitted with the filter."""

    def _learn_law(self, moves: Moves) -> Filter | None:
        fitted = self._learn_filter(moves)
        if fitted is None or self.tail == "normal":
            return fitted
        horizon = self.task.horizon
        variance_N = fitted.next_variance(moves.move_N)
        factor_H, df_H = list(fitted.factor_H), list(fitted.df_H)
        for h in range(len(df_H) + 1, horizon + 1):
            centred_N = step_moves(moves.move_N, h) - h * fitted.mean
            scale_N = np.sqrt(fitted.ahead(variance_N[: len(centred_N)], h)[:, -1])
            _, factor, df = fit_student_t(thinned(centred_N / scale_N, h), location=0.0)
            factor_H.append(factor)
            df_H.append(df)
        return fitted._replace(factor_H=np.array(factor_H), df_H=np.array(df_H))

    def _forecast(self, learnt: Filter, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        horizon = self.task.horizon
        variance_NH = learnt.ahead(learnt.next_variance(moves.move_N)[row_N], horizon)
        return Forecast(
            location_NH=np.broadcast_to(learnt.mean * np.arange(1, horizon + 1), date_NH.shape),
            scale_NH=np.sqrt(variance_NH) * learnt.factor_H,
            df_NH=np.broadcast_to(learnt.df_H, date_NH.shape) if self.tail == "student_t" else None,
        )


class Ewma(Filtered):
    """Exponentially weighted variance around a mean of zero, decay 0.94, from the variance of training."""

    family = "ewma"
    words = "an EWMA spread"

    def _learn_filter(self, moves: Moves) -> Filter:
        start = float(moves.move_N[1:].var())
        factor_H = np.ones(self.task.horizon) if self.tail == "normal" else np.empty(0)
        return Filter(0.0, 0.0, 1 - LAMBDA, LAMBDA, start, factor_H, np.empty(0))


def step_moves(move_N: np.ndarray, step: int) -> np.ndarray:
    """The moves over ``step`` bars from each origin that has them, (N - step,)."""
    path_N = np.cumsum(move_N)
    return path_N[step:] - path_N[:-step]


def thinned(x_N: np.ndarray, step: int) -> np.ndarray:
    """Some of the values for a step: neighbours share most of their bars, and add little."""
    return x_N[:: max(1, min(step // 4, len(x_N) // ENOUGH))]
