"""A chart as a small SVG without script: lines and points, the ends of both axes, and the names of the lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.display.colours import painted
from nextbar.display.figure import Figure, Trace, unpacked
from nextbar.display.markup import Html, element

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 10, 20
DASHES = {"solid": None, "dash": "6 4", "dot": "2 3"}


def sketch(figure: Figure) -> Html | None:
    """The first drawing of a figure whose traces are lines and points over numbers; None where nothing is finite."""
    drawing = next(iter(figure.drawings.values()))
    curves = [(trace, *_values(trace)) for trace in painted(drawing.data)]
    x_N, y_N = (np.concatenate([curve[i] for curve in curves]) for i in (1, 2))
    seen_N = np.isfinite(x_N) & np.isfinite(y_N)
    if not seen_N.any():
        return None
    x, y = _Extent(x_N[seen_N], LEFT, WIDTH - RIGHT), _Extent(y_N[seen_N], HEIGHT - BOTTOM, TOP)
    parts = [part for trace, x_N, y_N in curves for part in _curve(trace, x(x_N), y(y_N))]
    frame = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"
    svg = element(
        "svg",
        element("path", d=frame, fill="none", stroke="currentColor", stroke_opacity="0.35"),
        *parts,
        _label(f"{y.high:.5g}", LEFT - 6, TOP + 8, "end"),
        _label(f"{y.low:.5g}", LEFT - 6, HEIGHT - BOTTOM, "end"),
        _label(f"{x.low:.5g}", LEFT, HEIGHT - 5, "start"),
        _label(f"{x.high:.5g}", WIDTH - RIGHT, HEIGHT - 5, "end"),
        width=str(WIDTH), height=str(HEIGHT), viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=figure.title,
    )  # fmt: skip
    unit = drawing.layout["xaxis"]["title"]["text"]
    legend = [item for trace, *_ in curves for item in _legend(trace)]
    return element("div", element("div", f"{figure.title}, by {unit}"), svg, element("div", *legend))


class _Extent:
    """Numbers to places between two ends of a line."""

    def __init__(self, value_N: np.ndarray, begin: float, end: float) -> None:
        self.low, self.high = float(value_N.min()), float(value_N.max())
        self._begin, self._end = begin, end

    def __call__(self, value_N: np.ndarray) -> np.ndarray:
        # halves, since the distance of two large numbers may be infinite
        room = self.high / 2 - self.low / 2
        share_N = (value_N / 2 - self.low / 2) / room if room > 0 else np.where(np.isfinite(value_N), 0.5, np.nan)
        return self._begin + share_N * (self._end - self._begin)


def _values(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    x_N, y_N = (np.asarray(unpacked(trace[axis]), np.float64) for axis in "xy")
    return x_N, y_N


def _curve(trace: Trace, x_N: np.ndarray, y_N: np.ndarray) -> list[Html]:
    """A path with gaps where a number is missing, and its points."""
    points = [(x, y) for x, y in zip(x_N, y_N, strict=True) if np.isfinite(x) and np.isfinite(y)]
    shapes = []
    if "lines" in trace["mode"]:
        stair, path, pen = trace["line"].get("shape") == "hv", "", False
        for x, y in zip(x_N, y_N, strict=True):
            pen, is_gap = bool(np.isfinite(x) and np.isfinite(y)), not pen
            if pen:
                path += f"M{x:.1f} {y:.1f}" if is_gap else f"H{x:.1f}V{y:.1f}" if stair else f"L{x:.1f} {y:.1f}"
        dash = DASHES[trace["line"].get("dash", "solid")]
        width = str(trace["line"]["width"])
        shapes.append(element("path", d=path, fill="none", stroke=_colour(trace), stroke_width=width,
                              stroke_dasharray=dash))  # fmt: skip
    if "markers" in trace["mode"]:
        shapes += [element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.2", fill=_colour(trace)) for x, y in points]
    return shapes


def _colour(trace: Trace) -> str:
    styles: Any = (trace.get("line", {}), trace.get("marker", {}))
    return str(next(style["color"] for style in styles if "color" in style))


def _label(number: str, x: float, y: float, anchor: str) -> Html:
    return element("text", number, x=str(x), y=str(y), text_anchor=anchor, font_size="11", fill="currentColor")


def _legend(trace: Trace) -> list[Html]:
    """The name of a line in its colour; nothing for one that has no place in the chart's own legend."""
    if not trace.get("showlegend", True):
        return []
    return [element("span", Html(f"— {trace['name']}"), style=f"color:{_colour(trace)};margin-right:1em")]
