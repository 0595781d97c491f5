"""Outcome of a trial: state and value for Optuna, facts for the leaderboard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, NextbarError, OutOfMemory
from nextbar.metrics.comparison import ranking_score
from nextbar.metrics.superiority import hardest
from nextbar.metrics.task import Task
from nextbar.runs.summary import read_summary
from nextbar.searching.storage import storage_failures
from nextbar.searching.yardstick import no_yardstick_in
from nextbar.train.trainer import Result

GROUP = "nextbar scored bars"
"""attribute of a study: digest of the bars that all of its trials are scored on"""


class Outcome(NamedTuple):
    """How a trial ended."""

    state: TrialState
    value: float | None
    """the ranking score, lower is better"""
    facts: dict[str, Any]
    """for the leaderboard; plain values"""


class BestSoFar(NamedTuple):
    """The lowest ranking score that a trial had until some epoch."""

    score: float
    epoch: int
    """the first epoch with this score"""


def best_so_far(scores: Mapping[int, float]) -> BestSoFar | None:
    """The lowest of ranking scores by epoch; None where none of them is finite."""
    finite = [BestSoFar(score, epoch) for epoch, score in scores.items() if math.isfinite(score)]
    return min(finite, default=None)


def lies_in_trial(error: Exception) -> bool:
    """Whether an error lies in a trial's experiment; others, such as a full disk, end the search."""
    if isinstance(error, NextbarError | OSError):
        return isinstance(error, ConfigError | DataError | OutOfMemory)
    return True


def failed(reason: str, seconds: float) -> Outcome:
    """Outcome of a trial whose training could not be done, and why."""
    return Outcome(TrialState.FAIL, None, {"status": "failed", "reason": reason, "seconds": round(seconds, 3)})


def outcome_of(
    result: Result, config: ExperimentConfig, study: optuna.Study, values: dict[int, float], seconds: float
) -> Outcome:
    """Outcome of a training that has ended.

    Args:
        result: of the training.
        config: what was trained.
        study: whose first trial sets the bars that all are scored on.
        values: the reported best ranking scores, by epoch.
        seconds: of training.
    """
    facts = _facts_of(result, config) | {"seconds": round(seconds, 3)}
    if result.status == "pruned":
        best = best_so_far(values)
        if best is None:  # there is nothing to rank it by
            return Outcome(TrialState.FAIL, None, facts | {"status": "failed"})
        return Outcome(TrialState.PRUNED, best.score, facts | {"ranking": best.score, "best_epoch": best.epoch})
    if result.status == "diverged":
        return Outcome(TrialState.FAIL, None, facts)
    problem = _not_comparable(result, study)
    if not problem and facts["ranking"] is None:
        problem = no_yardstick_in(result.metrics.get("validation", {"by_ticker": {}})) or (
            "the ranking score cannot be computed: nothing is validated, or an error is zero or no finite number"
        )
    if problem:
        return Outcome(TrialState.FAIL, None, facts | {"reason": problem, "ranking": None})
    return Outcome(TrialState.COMPLETE, facts["ranking"], facts)


def _not_comparable(result: Result, study: optuna.Study) -> str:
    """Why a run cannot be ranked with the others of the study; empty where it can."""
    scored = read_summary(result.run_dir).get("scored_bars")
    with storage_failures():
        of_study = study.user_attrs.get(GROUP)
        if of_study is None:
            study.set_user_attr(GROUP, scored)
    if of_study not in (None, scored):
        return "scored on other bars than the study's first trial, so it cannot be ranked with it"
    return ""


def _facts_of(result: Result, config: ExperimentConfig) -> dict[str, Any]:
    task = Task.of(config)
    facts: dict[str, Any] = {
        "status": result.status,
        "reason": result.message,
        "run": result.run_dir.name,
        "best_epoch": result.best_epoch,
        "ranking": None,
        "epochs": read_summary(result.run_dir).get("epochs"),
    }
    for span, report in result.metrics.items():
        kinds = [kind for kind in ("model", "baseline", "strongest", "skill", "skill_baseline") if kind in report]
        facts[span] = {kind: report[kind].get(task.leading) for kind in kinds}
        facts[span]["strongest_name"] = report.get("strongest_name")
        facts[span]["p_value"] = (hardest(report)[1] or {}).get("p_value")
    if "validation" in result.metrics:
        ranking = ranking_score(result.metrics["validation"], task.output_mode)
        facts["ranking"] = ranking if math.isfinite(ranking) else None
    return facts
