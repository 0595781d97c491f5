"""The fan as a chart: it begins at the last close, and every number is at its bar."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.display.fan import Fan, fan_figure, moment
from nextbar.display.figure import unpacked
from nextbar.display.plotly_figure import plotly_figure

BEGIN, HOUR = 1_577_836_800, 3_600


def fan(horizon: int = 2, **changes: object) -> Fan:
    close_H = 10 + np.arange(1, horizon + 1) / 10
    bands = {share: (close_H - share, close_H + share) for share in (0.5, 0.95)}
    past = np.array([9.0, 11.0, 10.0])
    time_N = BEGIN + HOUR * np.arange(3 + horizon)
    made = Fan("<a>", HOUR, time_N[:3], past, time_N[3:], np.arange(1, horizon + 1), close_H, bands,
               None, ("Said.",))  # fmt: skip
    return made._replace(**changes)


def test_it_opens_from_the_last_close_and_bands_lie_in_each_other() -> None:
    (drawing,) = fan_figure([fan()]).drawings.values()
    lines = {trace["name"]: (trace["x"], unpacked(trace["y"]).tolist()) for trace in drawing.data}
    assert lines["close"] == ([-2, -1, 0], [9.0, 11.0, 10.0])
    assert lines["forecast"] == ([0, 1, 2], [10.0, 10.1, 10.2])
    assert lines["95 of 100, from"] == ([0, 1, 2], pytest.approx([10.0, 9.15, 9.25]))
    assert lines["50 of 100, to"] == ([0, 1, 2], pytest.approx([10.0, 10.6, 10.7]))
    filled = [trace["name"] for trace in drawing.data if trace.get("fill") == "tonexty"]
    assert filled == ["95 of 100, to", "50 of 100, to"]  # the wide one first, the narrow one over it
    assert [(note["text"], note["x"], note["y"]) for note in drawing.layout["annotations"]] == [
        ("95", 2, pytest.approx(11.15)), ("50", 2, pytest.approx(10.7))
    ]  # fmt: skip
    forecast = next(trace for trace in drawing.data if trace["name"] == "forecast")
    assert forecast["customdata"] == ["2020-01-01 02:00", "2020-01-01 03:00", "2020-01-01 04:00"]
    ticks = dict(zip(drawing.layout["xaxis"]["tickvals"], drawing.layout["xaxis"]["ticktext"], strict=True))
    assert ticks[-2] == "2020-01-01<br>00:00" and ticks[2] == "2020-01-01<br>04:00"


def test_a_forecast_without_bands_is_a_line() -> None:
    (drawing,) = fan_figure([fan(bands={})]).drawings.values()
    assert [trace["name"] for trace in drawing.data] == ["close", "forecast"]


def test_bins_are_bars_and_over_several_bars_a_map() -> None:
    probs_HK = np.array([[0.25, 0.75], [0.5, 0.5]])
    (one,) = fan_figure([fan(1, close_H=None, bands={}, probs_HK=probs_HK[:1])], ["<low", "high"]).drawings.values()
    assert one.data[0]["x"] == [25.0, 75.0] and one.data[0]["y"] == ["&lt;low", "high"]
    (two,) = fan_figure([fan(2, close_H=None, bands={}, probs_HK=probs_HK)], ["<low", "high"]).drawings.values()
    assert two.data[0]["z"] == [[25.0, 50.0], [75.0, 50.0]] and two.data[0]["x"] == [1, 2]


@pytest.mark.parametrize("probs_HK", [None, np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([[0.25, 0.75]])])
def test_plotly_takes_it_and_the_figure_says_how_far_it_reaches(probs_HK: np.ndarray | None) -> None:
    horizon = 2 if probs_HK is None else len(probs_HK)
    of_closes = {} if probs_HK is None else {"close_H": None, "bands": {}}
    figure = fan_figure([fan(horizon, probs_HK=probs_HK, **of_closes), fan(horizon, name="b", probs_HK=probs_HK,
                         **of_closes)], ["low", "high"])  # fmt: skip
    assert figure.title == ("The next bar" if horizon == 1 else "The next 2 bars")
    assert [drawing.words for drawing in figure.drawings.values()] == [("Said.",)] * 2
    made = plotly_figure(figure)
    assert [button.label for button in made.layout.updatemenus[0].buttons] == ["&lt;a&gt;", "b"]


def test_days_have_no_time_of_day() -> None:
    assert moment(BEGIN, 86_400) == "2020-01-01" and moment(BEGIN, HOUR) == "2020-01-01 00:00"
    assert moment(BEGIN + HOUR, 86_400) == "2020-01-01 01:00"
