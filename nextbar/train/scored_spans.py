"""Validation and test windows with their outcomes, and the scores of forecasts for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbar.baselines.rivals import Rival, strongest_rival
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.results import SpanOutput
from nextbar.logger import get_logger
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.examined import rivals
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import START, FreeForecast, Scorer
from nextbar.metrics.superiority import FreeLosses
from nextbar.metrics.task import Task
from nextbar.metrics.timeline import Timeline
from nextbar.types import Forecast, Reference

SCORED = ("validation", "test")


class Report(NamedTuple):
    """Scores of a training's best epoch."""

    metrics: dict[str, Any]
    """by span, beside those of baseline and strongest rival"""
    conformal: Conformal | None
    """the validation residuals of a ``distribution``"""
    losses: Timeline | None = None
    """validation losses per timestamp, of the ``model``, and by name of what it is held against, the benchmark last"""
    rival: Rival | None = None
    """the simple rivals, and the network's own start"""


def reference_of(dataset: Dataset, span: str, task: Task) -> Reference:
    """What the baselines of a span are fitted on; spans differ in the series without training windows only."""
    row_N, closes = dataset.baseline_history(span)
    return fit_reference(dataset.outcomes_at(row_N), closes, task, np.array(dataset.learnt))


class ScoredSpans:
    """The scored spans of a dataset with their outcomes and baselines, shared by all trainings on it.

    Args:
        config: an experiment on the dataset; only its task counts.
        dataset: the windows. Where none is scored, only the training span has scores.
        chosen: the strongest simple rival where that has been chosen before, to be fitted on this training span.
    """

    def __init__(self, config: ExperimentConfig, dataset: Dataset, chosen: Rival | None = None) -> None:
        self.task = task = Task.of(config)
        self._dataset, self._chosen = dataset, chosen
        self.reference = reference_of(dataset, "test", task)
        self.scored = [span for span in SCORED if len(dataset.origins[span])]
        references = {
            span: self.reference if all(dataset.learnt) else reference_of(dataset, span, task) for span in self.scored
        }
        self.scorers = {span: Scorer(dataset.outcomes(span), references[span], task) for span in self.scored}
        self.rows = np.concatenate([dataset.origins[span] for span in SCORED])
        """validation and test, evaluated in one pass"""
        split = len(dataset.origins["validation"])
        self._parts = {"validation": slice(None, split), "test": slice(split, None)}

    @cached_property
    def _training(self) -> Scorer:
        """That of the training windows, which nothing but an epoch's end asks for."""
        return Scorer(self._dataset.outcomes("training"), self.reference, self.task)

    def make_ready(self) -> None:
        """Make what every epoch's end asks for, before several threads do, each of which would make its own."""
        _ = self._training

    @cached_property
    def rival(self) -> Rival:
        """The strongest simple rival: fitted and chosen when it is first asked for, once for all trainings."""
        if self._chosen is not None:
            return self._chosen.fitted(self._dataset, self._dataset.cuts.training_end)
        rival = strongest_rival(self._dataset, self.task, self.scorers.get("validation"))
        for reason in dict.fromkeys(rival.left_out.values()):
            names = ", ".join(name for name, why in rival.left_out.items() if why == reason)
            get_logger().info("no rival: %s (%s)", names, reason)
        chosen = f"best of {len(rival.scores)} on validation" if rival.scores else "nothing is validated"
        get_logger().info("strongest simple rival: %s (%s)", rival.words or "none", chosen)
        return rival

    @cached_property
    def _rivals(self) -> dict[str, Rival]:
        """The rivals in each scored span, with fits of their own for series that were not trained."""
        dataset, panel = self._dataset, self._dataset.preparation.panel(self._dataset.used)
        return {span: self.rival.with_own(panel, dataset.calendars, dataset.origins[span]) for span in self.scored}

    @cached_property
    def _beside_rival(self) -> dict[str, Scorer]:
        """Scorers that hold models against all simple rivals too."""
        dataset, panel = self._dataset, self._dataset.preparation.panel(self._dataset.used)
        return {
            span: self._rivals[span].beside(scorer, panel, dataset.calendars, dataset.origins[span])
            for span, scorer in self.scorers.items()
        }

    def rival_to_keep(self, biases: Mapping[str, np.ndarray]) -> Rival:
        """The rivals as a run writes them down: with fits of the test span for series that were not trained.

        Args:
            biases: of the untrained network's output layers.
        """
        rival = self._rivals["test"] if "test" in self.scored else self.rival
        return replace(rival, start={name: bias.tolist() for name, bias in biases.items()})

    def starts(self, output: SpanOutput) -> dict[str, FreeLosses]:
        """The untrained network's forecasts by their losses, of each scored span."""
        return {
            span: self._beside_rival[span].participant(FreeForecast(*START, forecast))
            for span, forecast in self.forecasts(output).items()
        }

    def losses(self, output: SpanOutput) -> dict[str, float]:
        """Mean loss of each scored span."""
        return {span: float(np.mean(output.loss_N[self._parts[span]], dtype=np.float64)) for span in self.scored}

    def forecasts(self, output: SpanOutput) -> dict[str, Forecast]:
        """Forecasts of each scored span."""
        return {
            span: Forecast(*(None if a is None else a[self._parts[span]] for a in output.forecast))
            for span in self.scored
        }

    def row(self, forecasts: dict[str, Forecast]) -> tuple[dict[str, float], float | None]:
        """Every metric that is there, by TensorBoard tag, and validation's ranking score; see ``Scorer.ranking``."""
        row: dict[str, float] = {}
        ranking: float | None = None
        for span, forecast in forecasts.items():
            scores = (self._training if span == "train" else self.scorers[span]).score(forecast)
            row |= {f"{span}/{name}": value for name, value in scores.mean.pooled.items() if value is not None}
            if span == "validation":
                ranking = self.scorers[span].ranking(scores)
        return row, ranking

    def report(self, output: SpanOutput, starts: Mapping[str, FreeLosses], biases: Mapping[str, np.ndarray]) -> Report:
        """The closing report on an epoch's forecasts.

        Args:
            output: of the epoch.
            starts: see ``starts``.
            biases: of the untrained network's output layers.
        """
        forecasts = self.forecasts(output)
        scorers = {span: self._beside_rival[span].held_against(starts[span]) for span in forecasts}
        scores = {span: scorers[span].score(forecast) for span, forecast in forecasts.items()}
        metrics = {span: scorers[span].report(scored) for span, scored in scores.items()}
        conformal = None
        if "validation" in forecasts and self.task.output_mode == "distribution":
            conformal = Conformal.fit(self.scorers["validation"].outcomes, forecasts["validation"], self.task)
        losses = None
        if "validation" in scores:
            scorer = self._beside_rival["validation"]
            against = {name: scorer.score(rival).loss_N for name, rival in rivals(scorer).items()}
            losses = Timeline.of(
                scorer.outcomes, {f"model, {self.task.tested}": scores["validation"].loss_N, **against}
            )
        return Report(metrics, conformal, losses, self.rival_to_keep(biases))
