"""Whom the model of a backtest beats, and whom it does not, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbar.metrics.comparison import too_few
from nextbar.metrics.multiplicity import listed
from nextbar.metrics.task import Task

Nodes = Mapping[str, Mapping[str, Any]]
"""what ``FoldScorer.scores`` says of each participant, by name"""


def standing(model: str, nodes: Nodes, task: Task, origins: int) -> str:
    """A sentence or two for each error that the model is compared on, the experiment's own first.

    Args:
        model: its name.
        nodes: all participants, the model among them.
        task: the experiment's question.
        origins: distinct times of the last known bars.
    """
    few = too_few(origins, task.horizon)
    if few:
        return f"No verdict, {few}."
    compared = {name: node for name, node in nodes.items() if node["beaten"] is not None}
    if not compared:
        return "No verdict: there was nobody to compare the model with."
    sentences = []
    for error in dict.fromkeys((task.leading, *(node["leading"] for node in compared.values()))):
        others = {name: node for name, node in compared.items() if node["leading"] == error}
        left = [name for name, node in others.items() if not node["beaten"]]
        if others:
            loss = next((node["tested"]["loss"] for node in others.values() if node.get("tested")), error)
            sentences.append(_beaten_and_left(loss, [name for name in others if name not in left], left))
        gains = {name: gain for name, node in others.items() if (gain := node["skill"][error]) is not None}
        if error == task.leading and left and gains:
            sentences.append(_best(error, model, nodes, gains))
    return " ".join(sentences)


def _beaten_and_left(error: str, beaten: list[str], left: list[str]) -> str:
    if not left:
        return f"Beats {listed(beaten)} on {error} by more than luck."
    also = f"; beats {listed(beaten)}" if beaten else ""
    return f"Does not beat {listed(left)} on {error} by more than luck{also}."


def _best(error: str, model: str, nodes: Nodes, gains: Mapping[str, float]) -> str:
    """The best of all by the model's skill over each, in which the dearest ticker does not decide."""
    nearest = min(gains, key=lambda name: gains[name])
    best = nearest if gains[nearest] < 0 else model
    ours = "" if best == model else f" ({model} {nodes[model]['pooled'][error]:.5g})"
    return f"Best on {error}: {best}, {nodes[best]['pooled'][error]:.5g}{ours}."
