"""Superiority over every forecast that costs nothing: the test against each of them, and the hardest one to beat.

A model is better by more than luck where its loss is significantly lower than that of *each* forecast that costs
nothing. The null hypothesis is that at least one of them is as good. It is rejected at the level of a single test where
every single test rejects, so the largest of the p-values needs no correction (intersection-union test, Berger 1982).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np

from nextbar.metrics.significance import DieboldMariano, diebold_mariano

SIGNIFICANT = 0.05
"""Level of a two-sided test."""


class FreeLosses(NamedTuple):
    """A forecast that a model is held against."""

    name: str
    words: str
    """Its name in a sentence."""
    loss_T: np.ndarray
    """Its loss at each of T timestamps."""


class Held(TypedDict):
    """A forecast that a model was held against, and the test of the difference of their losses."""

    words: str
    loss: float
    """Mean over the timestamps."""
    test: DieboldMariano | None
    """None: the two losses are the same, or their difference does not vary."""


class Superiority(TypedDict):
    """The loss that is tested, of the model and of every forecast that it is held against."""

    loss: str
    """Name of the loss."""
    model: float
    """Mean over the timestamps; so the sign of a statistic is that of the difference of two such means."""
    against: dict[str, Held]
    """By name, the strongest simple rival first."""
    hardest: str
    """Name of the forecast whose test has the largest one-sided p-value."""
    better_on: list[str]
    """Tickers on which the model has a lower mean loss than the strongest."""


def superiority(
    loss: str, model_T: np.ndarray, participants: Sequence[FreeLosses], horizon: int, better_on: Sequence[str] = ()
) -> Superiority | None:
    """Test a model against each participant.

    Args:
        loss: name of the loss.
        model_T: the model's loss at each of T timestamps.
        participants: at least one, the strongest first. Others whose losses are not all finite are left out.
        horizon: H, bars that a loss is averaged over.
        better_on: tickers on which the model has a lower mean loss than the strongest.

    Returns:
        None where a loss of the model, or of the strongest, is not finite.
    """
    finite = [participant for participant in participants if np.isfinite(participant.loss_T).all()]
    if not (np.isfinite(model_T).all() and finite and finite[0] is participants[0]):
        return None
    against: dict[str, Held] = {
        p.name: {"words": p.words, "loss": float(p.loss_T.mean()), "test": diebold_mariano(model_T, p.loss_T, horizon)}
        for p in finite
    }
    return {
        "loss": loss,
        "model": float(model_T.mean()),
        "against": against,
        "hardest": max(against, key=lambda name: one_sided(against[name]["test"])),
        "better_on": list(better_on),
    }


def p_head(report: Mapping[str, Any], leading: str) -> str:
    """Head of a column of p-values beside skills of the leading error: it names the loss that is tested if another."""
    loss = (report.get("tested") or {}).get("loss", leading)
    return "p" if loss == leading else f"p of {loss}"


def one_sided(test: Mapping[str, Any] | None) -> float:
    """The p-value of a test against the hypothesis that the model is no better; 1 without a test."""
    if test is None:
        return 1.0
    half = float(test["p_value"]) / 2
    return half if test["statistic"] > 0 else 1 - half


def is_better(test: Mapping[str, Any] | None) -> bool:
    """True where the model is better by more than luck."""
    return bool(test and test["statistic"] > 0 and test["p_value"] < SIGNIFICANT)


def is_worse(test: Mapping[str, Any] | None) -> bool:
    """True where the model is worse by more than luck."""
    return bool(test and test["statistic"] < 0 and test["p_value"] < SIGNIFICANT)


def hardest(report: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """Name of the forecast of a report that is the hardest to beat, and the test against it.

    Reports of earlier versions know the strongest simple rival alone, or before that the plain baseline.
    """
    record = report.get("tested")
    if not record:
        return report.get("strongest_name", "baseline"), report["diebold_mariano"]
    return record["hardest"], record["against"][record["hardest"]]["test"]


def beats(report: Mapping[str, Any], leading: str) -> bool:
    """True where the model of a report is better by more than luck than everything that it was held against.

    Reports of earlier versions tested another loss than the one whose skill they gave: both must be better.
    """
    if "tested" not in report and not (report["skill"].get(leading) or 0.0) > 0:
        return False
    return is_better(hardest(report)[1])


def loses(report: Mapping[str, Any], leading: str) -> bool:
    """True where the model of a report is worse by more than luck than the strongest simple rival."""
    if "tested" not in report and not (report["skill"].get(leading) or 0.0) < 0:
        return False
    return is_worse(report["diebold_mariano"])
