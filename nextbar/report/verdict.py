"""The verdict of a page: one sentence without figures, and behind a click the figures it rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nextbar.display.markup import Html, element
from nextbar.metrics.superiority import beats, loses

_OPENINGS = {
    "Beats": "The model beats",
    "Does not beat": "The model does not beat",
    "Does not clearly beat": "The model does not clearly beat",
    "Lower loss than": "The model has a lower loss than",
    "Lower error than": "The model has a lower error than",
}
"""of a verdict, and of its sentence"""
_WHO = re.compile(rf"(?P<opening>{'|'.join(_OPENINGS)}) (?P<rival>[^:]+?): (?P<rest>.+)")
_WHY = re.compile(
    r"(?:\. |, but |^)(?P<why>(?:The difference|It is|It does|the loss|it forecasts).*?)(?: \([^()]*\))?\.?$"
)


def tone(report: Mapping[str, Any], leading: str) -> str | None:
    """``good`` where the model beats all that costs nothing by more than luck, ``bad`` where it is worse than the
    strongest by more than luck; else None."""
    return "good" if beats(report, leading) else "bad" if loses(report, leading) else None


def in_a_sentence(verdict: str, is_strongest: bool = True) -> str:
    """A verdict of :func:`nextbar.metrics.comparison.verdict` without its figures.

    Args:
        verdict: of one rival; what is none of these is left as it is.
        is_strongest: whether the rival is the strongest simple one, which is said.
    """
    if verdict.startswith("No verdict"):
        return re.split(r"\. |(?<=say): ", verdict)[0].rstrip(".") + "."
    who = _WHO.fullmatch(verdict)
    why = _WHY.search(who["rest"]) if who else None
    if who is None or why is None:
        return verdict
    strongest = ", the strongest simple rival" if is_strongest else ""
    reason = why["why"].strip()
    return f"{_OPENINGS[who['opening']]} {who['rival']}{strongest}: {reason[0].lower()}{reason[1:]}."


def verdict_box(
    verdict: str, detail: str, tone: str | None, is_strongest: bool = True, figures: Sequence[str] = ()
) -> Html:
    """The box of the verdict, in a colour by the tone.

    Args:
        verdict: with its figures.
        detail: what it is about; empty for nothing.
        tone: ``good``, ``bad`` or None.
        is_strongest: see :func:`in_a_sentence`.
        figures: further sentences that stand behind the click.
    """
    sentence = in_a_sentence(verdict, is_strongest)
    behind = [*([verdict] if sentence != verdict else []), *figures]
    return element(
        "div",
        element("p", element("strong", sentence)),
        element("p", detail) if detail else None,
        element("details", element("summary", "In figures"), *(element("p", text) for text in behind))
        if behind
        else None,
        class_=f"verdict {tone or ''}".strip(),
        role="note",
    )
