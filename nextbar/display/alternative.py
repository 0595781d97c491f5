"""What stands for a chart where it cannot be seen: its title, and what its lines and bars show, in words."""

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
    told = [sentence for trace in traces if trace.get("name") and (sentence := _told(trace))]
    rest = len(told) - MOST
    more = [f"and {rest} more"] if rest > 0 else []
    return html.unescape("; ".join((opening, *islice(told, MOST), *more)) + ".")


def _told(trace: Mapping[str, Any]) -> str:
    """Ends and extremes of a line, extremes of dots and bars; only the name of what has no numbers of its own."""
    if trace.get("type") == "heatmap":
        return str(trace["name"])
    labels, values = (list(trace[axis]) for axis in ("yx" if trace.get("orientation") == "h" else "xy"))
    try:
        values_N = np.array([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError):
        return str(trace["name"])
    known = np.flatnonzero(np.isfinite(values_N))
    if not len(known):
        return ""
    low, high = known[values_N[known].argmin()], known[values_N[known].argmax()]
    name, of = trace["name"], [f"{value:.4g}" for value in values_N[[known[0], known[-1], low, high]]]
    if len(known) == 1 or of[2] == of[3]:
        return f"{name} {of[2]}"
    if isinstance(labels[low], str):
        return f"{name} from {of[2]} ({labels[low]}) to {of[3]} ({labels[high]})"
    if "lines" in trace.get("mode", ""):
        return f"{name} begins at {of[0]} and ends at {of[1]}, lowest {of[2]}, highest {of[3]}"
    return f"{name} from {of[2]} to {of[3]}"
