"""Text alternative of a chart that cannot be seen: its title, and its lines and bars in words."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

MOST = 6
"""lines that are told one by one"""


def alternative(title: str, traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> str:
    """A sentence on the axes, and one on each of the first lines, dots or bars that have a name.

    Args:
        title: of the chart.
        traces: their numbers are lists or arrays.
        layout: names the axes.
    """
    axes = [name for key in ("yaxis", "xaxis") if (name := layout.get(key, {}).get("title", {}).get("text"))]
    opening = f"{title}: {' by '.join(axes)}" if axes else title
    sentences = [sentence for trace in traces if trace.get("name") and (sentence := _sentence(trace))]
    rest = len(sentences) - MOST
    more = [f"and {rest} more"] if rest > 0 else []
    return html.unescape("; ".join((opening, *islice(sentences, MOST), *more)) + ".")


def _sentence(trace: Mapping[str, Any]) -> str:
    """Ends and extremes of a line, extremes of dots and bars; the name alone where there are no numbers."""
    if trace.get("type") == "heatmap":
        return str(trace["name"])
    labels, values = (list(trace[axis]) for axis in ("yx" if trace.get("orientation") == "h" else "xy"))
    try:
        values_N = np.array([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError):
        return str(trace["name"])
    rows = np.flatnonzero(np.isfinite(values_N))
    if not len(rows):
        return ""
    low, high = rows[values_N[rows].argmin()], rows[values_N[rows].argmax()]
    name, of = trace["name"], [f"{value:.4g}" for value in values_N[[rows[0], rows[-1], low, high]]]
    if len(rows) == 1 or of[2] == of[3]:
        return f"{name} {of[2]}"
    if isinstance(labels[low], str):
        return f"{name} from {of[2]} ({labels[low]}) to {of[3]} ({labels[high]})"
    if "lines" in trace.get("mode", ""):
        return f"{name} begins at {of[0]} and ends at {of[1]}, lowest {of[2]}, highest {of[3]}"
    return f"{name} from {of[2]} to {of[3]}"
