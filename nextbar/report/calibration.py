"""Charts of calibration: directions, coverage by level, the PIT histogram, reliability of bin probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from nextbar.display.figure import FAINT, MODEL, TRUTH, VALIDATION, Drawing, Figure, Trace, packed, text
from nextbar.display.markup import element
from nextbar.metrics.calibration import conformal_in_words
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_labels

_PERCENT = [0, 100]


def calibration_parts(report: dict[str, Any], task: Task) -> list[Any]:
    """Charts, and the effect of conformal intervals in words; empty for point forecasts.

    Args:
        report: of :func:`nextbar.metrics.calibration.calibration_report`.
        task: what is forecast.
    """
    figures = calibration_figures(report, bin_labels(task.edges))
    if not figures:
        return []
    sentence = f" {direction_in_words(report['direction'])}" if report.get("direction") else ""
    parts: list[Any] = [element("p", f"Do the forecasts mean what they say? All steps together.{sentence}"), figures]
    if report.get("conformal"):
        lines = (element("li", line) for line in conformal_in_words(report))
        parts += [element("p", "Split conformal intervals, set by what validation saw:"), element("ul", *lines)]
    return parts


def calibration_figures(report: Mapping[str, Any], bins: Sequence[str] = ()) -> list[Figure]:
    """A chart for each entry of a :func:`nextbar.metrics.calibration.calibration_report`; none for point forecasts."""
    figures = []
    if report.get("direction"):
        figures.append(_direction(report["direction"]))
    if "coverage" in report:
        figures.append(_coverage(report["coverage"], report.get("conformal") or {}))
    if "pit" in report:
        figures.append(_pit(report["pit"]))
    if "reliability" in report:
        figures.append(_reliability(report["reliability"]))
    if "by_bin" in report:
        figures.append(_by_bin(report["by_bin"], bins))
    return figures


def direction_in_words(groups: Sequence[Mapping[str, float]]) -> str:
    """How far the chances of a rise reach, and how many groups of them came as often as was said."""
    low, high = (f"{groups[i]['forecast']:.1f}" for i in (0, -1))
    reach = f"from {low} to {high}" if low != high else f"of {low}"
    right = sum(abs(g["frequency"] - g["forecast"]) <= g["half_width"] for g in groups)
    if len(groups) == 1:
        rose = f"closes rose {groups[0]['frequency']:.1f} times in 100, {'as' if right else 'not as'} luck explains"
        return f"A rise was given a chance {reach} in 100: {rose}."
    return (
        f"A rise was given chances {reach} in 100; in {right} of {len(groups)} groups of them closes rose as often as "
        "was said, up to luck."
    )


def _direction(groups: Sequence[Mapping[str, float]]) -> Figure:
    data = [
        _diagonal(),
        _dots("tenths of the chances", MODEL, [group["forecast"] for group in groups],
              [group["frequency"] for group in groups], [group["half_width"] for group in groups]),
    ]  # fmt: skip
    ends = [
        value
        for group in groups
        for value in (group["forecast"], *(group["frequency"] + s * group["half_width"] for s in (-1, 1)))
    ]
    low, high = max(0.0, min(ends) - 2), min(100.0, max(ends) + 2)
    layout = _square("chance given to a rise, %", "closes that rose, %")
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"title": layout[axis]["title"], "range": [low, high]}
    return Figure(
        "direction", "Calibration of the direction", {"": Drawing(data, layout)},
        "On the dotted line closes rose as often as was said; dots in one place left and right: the model hardly tells "
        "rises from falls. Moves of zero are left out. The bars are what luck explains, 95 times in 100.", height=330,
    )  # fmt: skip


def _coverage(coverage: Mapping[str, Any], conformal: Mapping[str, Any]) -> Figure:
    levels = [int(level) for level in coverage]
    data = [
        _diagonal(),
        _dots("intervals of the law", MODEL, levels, [interval["coverage"] for interval in coverage.values()],
              [interval["half_width"] for interval in coverage.values()]),
    ]  # fmt: skip
    adjusted = {int(level): effect for level, effect in conformal.items() if effect}
    if adjusted:
        data.append(
            _dots(
                "after split conformal", VALIDATION, list(adjusted), [effect["after"] for effect in adjusted.values()]
            )
        )
    layout = _square("interval claims, %", "outcomes inside, %")
    return Figure(
        "coverage", "Coverage of the intervals", {"": Drawing(data, layout)},
        "On the dotted line an interval holds what it claims; above it is too wide, below too narrow. "
        "The bars are what luck explains, 95 times in 100.", height=330,
    )  # fmt: skip


def _pit(histogram: Mapping[str, Any]) -> Figure:
    edges, count, lo, hi = (histogram[key] for key in ("edges", "count", "lo", "hi"))
    middle = [(a + b) / 2 for a, b in pairwise(edges)]
    outside = sum(not lo <= n <= hi for n in count)
    data = [
        {
            "type": "bar", "x": middle, "y": count, "width": 1 / len(count), "name": "outcomes",
            "marker": {"color": MODEL, "opacity": 0.75, "line": {"color": "var(--raised)", "width": 1}},
            "hovertemplate": "%{y:,}", "showlegend": False,
        }
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "share of the law below what came"}, "range": [0, 1], "showgrid": False},
        "yaxis": {"title": {"text": "outcomes"}, "rangemode": "tozero"},
        "bargap": 0,
        "shapes": [
            {
                "type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": lo, "y1": hi,
                "fillcolor": "var(--span-validation)", "line": {"width": 0}, "layer": "below",
            },
            *(
                {
                    "type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": y, "y1": y,
                    "line": {"color": VALIDATION, "width": 1, "dash": "dash"},
                }
                for y in (lo, hi)
            ),
            {
                "type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": histogram["expected"],
                "y1": histogram["expected"], "line": {"color": TRUTH, "width": 1, "dash": "dot"},
            },
        ],
    }  # fmt: skip
    return Figure(
        "pit", "PIT histogram", {"": Drawing(data, layout)},
        f"Flat for a law that is right; a hill: too wide; a bowl: too narrow; a slope: off to one side. {outside} of "
        f"{len(count)} columns leave the band in which each would lie 95 times in 100.", height=330,
    )  # fmt: skip


def _reliability(tenths: Sequence[Mapping[str, float]]) -> Figure:
    data = [
        _diagonal(),
        _dots("tenths of the probabilities", MODEL, [tenth["forecast"] for tenth in tenths],
              [tenth["frequency"] for tenth in tenths], [tenth["half_width"] for tenth in tenths]),
    ]  # fmt: skip
    top = min(100.0, 1.15 * max(max(tenth["forecast"], tenth["frequency"]) for tenth in tenths))
    layout = _square("probability given, %", "came true, %")
    layout["xaxis"]["range"] = layout["yaxis"]["range"] = [0, top]
    return Figure(
        "reliability", "Reliability of the probabilities", {"": Drawing(data, layout)},
        "On the dotted line a bin that was given 30 % came 30 times in 100. The bars are what luck explains, "
        "95 times in 100.", height=330,
    )  # fmt: skip


def _by_bin(by_bin: Sequence[Mapping[str, float]], bins: Sequence[str]) -> Figure:
    labels = [text(name) for name in bins]
    data = [
        {
            "type": "bar", "x": labels, "y": [node[key] for node in by_bin], "name": name, "marker": {"color": colour},
            "hovertemplate": "%{y:.1f} %",
        }
        for key, name, colour in (("forecast", "mean probability", MODEL), ("frequency", "came", FAINT))
    ]  # fmt: skip
    layout = {
        "xaxis": {"type": "category", "title": {"text": "move"}},
        "yaxis": {"title": {"text": "%"}, "rangemode": "tozero"},
        "margin": {"t": 44},
    }
    return Figure("by-bin", "Each bin on the whole", {"": Drawing(data, layout)},
                  "Mean probability of each bin beside how often it came.", height=330)  # fmt: skip


def _diagonal() -> Trace:
    return {
        "type": "scatter", "mode": "lines", "x": _PERCENT, "y": _PERCENT, "hoverinfo": "skip", "showlegend": False,
        "line": {"color": FAINT, "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _dots(
    name: str, colour: str, x: Sequence[float], y: Sequence[float], half_width: Sequence[float] | None = None
) -> Trace:
    trace: Trace = {
        "type": "scatter", "mode": "markers", "name": name, "x": packed(x, "f8"), "y": packed(y, "f8"),
        "marker": {"color": colour, "size": 9}, "hovertemplate": "%{y:.1f} %",
    }  # fmt: skip
    if half_width is not None:
        trace["error_y"] = {"type": "data", "array": packed(half_width, "f8"), "color": colour, "thickness": 1.3}
    return trace


def _square(x: str, y: str) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": x}, "range": [0, 102], "dtick": 20},
        "yaxis": {"title": {"text": y}, "range": [0, 104], "dtick": 20},
        "hovermode": "closest",
        "margin": {"t": 44},
    }
