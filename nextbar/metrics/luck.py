"""Probability that the best of many configurations is the best by luck alone.

The losses of all k configurations per timestamp are held against a benchmark's, and the winner's gain, by its
standard error, against the greatest of k such gains under equal skill: the test of superior predictive ability
(Hansen 2005; White's reality check, 2000, with standard errors) for the one that was chosen. Luck is drawn as in
:mod:`nextbar.metrics.null_draws`, with the correlation of the configurations: a hundred that forecast alike are not a
hundred tries. One that kept no losses counts as a further try of its own (Bonferroni), which makes luck likelier than
it is rather than less likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextbar.metrics.contests import first_alike, least_origins, superior_ability
from nextbar.metrics.null_draws import NullDraws
from nextbar.metrics.significance import cosine_averages
from nextbar.metrics.timeline import Timeline

DRAWS = 2_000
"""of as many configurations as a search tries"""


class Luck(NamedTuple):
    """Whether the winner may be one by luck."""

    tried: int
    """configurations"""
    unknown: int
    """of them without losses"""
    benchmark: str
    gain: float
    """mean loss of the benchmark - that of the winner"""
    statistic: float
    """the same by its standard error"""
    p_value: float
    origins: int

    def in_words(self) -> str:
        """One sentence."""
        how = f"{'better' if self.gain > 0 else 'worse'} than {self.benchmark} by {abs(self.gain):.4g}"
        sentence = (
            f"On validation the best of {self.tried} configurations is {how}; under pure luck such a winner appears "
            f"with probability {self.p_value:.2g}"
        )
        counted = f" ({self.unknown} that kept no losses count as tries of their own)" if self.unknown else ""
        return f"{sentence}{counted}."


def luck(timelines: Sequence[Timeline], winner: int, unknown: int, names: tuple[str, str], horizon: int) -> Luck | str:
    """Judge the winner of a search.

    Args:
        timelines: losses of each configuration that kept them; of those at timestamps of other ones only the common
            timestamps count.
        winner: place of the winner among them.
        unknown: how many further configurations were tried.
        names: of the model and of the benchmark in the timelines.
        horizon: H, bars that a loss is averaged over.

    Returns:
        The result; or why there is none, in words.
    """
    from scipy.special import stdtr

    time_T = timelines[winner].time_T
    for timeline in timelines:
        time_T = np.intersect1d(time_T, timeline.time_T)
    n = len(time_T)
    if n < least_origins(horizon):
        return f"too few validation origins to say: {n}, and it takes {least_origins(horizon)}"
    model, benchmark = names
    loss_TK = np.column_stack(
        [_at(timelines[winner], benchmark, time_T), *(_at(timeline, model, time_T) for timeline in timelines)]
    )
    finite_K = np.isfinite(loss_TK).all(axis=0)
    if not finite_K[[0, 1 + winner]].all():
        return f"a loss of the winner or of {benchmark} is not finite"
    unknown += int((~finite_K).sum())
    place = int(finite_K[: 1 + winner].sum())
    loss_TK = loss_TK[:, finite_K]
    first_K = first_alike(loss_TK)
    distinct = np.unique(first_K)
    gain = float(loss_TK[:, 0].mean() - loss_TK[:, place].mean())
    if first_K[place] == 0:
        return f"the winner forecasts the same as {benchmark}"
    t_K, t_RK = (statistics[..., 1:] for statistics in NullDraws.of(loss_TK[:, distinct], horizon, DRAWS).gains(0))
    statistic = float(t_K[np.searchsorted(distinct, first_K[place]) - 1])
    alone = float(stdtr(cosine_averages(n, horizon), -statistic))
    p_value = min(1.0, superior_ability(t_K, t_RK, n, statistic) + unknown * alone)
    return Luck(len(timelines) + unknown - int((~finite_K).sum()), unknown, benchmark, gain, statistic, p_value, n)


def _at(timeline: Timeline, name: str, time_T: np.ndarray) -> np.ndarray:
    return timeline.losses[name][np.searchsorted(timeline.time_T, time_T)]
