"""Contests of several forecasts: which may be the best, and which beat the benchmark.

- Model confidence set (Hansen, Lunde and Nason 2011): those that cannot be told from the best.
- Test of superior predictive ability (Hansen 2005): does the best of the others beat the benchmark by more than a best
  of so many does by luck?
- StepM (Romano and Wolf 2005): which of them do, with a chance of 5 % that one of them does not.

All three judge losses per timestamp, as the Diebold-Mariano test does, and by the same law of luck,
:mod:`nextbar.metrics.null_draws`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nextbar.metrics.null_draws import NullDraws
from nextbar.metrics.significance import FLOAT32_NOISE, cosine_averages, origins_for

LEVEL = 0.05
LEAST_AVERAGES = 5
"""with three, the model confidence set loses one of twelve equals in up to 10 draws of 100, where 5 are claimed"""
LEAST = 3
"""different forecasts that make a contest; of two the Diebold-Mariano test says the same"""


class Contestant(NamedTuple):
    """One of those that took part."""

    name: str
    loss: float
    """mean over time"""
    confidence: float
    """p-value of the model confidence set: it holds all whose p-value is above the level"""
    superior: bool
    """better than the benchmark by StepM"""


class Contest(NamedTuple):
    """The result, the lowest mean loss first."""

    contestants: tuple[Contestant, ...]
    benchmark: str
    p_value: float
    """of superior predictive ability: a best of so many as good as this, were none better than the benchmark"""
    averages: int
    """B, cosine averages behind the standard errors"""
    origins: int

    @property
    def best(self) -> list[str]:
        """The model confidence set."""
        return [contestant.name for contestant in self.contestants if contestant.confidence > LEVEL]

    @property
    def superior(self) -> list[str]:
        """Those that beat the benchmark."""
        return [contestant.name for contestant in self.contestants if contestant.superior]


def contest(losses: Mapping[str, np.ndarray], benchmark: str, horizon: int) -> Contest | str:
    """Put all losses to the three tests.

    Args:
        losses: by participant, (T,) per timestamp, lower is better.
        benchmark: the participant that the others are to beat.
        horizon: H, bars that a loss is averaged over; those of H successive origins share bars.

    Returns:
        The contest; or why there is none, in words.
    """
    names = list(losses)
    loss_TK = np.column_stack([np.asarray(losses[name], np.float64) for name in names])
    broken = [name for k, name in enumerate(names) if not np.isfinite(loss_TK[:, k]).all()]
    if broken:
        return f"a loss of {', '.join(broken)} is not finite"
    first_K = first_alike(loss_TK)
    distinct = np.unique(first_K)
    if len(distinct) < LEAST:
        return f"there are {len(distinct)} different forecasts, and a contest takes {LEAST}"
    if len(loss_TK) < least_origins(horizon):
        return f"too few origins to say: {len(loss_TK)}, and a contest takes {least_origins(horizon)}"
    draws = NullDraws.of(loss_TK[:, distinct], horizon)
    place_K = np.searchsorted(distinct, first_K)
    home = int(place_K[names.index(benchmark)])
    rivals = np.flatnonzero(np.arange(len(distinct)) != home)
    gain_K, gain_RK = (statistics[..., rivals] for statistics in draws.gains(home))
    confidence_K = confidence_set(*draws.between())
    superior_K = np.zeros(len(distinct), bool)
    superior_K[rivals] = step_m(gain_K, gain_RK, len(loss_TK))
    contestants = (
        Contestant(name, float(loss_TK[:, k].mean()), float(confidence_K[place_K[k]]), bool(superior_K[place_K[k]]))
        for k, name in enumerate(names)
    )
    return Contest(
        tuple(sorted(contestants, key=lambda contestant: contestant.loss)), benchmark,
        superior_ability(gain_K, gain_RK, len(loss_TK)), cosine_averages(len(loss_TK), horizon), len(loss_TK),
    )  # fmt: skip


def least_origins(horizon: int) -> int:
    """The fewest origins for a contest: those of ``LEAST_AVERAGES`` cosine averages, 45 for one step, 15 H for many."""
    return origins_for(LEAST_AVERAGES, horizon)


def confidence_set(t_KK: np.ndarray, t_RKK: np.ndarray) -> np.ndarray:
    """p-values of the model confidence set by the range statistic, (K,); 1 for the one that is left.

    The greatest statistic of loss i - loss j is held against the greatest of each draw; while more than one is left,
    the loser of that pair goes, and a p-value is no less than those before it (Hansen, Lunde and Nason 2011, section
    3.1.2).

    Args:
        t_KK: observed, differences by their standard errors.
        t_RKK: R draws under equal expected loss.
    """
    p_value_K, left, highest = np.ones(len(t_KK)), list(range(len(t_KK))), 0.0
    while len(left) > 1:
        among = t_KK[np.ix_(left, left)]
        greatest_R = t_RKK[:, left][:, :, left].max(axis=(1, 2))
        highest = max(highest, drawn_p(greatest_R, float(among.max())))
        loser = left[int(np.unravel_index(np.argmax(among), among.shape)[0])]
        p_value_K[loser] = highest
        left.remove(loser)
    return p_value_K


def superior_ability(t_K: np.ndarray, t_RK: np.ndarray, n: int, gain: float | None = None) -> float:
    """Hansen's consistent p-value: how often the best of K gains is as great where none is better than the benchmark.

    Args:
        t_K: gains over the benchmark by their standard errors.
        t_RK: R draws under equal expected loss.
        n: T, origins that a mean is taken over.
        gain: how great; None: as the greatest of ``t_K``.
    """
    return drawn_p(recentred(t_K, t_RK, n).max(axis=1), float(t_K.max()) if gain is None else gain)


def step_m(t_K: np.ndarray, t_RK: np.ndarray, n: int) -> np.ndarray:
    """Which of K are better than the benchmark, bool (K,), with a chance of ``LEVEL`` that one of them is not.

    Those above the quantile of the greatest statistic of the draws are out, and the rest is judged anew among itself,
    until nobody is. Arguments as for :func:`superior_ability`.
    """
    t_RK = recentred(t_K, t_RK, n)
    superior_K = np.zeros(len(t_K), bool)
    while not superior_K.all():
        critical = np.quantile(t_RK[:, ~superior_K].max(axis=1), 1 - LEVEL)
        better_K = ~superior_K & (t_K > critical)
        if not better_K.any():
            break
        superior_K |= better_K
    return superior_K


def drawn_p(greatest_R: np.ndarray, observed: float) -> float:
    """Share of the draws that are greater, the observed one counted among them, so that it is never 0."""
    return (1 + int(np.sum(greatest_R > observed))) / (1 + len(greatest_R))


def recentred(t_K: np.ndarray, t_RK: np.ndarray, n: int) -> np.ndarray:
    """The draws, where one that is worse by more than sqrt(2 ln ln n) standard errors stays as far below zero as it is.

    So hopeless ones do not make the test timid (Hansen 2005, section 3.2).
    """
    return t_RK + np.where(t_K < -np.sqrt(2 * np.log(np.log(n))), t_K, 0.0)


def first_alike(loss_TK: np.ndarray) -> np.ndarray:
    """For each column the first one that is the same, to float32 rounding; int (K,)."""
    first: list[int] = []
    for k in range(loss_TK.shape[1]):
        alike = [
            j for j in dict.fromkeys(first)
            if np.abs(loss_TK[:, j] - loss_TK[:, k]).max() <= FLOAT32_NOISE * np.abs(loss_TK[:, j]).mean()
        ]  # fmt: skip
        first.append(alike[0] if alike else k)
    return np.array(first)
