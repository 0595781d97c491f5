"""Parallel coordinates: a line for each trial, across the values drawn for it to its ranking score.

Drawn as plain lines and not as Plotly's ``parcoords``, which needs WebGL: a report opens anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nextbar.display.figure import MODEL, Drawing, Figure, text
from nextbar.report.trials import Row, written
from nextbar.searching.leaderboard import short_names
from nextbar.searching.space.dimensions import Categorical, Dimension
from nextbar.searching.space.space import Params, Space

LEGIBLE = 16
"""characters of a choice that are written at an axis"""

MOST_LINES = 300
"""trials that are drawn, the best ones"""


@dataclass(frozen=True)
class _Axis:
    label: str
    place_T: list[float]
    """where the line of each trial crosses the axis, 0 to 1"""
    ticks: list[tuple[float, str]]


def parallel_figure(rows: Sequence[Row], space: Space, drawn: Mapping[int, Params]) -> Figure | None:
    """A line for each ranked trial, the better the darker; None for fewer than two.

    Args:
        rows: of the leaderboard, in its order.
        space: what was varied.
        drawn: Optuna's parameters of each trial, by its number.
    """
    scored = [row for row in rows if row["rank"] is not None][:MOST_LINES]
    if len(scored) < 2 or not space.dimensions:
        return None
    named = short_names(list(space.dimensions))
    axes = [
        _axis(_label(named[name], name, space), [drawn[row["trial"]][name] for row in scored], dimension)
        for name, dimension in space.dimensions.items()
    ]
    axes.append(_score_axis([row["ranking_score"] for row in scored]))
    data = [
        {
            "type": "scatter", "mode": "lines", "x": list(range(len(axes))), "y": [axis.place_T[i] for axis in axes],
            "line": {"color": MODEL, "width": 2.4 if i == 0 else 1.4},
            "opacity": 1.0 if i == 0 else 0.75 - 0.6 * i / len(scored), "showlegend": False,
            "hoverinfo": "text", "hovertext": f"trial {scored[i]['trial']}: {scored[i]['ranking_score']:.5g}",
        }
        for i in reversed(range(len(scored)))
    ]  # fmt: skip
    ticks = [
        {"x": x, "y": y, "text": text(label), "showarrow": False, "xanchor": "left", "xshift": 4,
         "font": {"size": 11, "color": "var(--quiet)"}, "bgcolor": "var(--raised)", "opacity": 0.85}
        for x, axis in enumerate(axes) for y, label in axis.ticks
    ]  # fmt: skip
    layout = {
        "xaxis": {"tickvals": list(range(len(axes))), "ticktext": [text(axis.label) for axis in axes], "ticks": "",
                  "range": [-0.1, len(axes) - 0.6], "gridcolor": "var(--faint)", "showline": False},
        "yaxis": {"visible": False, "range": [-0.05, 1.05]},
        "hovermode": "closest", "annotations": ticks,
    }  # fmt: skip
    caption = "Dark lines are the best trials, the thick one is the winner; at the last axis the best are on top."
    if sum(row["rank"] is not None for row in rows) > MOST_LINES:
        caption += f" The best {MOST_LINES} are drawn."
    title = "What was drawn, and what came of it"
    return Figure("parallel", title, {"": Drawing(data, layout)}, caption, height=420, wide=True)


def _label(short: str, name: str, space: Space) -> str:
    """The field; with its expression where that has a list, since the axis shows the number drawn from the list."""
    return f"{short} = {space.expressions[name].text}" if name in space.expressions else short


def _axis(label: str, drawn: Sequence[Any], dimension: Dimension) -> _Axis:
    if isinstance(dimension, Categorical):
        choices = list(dimension.labels())
        last = max(len(choices) - 1, 1)
        ticks = [(i / last, written(value)[:LEGIBLE]) for i, value in enumerate(dimension.values)]
        return _Axis(label, [choices.index(choice) / last for choice in drawn], ticks)
    scale = math.log if dimension.log else float
    low, high = scale(dimension.low), scale(dimension.high)
    width = high - low or 1.0
    ends = [(0.0, f"{dimension.low:.5g}"), (1.0, f"{dimension.high:.5g}")]
    return _Axis(f"{label} (log)" if dimension.log else label, [(scale(value) - low) / width for value in drawn], ends)


def _score_axis(scores: Sequence[float]) -> _Axis:
    low, high = min(scores), max(scores)
    place_T = [1 - (score - low) / ((high - low) or 1.0) for score in scores]
    return _Axis("ranking score", place_T, [(1.0, f"{low:.5g}"), *([(0.0, f"{high:.5g}")] if high > low else [])])
