"""A chart as SVG: every point at its place, gaps where a number is missing, text as text."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbar.display.figure import Drawing, Figure, packed, text, unpacked
from nextbar.display.folds import fold_figure
from nextbar.display.learning import learning_figures
from nextbar.display.sketch import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, sketch
from nextbar.display.trials import history_figure

numbers = st.floats(allow_nan=True, allow_infinity=True)


def drawn(y: Any, name: str = "a", mode: str = "lines+markers", **line: Any) -> Figure:
    trace = {"mode": mode, "name": name, "x": list(range(len(y))), "y": packed(y, "f8"),
             "line": {"color": "var(--model)", "width": 2, **line}}  # fmt: skip
    return Figure("k", "Title", {"": Drawing([trace], {"xaxis": {"title": {"text": "epoch"}}})})


def svg_of(figure: Figure) -> Any:
    html = sketch(figure)
    assert html is not None
    return ElementTree.fromstring(html).find("svg")


@given(st.lists(numbers, min_size=1, max_size=30))
def test_finite_points_lie_inside_in_the_order_of_their_values(values: list[float]) -> None:
    finite = [(x, y) for x, y in enumerate(values) if np.isfinite(y)]
    if not finite:
        assert sketch(drawn(values)) is None
        return
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in svg_of(drawn(values)).iter("circle")]
    assert len(circles) == len(finite)
    for (cx, cy), (x, y) in zip(circles, finite, strict=True):
        assert LEFT <= cx <= WIDTH - RIGHT and TOP <= cy <= HEIGHT - BOTTOM
        for (_, other_cy), (_, other) in zip(circles, finite, strict=True):
            assert other <= y or other_cy <= cy
        assert x >= 0


def test_the_line_goes_through_the_points_and_breaks_at_gaps() -> None:
    figure = drawn([0.0, 1.0, np.nan, 0.5])
    _, path = (p.get("d") for p in svg_of(figure).iter("path"))
    right, low, middle = WIDTH - RIGHT, HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    third = LEFT + (right - LEFT) / 3
    assert path == f"M{LEFT:.1f} {low:.1f}L{third:.1f} {TOP:.1f}M{right:.1f} {middle:.1f}"
    _, stair = (p.get("d") for p in svg_of(drawn([0.0, 1.0], shape="hv")).iter("path"))
    assert stair == f"M{LEFT:.1f} {low:.1f}H{right:.1f}V{TOP:.1f}"


def test_the_ends_of_the_axes_are_written_with_their_exponents() -> None:
    said = [node.text for node in svg_of(drawn([7.98123e-05, -1.5e12])).iter("text")]
    assert said == ["7.9812e-05", "-1.5e+12", "0", "1"]


def test_names_are_text_and_colours_have_values() -> None:
    name = "<b>garch & co</b>"
    html = sketch(drawn([1.0, 2.0], text(name)))
    assert html is not None and "var(" not in html
    assert [node.text for node in ElementTree.fromstring(html).iter("span")] == [f"— {name}"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_what_is_packed_is_unpacked(dtype: str) -> None:
    np.testing.assert_array_equal(unpacked(packed([1, 2, 300], dtype)), [1, 2, 300])


ROWS = [{"epoch": e, "learning_rate": 0.1, "train/loss": 1 / e, "train/nll": 2 / e, "validation/nll": 3 / e,
         "test/nll": 4.0} for e in (1, 2, 3)]  # fmt: skip
FIGURES = {
    "learning": lambda: learning_figures(ROWS, "nll", 2, {"validation": 1.5, "test": None}, "<garch>")[1],
    "trials": lambda: history_figure([{"rank": n, "trial": n, "ranking_score": 1 / n} for n in (1, 2, 3)], 1.0),
    "folds": lambda: fold_figure("k", "By fold", "nll", {"model": [1.0, None], "<b>": [2.0, 3.0]}, ""),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_chart_of_a_result_can_be_sketched(name: str) -> None:
    figure = FIGURES[name]()
    svg = svg_of(figure)
    curves = [path for path in svg.iter("path")][1:]
    assert len(curves) == sum("lines" in trace["mode"] for trace in figure.drawings[""].data)
    assert all(re.fullmatch(r"#\w{6}|rgba?\(.*\)", path.get("stroke")) for path in curves)
