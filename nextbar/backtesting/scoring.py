"""Scores of all participants on the same windows, and the model compared with each of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant
from nextbar.data.dataset import Dataset
from nextbar.errors import DataError
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.comparison import Score, beats, finite, too_few
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.examined import Examined, Finding
from nextbar.metrics.findings import findings
from nextbar.metrics.multiplicity import listed
from nextbar.metrics.quantile_score import with_quantiles
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.scores import Scores
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


def pooled(name: str, forecasts: Sequence[Forecast]) -> Forecast:
    """The forecasts of several folds, end to end.

    Raises:
        DataError: ``df`` or ``skew`` is given in some folds only.
    """
    for column in ("df", "skew"):
        if len({getattr(f.own, column) is None for f in forecasts}) > 1:
            raise DataError(
                f"{name}: there is a column {column} in some folds and none in others; give it in all, or in none"
            )
    kinds = {None if f.scales_NHM is None else (f.scales_NHM.shape[-1], *(a is None for a in f.law)) for f in forecasts}
    if len(kinds) > 1:
        raise DataError(f"{name}: its laws are mixtures of other kinds in some folds; give the same in all")
    return Forecast.joined(forecasts)


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
    _scorers_by_task: dict[Task, list[Scorer]] = field(default_factory=dict, init=False)

    def scores(
        self,
        model: str,
        others: Sequence[Participant],
        forecasts: Mapping[str, Forecast],
        strongest: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """By name, plain values, the model first.

        ``pooled`` {metric: value}, ``by_fold`` a list of such, ``by_ticker`` {name: such}; ``kind``,
        ``direction_only``; ``leading`` (the error that the model is compared with it on: that of the experiment, or of
        closes alone, or ``crps`` of quantiles, of the model too by the same ``shares``); ``diebold_mariano`` of the
        model against it (None for the model, for directions, where the two are identical), ``skill`` of the model over
        it, ``beaten`` (by more than luck; None: too few origins to say), ``verdict`` in words. The model's own
        ``verdict`` is that against the strongest, where there is one, and ``overall`` says whom it beats.

        Args:
            model: its name.
            others: the other participants.
            forecasts: of all windows, by name.
            strongest: name of the strongest baseline.
        """
        whole, node = self._scored(forecasts[model], self.task)
        nodes = {model: node | {"kind": "model"}}
        ours = {self.task: whole}
        for participant in others:
            forecast = forecasts[participant.name]
            question = participant.question(forecast, self.task)
            if question not in ours and not participant.direction_only:  # the model by the same question
                answer = forecasts[model]
                answer = with_quantiles(answer, question.shares) if question.shares else answer
                ours[question] = self._scorers(question)[0].score(answer)
            scores, node = self._scored(forecast, question, DIRECTION if participant.direction_only else None)
            node |= {"kind": participant.kind, "direction_only": participant.direction_only}
            held = whole if participant.direction_only else ours[question]
            nodes[participant.name] = node | self._beside(held, participant, scores, question)
        nodes[model]["overall"] = overall = self._overall(model, nodes)
        nodes[model]["verdict"] = nodes[strongest]["verdict"] if strongest else overall
        return nodes

    def _scored(self, forecast: Forecast, question: Task, only: str | None = None) -> tuple[Scores, dict[str, Any]]:
        of_all, *by_fold = self._scorers(question)
        scores = of_all.score(forecast)
        parts = [scorer.score(forecast.rows(self.fold_N == k)) for k, scorer in enumerate(by_fold)]
        return scores, {
            "kind": "",
            "direction_only": False,
            "leading": question.leading,
            "shares": list(question.shares),
            "pooled": _plain(scores.mean, only),
            "by_fold": [_plain(part.mean, only) for part in parts],
            "by_ticker": {name: _plain(score, only) for name, score in scores.by_ticker.items()},
            "diebold_mariano": None,
            "skill": {},
            "beaten": None,
            "verdict": "",
        }

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
        return findings(Examined(self._scorers(self.task)[0], taking_part, benchmark, realised_NH))

    def _scorers(self, task: Task) -> list[Scorer]:
        """Scorers of all windows, then of those of each fold."""
        if task not in self._scorers_by_task:
            parts = [self.row_N, *(self.row_N[self.fold_N == k] for k in range(self.fold_N[-1] + 1))]
            self._scorers_by_task[task] = [Scorer(self.panel.outcomes(row), self.reference, task) for row in parts]
        return self._scorers_by_task[task]

    def _beside(self, model: Scores, participant: Participant, scores: Scores, question: Task) -> dict[str, Any]:
        """The model beside a participant that answers the same question."""
        if participant.direction_only:
            ours, theirs = (finite(s.mean.pooled[DIRECTION]) for s in (model, scores))
            if ours is None or theirs is None:
                return {"verdict": "No verdict: no bar moved."}
            text = f"Right about {ours:.1f} % of the moves, {participant.words} about {theirs:.1f} %."
            return {"skill": {DIRECTION: ours - theirs}, "verdict": text}
        report = self._scorers(question)[0].report_against(model, scores, participant.words)
        beaten = None if too_few(report["origins"], self.task.horizon) else beats(report, question)
        return {key: report[key] for key in ("diebold_mariano", "skill", "verdict")} | {"beaten": beaten}

    def _overall(self, model: str, nodes: Mapping[str, Mapping[str, Any]]) -> str:
        """Whether the model beats the others, and which it does not beat, in words."""
        origins = len(np.unique(self.panel.outcomes(self.row_N).origin_time_N))
        few = too_few(origins, self.task.horizon)
        if few:
            return f"No verdict, {few}."
        compared = {name: node for name, node in nodes.items() if node["beaten"] is not None}
        if not compared:
            return "No verdict: there was nobody to compare the model with."
        errors = dict.fromkeys((self.task.leading, *(node["leading"] for node in compared.values())))
        by_error = {e: {name: node for name, node in compared.items() if node["leading"] == e} for e in errors}
        return " ".join(self._over(error, group, model, nodes) for error, group in by_error.items() if group)

    def _over(
        self, error: str, others: Mapping[str, Mapping[str, Any]], model: str, nodes: Mapping[str, Mapping[str, Any]]
    ) -> str:
        """The same of those that are compared on one error."""
        beaten = [name for name, node in others.items() if node["beaten"]]
        if len(beaten) == len(others):
            return f"Beats {listed(beaten)} on {error} by more than luck."
        left = [name for name in others if name not in beaten]
        text = f"Does not beat {listed(left)} on {error} by more than luck"
        text += f"; beats {listed(beaten)}." if beaten else "."
        gains = {name: gain for name, node in others.items() if (gain := node["skill"][error]) is not None}
        if gains and error == self.task.leading:  # by skill, in which the dearest ticker does not decide
            nearest = min(gains, key=lambda name: gains[name])
            best = nearest if gains[nearest] < 0 else model
            ours = "" if best == model else f" ({model} {nodes[model]['pooled'][error]:.5g})"
            text += f" Best on {error}: {best}, {nodes[best]['pooled'][error]:.5g}{ours}."
        return text


@dataclass(frozen=True)
class ByFold(Conformal):
    """Validation residuals of several fits: a window's interval is adjusted by those of the fit that forecast it."""

    parts: tuple[Conformal, ...]
    part_N: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[Conformal], part_N: np.ndarray) -> ByFold:
        """``part_N``: for each window the index into ``parts``."""
        fewest = min((part.pooled for part in parts), key=lambda residuals: residuals.count)
        return cls({}, fewest, tuple(parts), part_N)

    def interval(
        self, level: float, series_N: np.ndarray, names: Sequence[str], forecast: Forecast
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Conformal.interval``; the windows are those of ``part_N``, in that order."""
        ends = [
            part.interval(level, series_N[self.part_N == k], names, forecast.rows(self.part_N == k))
            for k, part in enumerate(self.parts)
        ]
        lo_NH, hi_NH = (np.concatenate(side) for side in zip(*ends, strict=True))
        return lo_NH, hi_NH


def _plain(score: Score, only: str | None) -> dict[str, float | None]:
    return {name: finite(value) for name, value in score.pooled.items() if only in (None, name)}
