"""What stands for a chart where it cannot be seen: ends and extremes of what is drawn."""

from __future__ import annotations

import numpy as np

from nextbar.display.alternative import MOST, alternative
from nextbar.display.figure import Drawing, Figure, packed, text

AXES = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": "loss"}}}


def test_lines_are_told_by_their_ends_and_extremes_and_gaps_are_left_out() -> None:
    line = {"mode": "lines", "name": "validation", "x": [1, 2, 3, 4, 5], "y": [None, 2.0, 0.5, 3.0, np.nan]}
    level = {"mode": "lines", "name": "rival", "x": [1, 5], "y": [0.7, 0.7]}
    nothing = {"mode": "lines", "name": "gone", "x": [1], "y": [None]}
    nameless = {"mode": "lines", "x": [0, 1], "y": [0, 1]}
    said = alternative("Loss", [line, level, nothing, nameless], AXES)
    assert said == (
        "Loss: loss by epoch; validation begins at 2 and ends at 3, lowest 0.5, highest 3; rival 0.7."
    )  # fmt: skip


def test_dots_and_bars_are_told_by_their_extremes_and_whose_they_are() -> None:
    dots = {"mode": "markers", "name": "model", "x": [1.5, 2.5], "y": [4.0, 2.0]}
    bars = {"type": "bar", "name": "came", "x": ["down", "up"], "y": [40.0, 60.0]}
    lying = {"type": "bar", "orientation": "h", "name": "chance", "x": [25.0, 75.0], "y": ["down", "up"]}
    heat = {"type": "heatmap", "name": "chances", "x": [1], "y": ["down"], "z": [[1.0]]}
    said = alternative("T", [dots, bars, lying, heat], {})
    assert said == "T; model from 2 to 4; came from 40 (down) to 60 (up); chance from 25 (down) to 75 (up); chances."


def test_of_many_lines_the_first_are_told_and_names_are_no_markup() -> None:
    lines = [{"mode": "lines", "name": text(f"<{i}>"), "x": [0], "y": [i]} for i in range(MOST + 3)]
    said = alternative("T", lines, {})
    assert said.startswith("T; <0> 0; <1> 1;") and said.endswith(f"<{MOST - 1}> {MOST - 1}; and 3 more.")


def test_a_figure_says_its_words_or_else_its_lines_of_each_choice() -> None:
    line = {"mode": "lines", "name": "close", "x": packed([0, 1]), "y": packed([1.0, 2.0], "f8")}
    silent, said = Drawing([line], AXES), Drawing([line], AXES, ("One.", "Two."))
    figure = Figure("k", "T", {"a": silent, "b": said})
    assert figure.plain()["alternatives"] == [
        "T: loss by epoch; close begins at 1 and ends at 2, lowest 1, highest 2.", "T. One. Two."
    ]  # fmt: skip
    html = figure.html()
    assert 'aria-label="T: loss by epoch;' in html and '<div data-drawing="1" hidden=""><p>One.</p><p>Two.</p>' in html
    assert "alternatives" not in Figure("k", "T", {"": said}).plain()
