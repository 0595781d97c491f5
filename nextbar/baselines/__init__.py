"""Forecasts that need no model: what a model has to beat.

- ``Predictor``: what baselines, models and a user's own forecasters have in common
- ``history``, ``base``: from a long frame to moves, from moves to the forecast table
- ``series_baseline``: those that learn from each series by itself, all but range HAR
- ``point``, ``autoregression``, ``direction``, ``spread``, ``bins``: the baselines, by what they forecast
- ``variance``, ``garch``, ``student_t``: the parts of ``spread``

All are fitted once on the bars before a cutoff, and then only run forward. A further one is a class and its place in
``BASELINES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from nextbar.baselines.autoregression import Autoregression, MedianAutoregression, MedianDrift
from nextbar.baselines.base import Baseline
from nextbar.baselines.bins import Frequencies
from nextbar.baselines.direction import AlwaysUp, Reversal
from nextbar.baselines.garch import Garch, GjrGarch
from nextbar.baselines.point import Drift, Persistence, Seasonal
from nextbar.baselines.range_har import RangeHarBaseline
from nextbar.baselines.spread import Constant, Ewma
from nextbar.metrics.task import Task


class Predictor(Protocol):
    """Anything that can be fitted on bars and asked for forecasts.

    Its attribute ``name``, or else its class, is its name in reports. With ``direction_only = True`` nothing but the
    sign of its predicted moves is scored. Where a ``distribution`` is asked for it may have quantiles instead of a law
    (``shares = (0.1, 0.5, 0.9)``), or closes alone (``closes_only = True``). Where it has a method ``for_task(task)``,
    which gets the question once before the first fit, what that returns takes part.
    """

    def fit(self, frame: Any) -> Any:
        """Learn from the bars known at the cutoff.

        ``frame``: long pandas frame, ascending, with ``ticker``, ``resolution`` where there are several, ``date``
        (opening time, UTC), ``open``, ``high``, ``low``, ``close`` and whatever else the source has. What is returned
        is passed over.
        """

    def predict(self, frame: Any) -> Any:
        """Rows of the forecast table (see :mod:`nextbar.forecasts`) for every origin after the cutoff, steps 1 ... H.

        ``frame``: as in :meth:`fit`, from the first bar to the end of what is to be forecast. The forecast for an
        origin may depend on no bar after it.
        """


def name_of(predictor: Predictor) -> str:
    """Name of a predictor in reports."""
    return str(getattr(predictor, "name", None) or type(predictor).__name__)


def is_direction_only(predictor: Predictor) -> bool:
    """True where nothing but the sign of the predicted moves means anything."""
    return bool(getattr(predictor, "direction_only", False))


_POINT = (Persistence, Drift, Seasonal)
_EXPECTED = (MedianDrift, Autoregression, MedianAutoregression)
_LAWS = (
    *(
        partial(family, tail=tail)
        for family in (Constant, Ewma, Garch, GjrGarch, RangeHarBaseline)
        for tail in ("normal", "student_t")
    ),
    partial(RangeHarBaseline, tail="student_t", trailing=True),
)
_SKEWED = tuple(partial(RangeHarBaseline, tail="skew_t", trailing=trailing) for trailing in (False, True))
_DIRECTION = (Reversal, AlwaysUp)

BASELINES: dict[str, Sequence[Callable[[Task], Predictor]]] = {
    "mean": (*_POINT, *_EXPECTED, *_DIRECTION),
    "distribution": (*_POINT, *_LAWS, *_SKEWED, *_DIRECTION),
    "discrete_grid": (Frequencies, *_LAWS, *_DIRECTION),
}
"""what a forecast consists of: the baselines that give one; those for the direction alone come last"""


def for_task(task: Task, calendar: str = "auto", timezone: str = "auto") -> list[Predictor]:
    """All baselines that answer a question, not yet fitted; ``calendar`` and ``timezone`` as in ``DatasetConfig``.

    For a ``distribution`` those of the point come with the constant spread of training.

    Raises:
        ConfigError: the package arch is not installed and a ``distribution`` is asked for.
    """
    predictors = [baseline(task) for baseline in BASELINES[task.output_mode]]
    for predictor in predictors:
        if isinstance(predictor, Baseline):
            predictor.calendar, predictor.timezone = calendar, timezone
    return predictors
