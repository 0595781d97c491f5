"""The main scores in large print and plain words; what each is called, and how it is computed, behind a click."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nextbar.display.markup import Html, element
from nextbar.forecasts.in_words import amount
from nextbar.metrics.comparison import held_against
from nextbar.metrics.superiority import hardest

STRONGEST = "the strongest simple rival"
LARGEST_LOG = 700.0
"""of a ratio that is a number"""


class Tile(NamedTuple):
    """One score."""

    value: str
    words: str
    jargon: str
    """names and figures as the tables have them"""


def tiles(report: Mapping[str, Any], leading: str) -> Html:
    """The scores of a span's report."""
    items = (
        element(
            "li",
            element("strong", tile.value),
            element("span", tile.words),
            element("details", element("summary", "how"), element("p", tile.jargon)),
        )
        for tile in scores_of(report, leading)
    )
    return element("ul", *items, class_="tiles")


def scores_of(report: Mapping[str, Any], leading: str) -> Iterator[Tile]:
    """Tiles of the skill, its chance by luck, directions, the band, and the number of forecasts."""
    rival = report.get("strongest_name")
    whom = STRONGEST if rival else "the plain baseline"
    model, theirs, gain = report["model"].get(leading), held_against(report, leading), report["skill"].get(leading)
    if model is not None and theirs is not None and gain is not None:
        figures = f"{leading}: model {model:.5g}, {rival or 'baseline'} {theirs:.5g}, skill {gain:+.4f}."
        if leading == "nll":
            ratio = math.exp(min(gain, LARGEST_LOG))
            yield Tile(_factor(ratio), f"probability given to what came, compared with {whom}",
                       f"{figures} Geometric mean of the ratio of densities, exp(skill).")  # fmt: skip
        elif leading == "log_loss":
            yield Tile(f"{100 * math.exp(-model):.3g} of 100", "chance given to the move that came",
                       f"{figures} Geometric mean, the exponential of minus the log loss.")  # fmt: skip
            yield Tile(f"{100 * math.exp(-theirs):.3g} of 100", f"the same by {whom}", figures)
        else:
            how = "smaller" if gain > 0 else "larger" if gain < 0 else "more or less"
            yield Tile(f"{amount(100 * abs(gain), 2)} %", f"{how} error than {whom}", figures)
    name, test = hardest(report)
    if test:
        yield Tile(_odds(test["p_value"]), "how often luck alone makes such a difference",
                   f"p-value {test['p_value']:.2g} of a two-sided Diebold–Mariano test, statistic "
                   f"{test['statistic']:+.2f}{_against(report, name)}.")  # fmt: skip
    right, up = report["model"].get("acc_dir"), report.get("strongest", {}).get("acc_dir")
    if right is not None:
        also = "" if up is None else f" Always up: {up:.5g}."
        yield Tile(f"{right:.0f} of 100", "directions right", f"acc_dir {right:.5g}; moves of zero are left out.{also}")
        if up is not None:
            yield Tile(f"{up:.0f} of 100", "right by always saying up", f"Share of the moves that were up, {up:.5g} %.")
    if (held := report["model"].get("coverage_80")) is not None:
        yield Tile(f"{held:.0f} of 100", "outcomes inside the band for 80 of 100",
                   f"coverage_80 {held:.5g}: of the central 80 % interval of the law.")  # fmt: skip
    yield Tile(f"{report['windows']:,}", "forecasts checked against what came", "Windows scored, of all series.")


def _against(report: Mapping[str, Any], name: str) -> str:
    record = report.get("tested")
    return f", of {record['loss']}, against {name}: of all that cost nothing the hardest to beat" if record else ""


def _factor(ratio: float) -> str:
    """A ratio as a percentage more or less; far from 1 as a factor."""
    if 0.5 < ratio < 2:
        return f"{'−' if ratio < 1 else '+'}{amount(100 * abs(ratio - 1), 2)} %"
    return f"× {amount(ratio, 2)}"


def _odds(p: float) -> str:
    """A probability as so many times in 100, or in 1,000 where it is small."""
    if p >= 0.0995:
        return f"{100 * p:.0f} in 100"
    return f"{1000 * p:.0f} in 1,000" if p >= 0.0005 else "under 1 in 1,000"
