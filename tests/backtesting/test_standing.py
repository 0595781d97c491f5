"""Whom a model beats, in words."""

from __future__ import annotations

from typing import Any

from nextbar.backtesting.standing import standing
from nextbar.metrics.task import Task

LAW = Task(output_mode="distribution")
ENOUGH = 100
MODEL: dict[str, Any] = {"beaten": None, "leading": "nll", "pooled": {"nll": 1.25, "crps": 0.5}}


def other(beaten: bool, gain: float | None, error: str = "nll") -> dict[str, Any]:
    return {"beaten": beaten, "leading": error, "skill": {error: gain}, "pooled": {error: 1.5}}


def said(task: Task = LAW, origins: int = ENOUGH, **others: dict[str, Any]) -> str:
    return standing("transformer", {"transformer": MODEL, **others}, task, origins)


def test_those_that_are_beaten_are_named() -> None:
    both = said(garch=other(True, 0.2), drift=other(True, 0.3))
    assert both == "Beats garch and drift on nll by more than luck."


def test_those_that_are_not_are_named_first_and_the_best_of_all_last() -> None:
    ahead = said(garch=other(False, 0.01), drift=other(True, 0.3))
    assert ahead == ("Does not beat garch on nll by more than luck; beats drift. Best on nll: transformer, 1.25.")
    behind = said(garch=other(False, -0.25))
    assert behind == "Does not beat garch on nll by more than luck. Best on nll: garch, 1.5 (transformer 1.25)."
    assert said(garch=other(False, None)) == "Does not beat garch on nll by more than luck."


def test_each_error_has_a_sentence_and_the_best_is_told_of_the_models_own_alone() -> None:
    found = said(deciles=other(False, -0.1, "crps"), garch=other(True, 0.2))
    assert found == "Beats garch on nll by more than luck. Does not beat deciles on crps by more than luck."
    assert said(deciles=other(True, 0.1, "crps")) == "Beats deciles on crps by more than luck."


def test_nothing_is_said_of_few_origins_or_of_nobody() -> None:
    assert said(origins=20, garch=other(True, 0.2)) == "No verdict, too few origins to say: 20, and the test takes 21."
    assert said() == "No verdict: there was nobody to compare the model with."
