"""Forecasts that need no model: what a model has to beat.

- ``protocol``: what baselines, models and a user's own forecasters have in common
- ``history``, ``base``: from a long frame to moves, from moves to the forecast table
- ``point``, ``direction``, ``spread``, ``bins``: the baselines, by what they forecast
- ``variance``, ``garch``, ``student_t``: the parts of ``spread``

All are fitted once on the bars before a cutoff, and then only run forward.
"""

from __future__ import annotations

from nextbar.baselines.bins import Frequencies
from nextbar.baselines.direction import AlwaysUp, Reversal
from nextbar.baselines.garch import Garch
from nextbar.baselines.point import Drift, Persistence, Seasonal
from nextbar.baselines.protocol import Predictor, is_direction_only, name_of
from nextbar.baselines.spread import TAILS, Constant, Ewma
from nextbar.metrics.task import Task

__all__ = [
    "Predictor",
    "for_task",
    "is_direction_only",
    "name_of",
]


def for_task(task: Task) -> list[Predictor]:
    """All baselines that answer a question, not yet fitted; those for the direction alone come last.

    For a ``distribution`` those of the point come with the constant spread of training.

    Raises:
        ConfigError: the package arch is not installed and a ``distribution`` is asked for.
    """
    direction: list[Predictor] = [Reversal(task), AlwaysUp(task)]
    if task.output_mode == "discrete_grid":
        return [Frequencies(task), *direction]
    point: list[Predictor] = [Persistence(task), Drift(task), Seasonal(task)]
    if task.output_mode == "mean":
        return [*point, *direction]
    return [*point, *(family(task, tail) for family in (Constant, Ewma, Garch) for tail in TAILS), *direction]
