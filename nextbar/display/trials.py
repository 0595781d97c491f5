"""Scores of a study's trials in the order drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from nextbar.display.figure import BASELINE, MODEL, Drawing, Figure, packed

Row = Mapping[str, Any]


def history_figure(rows: Sequence[Row], neutral: float) -> Figure | None:
    """Ranking score of each trial in the order drawn, and the best until then; None for fewer than two.

    ``neutral`` is the score of the baseline itself.
    """
    scored = sorted((row for row in rows if row["rank"] is not None), key=lambda row: row["trial"])
    if len(scored) < 2:
        return None
    at, scores = [row["trial"] for row in scored], [row["ranking_score"] for row in scored]
    data = [
        {
            "type": "scatter", "mode": "markers", "name": "trial", "x": at, "y": packed(scores, "f8"),
            "marker": {"color": MODEL, "size": 7, "opacity": 0.7}, "hovertemplate": "%{y:.5g}",
        },
        {
            "type": "scatter", "mode": "lines", "name": "best so far", "x": at,
            "y": packed(list(accumulate(scores, min)), "f8"), "line": {"color": MODEL, "width": 1.8, "shape": "hv"},
            "hovertemplate": "%{y:.5g}",
        },
        {
            "type": "scatter", "mode": "lines", "name": "baseline", "x": [at[0], at[-1]], "y": [neutral, neutral],
            "line": {"color": BASELINE, "width": 1.4, "dash": "dash"}, "hoverinfo": "skip",
        },
    ]  # fmt: skip
    layout = {"xaxis": {"title": {"text": "trial"}, "tickformat": "d"},
              "yaxis": {"title": {"text": "ranking score, validation"}}, "margin": {"t": 44}}  # fmt: skip
    caption = "Lower is better. A best that still falls at the right end says that more trials may find more."
    return Figure("history", "Scores in the order drawn", {"": Drawing(data, layout)}, caption, height=320)
