"""The strongest simple rival of a model: the baseline that is best on validation, fitted on the training span alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.baselines import for_task
from nextbar.baselines.base import Baseline
from nextbar.baselines.history import History
from nextbar.data.dataset import Dataset
from nextbar.data.panel import Panel
from nextbar.errors import DataError
from nextbar.metrics.comparison import finite
from nextbar.metrics.reference import least_moves
from nextbar.metrics.scorer import Scorer, Strongest
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference

ORDER = (
    "range_har_t", "range_har_trailing_t", "range_har_skew_t", "range_har_trailing_skew_t", "gjr_garch_t", "garch_t",
    "range_har_normal", "gjr_garch_normal", "garch_normal", "ewma_t", "ewma_normal", "constant_t", "constant_normal",
    "frequencies", "persistence", "drift", "seasonal",
)  # fmt: skip
"""which one is taken where nothing is validated, and of two that are equally good: the first of those there are"""

MOST_VALUES = 500_000
"""forecasts (windows x steps x bins) that a rival is chosen by; of more windows every n-th"""

KEPT = 4
"""data sets whose fitted candidates stay in memory, for the next training on one of them"""


class Candidates(NamedTuple):
    """The baselines of a question that were fitted, by name in ``ORDER``, and why others were not."""

    fitted: dict[str, Baseline]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Rival:
    """The strongest simple rival, fitted, and how it was chosen."""

    baseline: Baseline | None
    """None where no baseline could be fitted"""
    scores: dict[str, dict[str, float | None]]
    """by candidate: the leading error on validation, mean over tickers, and the ``ranking_score`` it was chosen by;
    empty where nothing is validated"""
    left_out: dict[str, str]
    """baselines that were no candidates, and why"""

    def strongest(
        self, panel: Panel, calendars: Sequence[Calendar], origin_N: np.ndarray, reference: Reference
    ) -> Strongest | None:
        """Its forecasts of some windows; None where there is no rival.

        Args:
            panel: the series, each from its first bar that is known.
            calendars: of them.
            origin_N: rows of the windows' last known bars.
            reference: of the series; the unit of those that the rival was not fitted on.

        Raises:
            DataError: a series that it cannot forecast.
        """
        if self.baseline is None:
            return None
        forecast = _forecast(self.baseline, panel, calendars, origin_N, reference)
        return Strongest(self.baseline.name, self.words, forecast)

    def fitted(self, dataset: Dataset, until: int) -> Rival:
        """The same rival, fitted anew on the bars that close before ``until``, for a model that was too.

        Raises:
            DataError: it cannot be fitted on them.
        """
        if self.baseline is None:
            return self
        return replace(self, baseline=_fit(_named(self.baseline.name, self.baseline.task), dataset, until))

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return self.baseline.in_words if self.baseline else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a run's folder."""
        own: dict[str, Any] = {"name": None, "fitted": None}
        if self.baseline:
            own = {"name": self.baseline.name, "fitted": self.baseline.to_dict()}
        return own | {"validation": self.scores, "left_out": self.left_out}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], task: Task) -> Rival:
        """The rival that a run has written down."""
        baseline = None
        if plain["name"]:
            baseline = _named(plain["name"], task).restored(plain["fitted"])
        return cls(baseline, plain["validation"], plain["left_out"])


def strongest_rival(dataset: Dataset, task: Task, validation: Scorer | None) -> Rival:
    """The first of :func:`by_validation`; without validation, the first that can be fitted.

    All candidates are fitted on the bars that close before the validation span (Cuts.training_end), so the choice
    depends on no bar of the test span, and a forecast on none after its origin. Fitted candidates stay in memory for
    the next training on the data set.

    Args:
        dataset: its series, with the columns that the experiment uses.
        task: the question.
        validation: scores the validation span; None where there is none.
    """
    key = (dataset.fingerprint, task, dataset.cuts, dataset.calendars)
    if key not in _candidates:
        while len(_candidates) >= KEPT:
            del _candidates[next(iter(_candidates))]
        _candidates[key] = fit_candidates(dataset, task, dataset.cuts.training_end)
    candidates = _candidates[key]
    scores = {} if validation is None else _validated(candidates, dataset, validation)
    name = next(iter(by_validation(scores) or candidates.fitted), None)
    if name is None:
        return Rival(None, {}, candidates.left_out)
    return Rival(candidates.fitted[name], scores, candidates.left_out)


def by_validation(scores: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Names of candidates, the best on validation first, of two equals the first that is given.

    By the ranking score; those without one by the leading error: where no series has a plain baseline, which a ranking
    score is relative to, nobody has one.

    Args:
        scores: as :attr:`Rival.scores`.
    """

    def place(name: str) -> tuple[bool, float]:
        ranking = scores[name]["ranking_score"]
        errors = (value for key, value in scores[name].items() if key != "ranking_score" and value is not None)
        return ranking is None, next(errors, math.inf) if ranking is None else ranking

    return sorted(scores, key=place)


_candidates: dict[Any, Candidates] = {}


def fit_candidates(dataset: Dataset, task: Task, until: int) -> Candidates:
    """Fit the baselines of a question on the bars of a data set that close before ``until``.

    Those of the direction alone are no candidates, and neither are those that take too long: the limits count training
    bars, not seconds, so that the same bars have the same rivals everywhere.
    """
    fitted: dict[str, Baseline] = {}
    left_out: dict[str, str] = {}
    size = sum(int(np.searchsorted(b.close_time_N, until)) for b in dataset.used) * task.horizon
    for baseline in _baselines(task):
        if size > baseline.most_bars:
            left_out[baseline.name] = (
                f"{size:,} training bars x steps, and it is fitted on {baseline.most_bars:,} at most"
            )
            continue
        try:
            fitted[baseline.name] = _fit(baseline, dataset, until)
        except DataError as error:
            left_out[baseline.name] = str(error).removeprefix(f"baseline {baseline.name}: ")
    return Candidates(fitted, left_out)


def _baselines(task: Task) -> list[Baseline]:
    """Those that may be a rival, in ``ORDER``, those that are not in it last."""
    candidates = [b for b in for_task(task) if isinstance(b, Baseline) and not b.direction_only]
    return sorted(candidates, key=lambda b: ORDER.index(b.name) if b.name in ORDER else len(ORDER))


def _named(name: str, task: Task) -> Baseline:
    return next(baseline for baseline in _baselines(task) if baseline.name == name)


def _fit(baseline: Baseline, dataset: Dataset, until: int) -> Baseline:
    """Of series with too few bars nothing is learnt, so that their forecasts are in units of their own reference.

    Raises:
        DataError: it cannot be fitted, or could not forecast one of the series.
    """
    known = [bars.first(int(np.searchsorted(bars.close_time_N, until))) for bars in dataset.used]
    least = least_moves(baseline.task.horizon) + baseline.task.horizon
    rows = [s for s, bars in enumerate(known) if len(bars) and (dataset.learnt[s] or len(bars) >= least)]
    lacking = {bars.resolution for bars in known} - {known[s].resolution for s in rows}
    if lacking and baseline.needs_ranges:
        raise DataError(f"it needs {least} training bars of a series at {', '.join(sorted(lacking))}")
    return baseline.learn([History.of(known[s]) for s in rows], [dataset.calendars[s] for s in rows])


def _validated(candidates: Candidates, dataset: Dataset, validation: Scorer) -> dict[str, dict[str, float | None]]:
    """Leading error and ranking score of each candidate on validation."""
    origin_N = dataset.origins["validation"]
    task = validation.task
    every = -(-len(origin_N) * task.horizon * max(1, len(task.edges) - 1) // MOST_VALUES)
    row_N = slice(None, None, every)
    part = Scorer(validation.outcomes.rows(row_N), validation.reference, task)
    panel = dataset.preparation.panel(dataset.used)
    scores = {}
    for name, baseline in candidates.fitted.items():
        forecast = _forecast(baseline, panel, dataset.calendars, origin_N[row_N], validation.reference)
        scored = part.score(forecast)
        scores[name] = {
            task.leading: finite(scored.mean.pooled[task.leading]),
            "ranking_score": finite(part.ranking(scored)),
        }
    return scores


def _forecast(
    baseline: Baseline,
    panel: Panel,
    calendars: Sequence[Calendar],
    origin_N: np.ndarray,
    reference: Reference,
) -> Forecast:
    """A baseline's forecasts of windows of several series, in their order."""
    series_N = panel.series_R[origin_N]
    rows, forecasts = [], []
    for s in np.unique(series_N):
        row_N = np.flatnonzero(series_N == s)
        history = History.of(panel.bars[s])
        own_N = origin_N[row_N] - panel.starts[s]
        rows.append(row_N)
        forecasts.append(baseline.forecast(history, calendars[s], own_N, reference.of_series(s)))
    return Forecast.joined(forecasts).rows(np.argsort(np.concatenate(rows)))
