"""The rivals of a model: all simple baselines that could be fitted, and the strongest, which is best on validation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.baselines.base import Baseline
from nextbar.baselines.candidates import Candidates, Key, OwnFit, OwnFits, fit_alone, fit_candidates, forecasts, named
from nextbar.data.dataset import Dataset
from nextbar.data.panel import Panel
from nextbar.errors import DataError
from nextbar.metrics.comparison import finite
from nextbar.metrics.reference import least_bars
from nextbar.metrics.scorer import FreeForecast, Scorer
from nextbar.metrics.task import Task
from nextbar.types import Reference

MOST_VALUES = 500_000
"""Forecasts (windows x steps x bins) that a rival is chosen by; of more windows every n-th."""

KEPT = 4
"""Data sets whose fitted candidates stay in memory, for the next training on one of them."""


@dataclass(frozen=True)
class Rival:
    """The simple rivals of a model, fitted; the strongest of them, and how it was chosen."""

    baseline: Baseline | None
    """The strongest; None where no baseline could be fitted."""
    scores: dict[str, dict[str, float | None]]
    """By candidate: the leading error on validation, mean over tickers, and the ``ranking_score`` it was chosen by.
    Empty where nothing is validated."""
    left_out: dict[str, str]
    """Baselines that were no candidates, and why."""
    others: dict[str, Baseline] = field(default_factory=dict)
    """The other candidates by name; a victory is one over these as well."""
    is_complete: bool = True
    """False for a run of an earlier version, which kept the strongest alone."""
    own: OwnFits = field(default_factory=dict)
    """Fits of the series that were not trained."""
    trained: tuple[Key, ...] = ()
    """Series that the run trained; of a run of an earlier version those that the strongest was fitted on."""
    start: dict[str, Any] | None = None
    """Biases of the untrained network's output layers, which say all that it forecasts; None where none are known."""

    @classmethod
    def of(
        cls, name: str | None, candidates: Candidates, scores: dict[str, dict[str, float | None]], dataset: Dataset
    ) -> Rival:
        """From fitted candidates and the name of the strongest."""
        others = {other: baseline for other, baseline in candidates.fitted.items() if other != name}
        trained = tuple(
            (b.ticker, b.resolution) for b, is_in in zip(dataset.bars, dataset.trained, strict=True) if is_in
        )
        return cls(candidates.fitted[name] if name else None, scores, candidates.left_out, others, trained=trained)

    @property
    def fitted_by_name(self) -> dict[str, Baseline]:
        """All candidates, the strongest first."""
        return {self.baseline.name: self.baseline, **self.others} if self.baseline else {}

    def strongest(
        self, panel: Panel, calendars: Sequence[Calendar], origin_N: np.ndarray, reference: Reference
    ) -> FreeForecast | None:
        """Forecasts of some windows by the strongest; None where there is no rival.

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
        forecast = forecasts(self.baseline, self.own, panel, calendars, origin_N, reference)
        return FreeForecast(self.baseline.name, self.words, forecast)

    def beside(self, scorer: Scorer, panel: Panel, calendars: Sequence[Calendar], origin_N: np.ndarray) -> Scorer:
        """A scorer that holds models against the strongest, and whose verdicts are over the others as well.

        Args:
            scorer: of the windows.
            panel: the series, each from its first bar that is known.
            calendars: of them.
            origin_N: rows of the windows' last known bars.

        Raises:
            DataError: a series that the strongest cannot forecast.
        """
        lacking = {panel.names[s]: reason for s, reason in self._without_rival(panel, origin_N)}
        strongest = self.strongest(panel, calendars, origin_N, scorer.reference)
        others = self._other_forecasts(panel, calendars, origin_N, scorer.reference)
        return scorer.beside(strongest, others, lacking)

    def _other_forecasts(
        self, panel: Panel, calendars: Sequence[Calendar], origin_N: np.ndarray, reference: Reference
    ) -> Iterator[FreeForecast]:
        """One at a time, so that the forecasts of no two are in memory; without those that cannot forecast a series."""
        for name, baseline in self.others.items():
            try:
                forecast = forecasts(baseline, self.own, panel, calendars, origin_N, reference)
            except DataError:
                continue
            yield FreeForecast(name, baseline.in_words, forecast)

    def _without_rival(self, panel: Panel, origin_N: np.ndarray) -> Iterator[tuple[int, str]]:
        """Series with windows that the strongest could not be fitted on, and the reason in words."""
        if self.baseline is None:
            return
        for s in np.unique(panel.series_R[origin_N]):
            bars = panel.bars[s]
            own = self.own.get((bars.ticker, bars.resolution))
            if own is not None and self.baseline.name not in own.fitted:
                known = int(origin_N[panel.series_R[origin_N] == s].min() - panel.starts[s]) + 1
                reason = f"{known} bars until its first forecast, and {self.least_bars} with moves are needed"
                yield s, f"no rival can be fitted on {panel.names[s]} ({reason})"

    @property
    def least_bars(self) -> int:
        """The fewest bars of a series that all candidates can be fitted on."""
        return least_bars(self.baseline.task) if self.baseline else 0

    def is_fitted_on(self, ticker: str, resolution: str) -> bool:
        """Whether a series is among those that the candidates were fitted on together."""
        key = ticker, resolution
        return key in self.trained or (self.baseline is not None and self.baseline.knows(key))

    def scored(self, bars: Bars, row_N: np.ndarray) -> np.ndarray:
        """Rows of the windows of a series that rivals can be fitted for; all of them where there is none.

        Those with bars enough before them, or after all bars of a fit that the run has written down.
        """
        if self.is_fitted_on(bars.ticker, bars.resolution):
            return row_N
        own = self.own.get((bars.ticker, bars.resolution))
        is_after_N = np.zeros(len(row_N), bool) if own is None else bars.close_time_N[row_N] >= own.until
        late_N = row_N[is_after_N | (row_N + 1 >= self.least_bars)]
        return late_N if len(late_N) else row_N

    def with_own(
        self, panel: Panel, calendars: Sequence[Calendar], origin_N: np.ndarray, *, keep: bool = False
    ) -> Rival:
        """The same rivals, with fits of their own for the series that they were not fitted on.

        Each is fitted on the bars of the series up to its first window. A fit that a run has written down stands in
        where fewer bars are given than candidates need.

        Args:
            panel: the series, each from its first bar that is known.
            calendars: of them.
            origin_N: rows of the windows' last known bars.
            keep: go by the fits that the run has written down, however many bars are given.
        """
        if self.baseline is None:
            return self
        own, names = dict(self.own), list(self.fitted_by_name)
        for s in np.unique(panel.series_R[origin_N]):
            bars = panel.bars[s]
            if self.is_fitted_on(bars.ticker, bars.resolution):
                continue
            known = int(panel.within(origin_N, s).min()) + 1
            key, since = (bars.ticker, bars.resolution), int(bars.close_time_N[known - 1])
            if key in own and own[key].until > since:
                del own[key]
            if known >= self.least_bars and not (keep and key in own):
                own[key] = fit_alone(names, self.baseline.task, bars.first(known), calendars[s])
            else:
                own.setdefault(key, OwnFit(since, {}))
        return replace(self, own=own)

    def fitted(self, dataset: Dataset, until: int) -> Rival:
        """The same rivals, fitted anew on the bars that close before ``until``, for a model that was too.

        Raises:
            DataError: the strongest cannot be fitted on them.
        """
        if self.baseline is None:
            return self
        task, name = self.baseline.task, self.baseline.name
        candidates = _fitted(dataset, task, until)
        if name not in candidates.fitted:
            raise DataError(f"baseline {name}: {candidates.left_out.get(name, 'it is no candidate any more')}")
        return Rival.of(name, candidates._replace(left_out=self.left_out), self.scores, dataset)

    @property
    def words(self) -> str:
        """Name of the strongest in a sentence."""
        return self.baseline.in_words if self.baseline else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a run's folder."""
        strongest: dict[str, Any] = {"name": None, "fitted": None}
        if self.baseline:
            strongest = {"name": self.baseline.name, "fitted": self.baseline.to_dict()}
        own = [
            {"series": list(key), "until": fit.until, "fitted": {n: b.to_dict() for n, b in fit.fitted.items()}}
            for key, fit in self.own.items()
        ]
        others = {name: baseline.to_dict() for name, baseline in self.others.items()}
        return strongest | {
            "validation": self.scores,
            "left_out": self.left_out,
            "trained": [list(key) for key in self.trained],
            "others": others,
            "own": own,
            "start": self.start,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], task: Task) -> Rival:
        """The rivals that a run has written down; of a run of an earlier version the strongest alone."""

        def restored(fitted: Mapping[str, Any]) -> dict[str, Baseline]:
            return {name: named(name, task).restored(values) for name, values in fitted.items()}

        baseline = named(plain["name"], task).restored(plain["fitted"]) if plain["name"] else None
        own = {
            (one["series"][0], one["series"][1]): OwnFit(one["until"], restored(one["fitted"]))
            for one in plain.get("own") or ()
        }
        others, start = plain.get("others"), plain.get("start")
        scores, left_out = plain["validation"], plain["left_out"]
        trained = tuple((ticker, resolution) for ticker, resolution in plain.get("trained") or ())
        return cls(baseline, scores, left_out, restored(others or {}), others is not None, own, trained, start)


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
    candidates = _fitted(dataset, task, dataset.cuts.training_end)
    scores = {} if validation is None else _validated(candidates, dataset, validation)
    name = next(iter(by_validation(scores) or candidates.fitted), None)
    return Rival.of(name, candidates, scores if name else {}, dataset)


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


def _fitted(dataset: Dataset, task: Task, until: int) -> Candidates:
    """``fit_candidates``, once for a data set."""
    key = (dataset.fingerprint, task, dataset.cuts, dataset.calendars, until)
    if key not in _candidates:
        while len(_candidates) >= KEPT:
            del _candidates[next(iter(_candidates))]
        _candidates[key] = fit_candidates(dataset, task, until)
    return _candidates[key]


def _validated(candidates: Candidates, dataset: Dataset, validation: Scorer) -> dict[str, dict[str, float | None]]:
    """Leading error and ranking score of each candidate on validation."""
    origin_N = dataset.origins["validation"]
    task = validation.task
    every = -(-len(origin_N) * task.horizon * max(1, len(task.edges) - 1) // MOST_VALUES)
    row_N = slice(None, None, every)
    part = Scorer(validation.outcomes.rows(row_N), validation.reference, task)
    panel = dataset.preparation.panel(dataset.used)
    rival = Rival.of(next(iter(candidates.fitted), None), candidates, {}, dataset)
    own = rival.with_own(panel, dataset.calendars, origin_N).own
    scores = {}
    for name, baseline in candidates.fitted.items():
        forecast = forecasts(baseline, own, panel, dataset.calendars, origin_N[row_N], validation.reference)
        scored = part.score(forecast)
        scores[name] = {
            task.leading: finite(scored.mean.pooled[task.leading]),
            "ranking_score": finite(part.ranking(scored)),
        }
    return scores
