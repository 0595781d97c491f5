"""``Audit``: the verdict of each stage of an experiment, and the leaks that were found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nextbar.arguments import strict_arguments
from nextbar.bars.dates import iso

Stage = Literal["bars", "indicators", "features", "normalisation", "splits", "training", "selection", "prediction"]
Verdict = Literal["clean", "moved", "suspicious"]

STAGES: dict[Stage, str] = {
    "bars": "the bars and their own columns",
    "indicators": "computed columns",
    "features": "what windows are cut from",
    "normalisation": "calendars, statistics, the start: all that is fitted before training",
    "splits": "which windows are training, validation and test",
    "training": "losses and parameters",
    "selection": "best epoch, validation scores, strongest rival",
    "prediction": "forecasts of the model and the baselines",
}
"""in the order in which one feeds the next"""


@dataclass(frozen=True)
class Leak:
    """Something in an experiment that depends on later bars, or looks as if it did."""

    stage: Stage
    verdict: Literal["moved", "suspicious"]
    """``moved``: other bars after a date changed something before it; ``suspicious``: the data look like it"""
    text: str
    """what was found, and what to do"""
    series: str = ""
    column: str = ""
    time: int | None = None
    """when the first bar concerned closes, seconds since the epoch"""
    amount: float | None = None
    """by how much it moved, relative to its size; or the share that follows from later bars"""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "stage": self.stage,
            "verdict": self.verdict,
            "series": self.series or None,
            "column": self.column or None,
            "time": None if self.time is None else iso(self.time),
            "amount": self.amount,
            "text": self.text,
        }


@strict_arguments
@dataclass(frozen=True)
class Audit:
    """Result of an audit."""

    leaks: tuple[Leak, ...]
    """by stage"""
    cuts: tuple[int, ...]
    """dates after which the bars were replaced, seconds since the epoch"""
    series: tuple[str, ...]
    """whose bars were replaced"""
    columns: tuple[str, ...]
    """whose values were searched for later bars"""
    left_out: tuple[str, ...] = ()
    """what was not looked at, and why"""

    @property
    def clean(self) -> bool:
        """True where nothing was found."""
        return not self.leaks

    @property
    def verdicts(self) -> dict[Stage, Verdict]:
        """The verdict of each stage: the worst of its leaks."""
        return {stage: self._verdict(stage) for stage in STAGES}

    def of(self, stage: Stage) -> tuple[Leak, ...]:
        """The leaks of a stage."""
        return tuple(leak for leak in self.leaks if leak.stage == stage)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "clean": self.clean,
            "stages": dict(self.verdicts),
            "leaks": [leak.to_dict() for leak in self.leaks],
            "cuts": [iso(cut) for cut in self.cuts],
            "series": list(self.series),
            "columns": list(self.columns),
            "left_out": list(self.left_out),
        }

    def _verdict(self, stage: Stage) -> Verdict:
        verdicts = {leak.verdict for leak in self.of(stage)}
        return "moved" if "moved" in verdicts else "suspicious" if verdicts else "clean"


def first_of_each(leaks: Iterable[Leak]) -> list[Leak]:
    """By stage, the first leak of every series and column in it."""
    kept: dict[tuple[str, ...], Leak] = {}
    for leak in leaks:
        kept.setdefault((leak.stage, leak.verdict, leak.series, leak.column, "" if leak.column else leak.text), leak)
    order = list(STAGES)
    return sorted(kept.values(), key=lambda leak: order.index(leak.stage))
