"""The page's charts as figures of Plotly: the same numbers, colours by value, one drawing at a time."""

from __future__ import annotations

import numpy as np

from nextbar.display.figure import Drawing, Figure, packed
from nextbar.display.plotly_figure import plotly_figure


def drawing(values: list[float], at: int) -> Drawing:
    line = {"color": "var(--model)", "width": 1.5}
    trace = {"type": "scatter", "mode": "lines", "name": "validation", "x": [1, 2], "y": packed(values, "f8"),
             "line": line}  # fmt: skip
    return Drawing([trace], {"xaxis": {"title": {"text": "epoch"}}, "shapes": [{"type": "line", "x0": at, "x1": at}]})


def test_numbers_and_titles_are_the_charts_and_colours_are_values() -> None:
    made = plotly_figure(Figure("k", "Loss of <run>", {"": drawing([0.5, np.nan], 2)}))
    np.testing.assert_array_equal(made.data[0].y, [0.5, np.nan])
    assert made.data[0].line.color == "#2f5fa8" and made.data[0].visible
    assert made.layout.title.text == "Loss of &lt;run&gt;" and made.layout.xaxis.title.text == "epoch"
    assert not made.layout.updatemenus and made.layout.shapes[0].x0 == 2


def test_of_several_drawings_one_is_seen_and_a_menu_chooses() -> None:
    made = plotly_figure(Figure("k", "t", {"a": drawing([1.0, 2.0], 1), "<b>": drawing([3.0, 4.0], 2)}))
    assert [trace.visible for trace in made.data] == [True, False]
    (menu,) = made.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["a", "&lt;b&gt;"]
    seen, layout = menu.buttons[1].args
    assert list(seen["visible"]) == [False, True] and layout["shapes"][0]["x0"] == 2
