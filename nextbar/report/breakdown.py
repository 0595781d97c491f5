"""Where the errors are: scores of groups of a span's windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.display.figure import BASELINE, MODEL, Drawing, Figure, packed, text
from nextbar.metrics.scorer import Scorer
from nextbar.report.groupings import Grouping, groupings
from nextbar.report.texts import UNITS
from nextbar.types import Forecast

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation, SpanEvaluation


class Part(NamedTuple):
    """One group of windows and the leading metric on it."""

    label: str
    windows: int
    model: float
    rival: float
    """of the strongest simple rival, or else the baseline"""


def breakdown_figures(evaluation: Evaluation, span: SpanEvaluation) -> list[Figure]:
    """A chart for each way of grouping the windows of a span that gives at least two scored groups."""
    metric = _metric(span.scorer)
    figures = []
    for grouping in groupings(evaluation.bars, evaluation.timezones, span.origin_N, span.scorer):
        scored = parts(grouping, span.scorer, span.forecast, metric)
        if len(scored) > 1:
            name = span.scorer.strongest.name if span.scorer.strongest else "baseline"
            figures.append(_figure(grouping, scored, metric, UNITS[metric], name))
    return figures


def _metric(scorer: Scorer) -> str:
    """The metric that groups are compared by: the leading one, or for prices one relative to their level."""
    if scorer.task.output_mode != "mean":
        return scorer.task.leading
    return "mape" if scorer.reference.positive_S.all() else "mae_scaled"


def parts(grouping: Grouping, scorer: Scorer, forecast: Forecast, metric: str) -> list[Part]:
    """Model and rival on each group that has windows; groups whose metric is undefined are left out."""
    scored = []
    for group, label in enumerate(grouping.labels):
        row = np.flatnonzero(grouping.group_N == group)
        if len(row) == 0:
            continue
        part = Scorer(scorer.outcomes.rows(row), scorer.reference, scorer.task)
        rival = scorer.strongest
        theirs = part.score(rival.forecast.rows(row)) if rival else part.baseline
        values = [scores.mean.pooled[metric] for scores in (part.score(forecast.rows(row)), theirs)]
        if all(value is not None and np.isfinite(value) for value in values):
            scored.append(Part(label, len(row), *(float(value or 0.0) for value in values)))
    return scored


def _figure(grouping: Grouping, scored: Sequence[Part], metric: str, unit: str, rival: str) -> Figure:
    """Model and rival as two dots for each group, joined by a line."""
    labels = [text(part.label) for part in scored]
    joints_x = [x for label in labels for x in (label, label, None)]
    joints_y = [y for part in scored for y in (part.model, part.rival, None)]
    windows = [f"{part.windows:,}" for part in scored]
    hover = "%{y:.5g}, %{customdata} windows"

    def dots(name: str, colour: str, values: list[float], symbol: str) -> dict[str, object]:
        return {
            "type": "scatter", "mode": "markers", "name": name, "x": labels, "y": packed(values, "f8"),
            "customdata": windows, "hovertemplate": hover, "marker": {"color": colour, "size": 9, "symbol": symbol},
        }  # fmt: skip

    data = [
        {
            "type": "scatter", "mode": "lines", "x": joints_x, "y": joints_y, "hoverinfo": "skip",
            "line": {"color": "var(--faint)", "width": 1.5}, "showlegend": False,
        },
        dots(text(rival), BASELINE, [part.rival for part in scored], "circle-open"),
        dots("model", MODEL, [part.model for part in scored], "circle"),
    ]  # fmt: skip
    layout = {
        "xaxis": {"type": "category", "title": {"text": grouping.axis}, "categoryorder": "array",
                  "categoryarray": labels},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 44},
    }  # fmt: skip
    return Figure(grouping.key, grouping.title, {"": Drawing(data, layout)}, grouping.caption, height=300)
