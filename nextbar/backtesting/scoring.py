"""Scores of all participants on the same windows, and the model compared with each of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Kind, Participant
from nextbar.backtesting.pooling import ByFold
from nextbar.backtesting.standing import standing
from nextbar.data.dataset import Dataset
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.comparison import Score, finite, too_few
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.examined import Examined, Finding
from nextbar.metrics.findings import findings
from nextbar.metrics.quantile_score import with_quantiles
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import START, FreeForecast, Scorer
from nextbar.metrics.scores import Scores
from nextbar.metrics.significance import DieboldMariano
from nextbar.metrics.superiority import Superiority, beats
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Reference

DIRECTION = "acc_dir"
"""the only metric of participants that forecast a direction alone"""


def reference(panel: BacktestPanel, dataset: Dataset, task: Task) -> Reference:
    """The reference of the panel's series by the first fit's training span: unit of the scaled metrics in all folds."""
    learnt = {(b.ticker, b.resolution) for b, used in zip(dataset.bars, dataset.learnt, strict=True) if used}
    closes = [b.columns["close"][b.close_time_N < dataset.cuts.training_end] for b in panel.bars]
    history = panel.outcomes(panel.rows(dataset.bars, dataset.history_N))
    return fit_reference(history, closes, task, np.array([(b.ticker, b.resolution) in learnt for b in panel.bars]))


class ModelBeside(NamedTuple):
    """The model compared with another participant."""

    diebold_mariano: DieboldMariano | None
    skill: dict[str, float | None]
    beaten: bool | None
    """whether the model beats it by more than luck; None: too few origins to say"""
    verdict: str
    tested: Superiority | None
    """the loss that is tested, of both"""


NOT_COMPARED = ModelBeside(None, {}, None, "", None)


class SpanScorers(NamedTuple):
    """Scorers of one question."""

    whole: Scorer
    """of all windows"""
    by_fold: list[Scorer]


@dataclass(frozen=True, eq=False)
class FoldScorer:
    """Scores the forecasts of N windows, those of all folds end to end."""

    panel: BacktestPanel
    row_N: np.ndarray
    """origins"""
    fold_N: np.ndarray
    """index of each window's fold, ascending"""
    reference: Reference
    task: Task
    strongest: FreeForecast | None = None
    """the strongest baseline, whose law says which outcomes the loss of a law tells apart"""
    _scorers_by_task: dict[Task, SpanScorers] = field(default_factory=dict, init=False)

    def scores(
        self,
        model: str,
        others: Sequence[Participant],
        forecasts: Mapping[str, Forecast],
        strongest: str | None = None,
        start: Forecast | None = None,
    ) -> dict[str, dict[str, Any]]:
        """By name, plain values, the model first.

        ``pooled`` {metric: value}, ``by_fold`` a list of such, ``by_ticker`` {name: such}; ``kind``,
        ``direction_only``; ``leading`` (the error that the model is compared with it on: that of the experiment, or of
        closes alone, or ``crps`` of quantiles, of the model too by the same ``shares``); ``diebold_mariano`` of the
        model against it (None for the model, for directions, where the two are identical), ``skill`` of the model over
        it, ``beaten`` (by more than luck; None: too few origins to say), ``verdict`` in words. The model's own
        ``verdict`` is over every baseline and its own start where there is a strongest one, with ``tested`` as in a
        span's report; ``overall`` says whom it beats.

        Args:
            model: its name.
            others: the other participants.
            forecasts: of all windows, by name.
            strongest: name of the strongest baseline.
            start: the untrained model's forecasts of all windows, where they are known.
        """
        model_scores = cache(partial(self._model_scores, forecasts[model]))  # once for each question
        nodes = {model: self._node("model", self.task, forecasts[model], model_scores(self.task), NOT_COMPARED)}
        for participant in others:
            nodes[participant.name] = self._node_beside(participant, forecasts[participant.name], model_scores)
        origins = len(np.unique(self.panel.outcomes(self.row_N).origin_time_N))
        overall = standing(model, nodes, self.task, origins)
        nodes[model] |= {"verdict": overall, "overall": overall}
        if strongest:
            free = [other for other in others if self._costs_nothing(other, forecasts[other.name])]
            free.sort(key=lambda other: other.name != strongest)
            named = [FreeForecast(other.name, other.words, forecasts[other.name]) for other in free]
            named += [FreeForecast(*START, start)] if start else []
            report = self._scorers(self.task).whole.beside(named[0], named[1:]).report(model_scores(self.task))
            nodes[model] |= {"tested": report["tested"], "verdict": report["verdict"]}
        return nodes

    def _costs_nothing(self, other: Participant, forecast: Forecast) -> bool:
        """Whether a participant is a baseline that answers the experiment's own question."""
        return (
            other.kind == "baseline" and not other.direction_only and other.question(forecast, self.task) == self.task
        )

    def _model_scores(self, forecast: Forecast, question: Task) -> Scores:
        """The model's scores by another question than its own, such as that of quantiles."""
        answer = with_quantiles(forecast, question.shares) if question.shares else forecast
        return self._scorers(question).whole.score(answer)

    def _node_beside(
        self, participant: Participant, forecast: Forecast, model_scores: Callable[[Task], Scores]
    ) -> dict[str, Any]:
        """A participant, and the model beside it by the question that it answers."""
        question = participant.question(forecast, self.task)
        scores = self._scorers(question).whole.score(forecast)
        if participant.direction_only:
            compared = _compare_directions(model_scores(self.task), scores, participant.words)
        else:
            compared = self._compare(model_scores(question), scores, question, participant.words)
        return self._node(participant.kind, question, forecast, scores, compared, participant.direction_only)

    def _node(
        self,
        kind: Kind,
        question: Task,
        forecast: Forecast,
        scores: Scores,
        compared: ModelBeside,
        direction_only: bool = False,
    ) -> dict[str, Any]:
        parts = [
            scorer.score(forecast.rows(self.fold_N == k)) for k, scorer in enumerate(self._scorers(question).by_fold)
        ]
        only = DIRECTION if direction_only else None
        return {
            "kind": kind,
            "direction_only": direction_only,
            "leading": question.leading,
            "shares": list(question.shares),
            "pooled": _plain(scores.mean, only),
            "by_fold": [_plain(part.mean, only) for part in parts],
            "by_ticker": {name: _plain(score, only) for name, score in scores.by_ticker.items()},
        } | compared._asdict()

    def _compare(self, model: Scores, other: Scores, question: Task, words: str) -> ModelBeside:
        report = self._scorers(question).whole.report_against(model, other, words)
        beaten = None if too_few(report["origins"], question.horizon) else beats(report, question.leading)
        return ModelBeside(report["diebold_mariano"], report["skill"], beaten, report["verdict"], report["tested"])

    def calibration(self, forecast: Forecast, conformals: Sequence[Conformal] | None = None) -> dict[str, Any]:
        """The model's calibration over all folds; ``conformals``: by fold, the validation residuals of its fit."""
        by_fold = ByFold.of(conformals, self.fold_N) if conformals else None
        return calibration_report(self.panel.outcomes(self.row_N), forecast, self.task, by_fold)

    def tests(
        self,
        model: str,
        others: Sequence[Participant],
        forecasts: Mapping[str, Forecast],
        strongest: str | None = None,
    ) -> dict[str, Finding]:
        """What statistical tests say of the model, and of all that answer the same question; see ``Examined``.

        The benchmark is the strongest baseline; without one the first of the others that answers the question.
        """
        rivals = [
            other.name for other in others
            if not other.direction_only and other.question(forecasts[other.name], self.task) == self.task
        ]  # fmt: skip
        taking_part = {name: forecasts[name] for name in (model, *rivals)}
        benchmark = strongest or next(iter(rivals), model)
        realised_NH = self.panel.realised_variance(self.row_N)
        return findings(Examined(self._scorers(self.task).whole, taking_part, benchmark, realised_NH))

    def _scorers(self, task: Task) -> SpanScorers:
        if task not in self._scorers_by_task:
            parts = [self.row_N[self.fold_N == k] for k in range(self.fold_N[-1] + 1)]
            whole, *by_fold = (Scorer(self.panel.outcomes(row), self.reference, task) for row in (self.row_N, *parts))
            if task == self.task:
                whole = whole.beside(self.strongest)
            self._scorers_by_task[task] = SpanScorers(whole, by_fold)
        return self._scorers_by_task[task]


def _compare_directions(model: Scores, other: Scores, words: str) -> ModelBeside:
    ours, theirs = (finite(scores.mean.pooled[DIRECTION]) for scores in (model, other))
    if ours is None or theirs is None:
        return NOT_COMPARED._replace(verdict="No verdict: no bar moved.")
    text = f"Right about {ours:.1f} % of the moves, {words} about {theirs:.1f} %."
    return NOT_COMPARED._replace(skill={DIRECTION: ours - theirs}, verdict=text)


def _plain(score: Score, only: str | None) -> dict[str, float | None]:
    return {name: finite(value) for name, value in score.pooled.items() if only in (None, name)}
