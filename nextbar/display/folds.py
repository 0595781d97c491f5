"""Every predictor's score in each fold of a backtest, as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nextbar.display.figure import MODEL, Drawing, Figure, packed, text

RIVALS = tuple(f"var(--rival-{i})" for i in range(1, 7))
DASHES = ("solid", "dash", "dot")


def fold_figure(key: str, title: str, unit: str, values: Mapping[str, Sequence[float | None]], caption: str) -> Figure:
    """A line for each predictor over the folds, the model's the thickest, in front, and the first in ``values``."""
    data = []
    for i, name in enumerate(values, -1):  # the model, and then its rivals from 0
        own = i < 0
        colour = MODEL if own else RIVALS[i % len(RIVALS)]
        y = [np.nan if v is None else v for v in values[name]]
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": text(name),
                "x": list(range(1, len(y) + 1)), "y": packed(y, "f8"), "hovertemplate": "%{y:.5g}",
                "line": {"color": colour, "width": 3 if own else 1.3,
                         "dash": "solid" if own else DASHES[i // len(RIVALS) % len(DASHES)]},
                "marker": {"size": 8 if own else 5}, "zorder": int(own),
            }
        )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "fold"}, "dtick": 1},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 24},
        "showlegend": False,
    }
    return Figure(key, title, {"": Drawing(data, layout)}, caption, height=340, wide=True, legend=True)
