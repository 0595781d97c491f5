"""The fan: the last closes of a series, and the forecast of the next bars with its bands or the chances of its bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from nextbar.display.figure import MODEL, TRUTH, Drawing, Figure, Trace, packed, text

DAY = 86_400
TICKS = 4
"""dates below a fan, about"""


class Fan(NamedTuple):
    """Closes and forecast of one series; times are when bars open, seconds since the epoch, UTC."""

    name: str
    step: int
    """seconds of a bar"""
    past_time_N: np.ndarray
    past_close_N: np.ndarray
    """the last N closes, of which the last is the one that the forecast is made from"""
    time_H: np.ndarray
    """of the predicted bars that are drawn, H of them"""
    ahead_H: np.ndarray
    """how many bars ahead they are"""
    close_H: np.ndarray | None
    """predicted closes; None of bins"""
    bands: Mapping[float, tuple[np.ndarray, np.ndarray]]
    """lowest and highest close (H,) of the central band that holds a share of the outcomes, by share"""
    probs_HK: np.ndarray | None = None
    """probabilities of the bins of the move"""
    words: tuple[str, ...] = ()
    """the same in sentences, which also stand for the chart where it cannot be seen"""


def fan_figure(fans: Sequence[Fan], bins: Sequence[str] = (), caption: str = "") -> Figure:
    """One chart of a choice of series.

    Args:
        fans: the series, at least one.
        bins: names of the bins; empty of forecasts that are no bins.
        caption: what the bands are.
    """
    ahead = int(fans[0].ahead_H[-1])
    drawings = {fan.name: _of_bins(fan, bins) if fan.probs_HK is not None else _of_closes(fan) for fan in fans}
    title = "The next bar" if ahead == 1 else f"The next {ahead} bars"
    return Figure("fan", title, drawings, caption, height=340, wide=True)


def _of_closes(fan: Fan) -> Drawing:
    """Closes up to now, and from the last of them the predicted ones between their bands; x counts bars from now."""
    assert fan.close_H is not None
    last = fan.past_close_N[-1:]
    before, ahead = np.arange(1 - len(fan.past_close_N), 1), np.concatenate([[0], fan.ahead_H])
    dates = [moment(t, fan.step) for t in np.concatenate([fan.past_time_N[-1:], fan.time_H])]
    data: list[Trace] = []
    edges: list[dict[str, Any]] = []
    for share, ends in sorted(fan.bands.items(), reverse=True):
        label = f"{100 * share:g} of 100"
        for end, side in zip(ends, ("from", "to"), strict=True):
            trace = _line(ahead, np.concatenate([last, end]), f"{label}, {side}", MODEL, 0)
            data.append(trace | {"showlegend": False, "hoverinfo": "skip"})
        data[-1] |= {"fill": "tonexty", "fillcolor": "var(--band)"}
        edges.append({"x": int(ahead[-1]), "y": float(ends[1][-1]), "text": f"{100 * share:g}", "xanchor": "left",
                      "showarrow": False, "xshift": 4, "font": {"size": 12}})  # fmt: skip
    past_dates = [moment(t, fan.step) for t in fan.past_time_N]
    data.append(_line(before, fan.past_close_N, "close", TRUTH, 1.4, past_dates))
    forecast = _line(ahead, np.concatenate([last, fan.close_H]), "forecast", MODEL, 2, dates)
    few = {"mode": "lines+markers", "marker": {"color": MODEL, "size": 6}} if len(ahead) <= 30 else {}
    data.append(forecast | few)
    times, places = np.concatenate([fan.past_time_N, fan.time_H]), np.concatenate([before, fan.ahead_H])
    # the bar that is drawn nearest to each of some places
    ticks = np.linspace(places[0], places[-1], TICKS)
    at = np.unique(np.abs(places[:, None] - ticks).argmin(axis=0))
    layout: dict[str, Any] = {
        "xaxis": {
            "tickmode": "array", "tickvals": places[at].tolist(),
            "ticktext": [moment(times[i], fan.step).replace(" ", "<br>") for i in at],
            "tickangle": 0, "title": {"text": "bar opens (UTC)"}, "showgrid": False,
            "range": [float(before[0]), float(ahead[-1]) + 0.02 * float(places[-1] - places[0])],
        },
        "yaxis": {"title": {"text": "close"}},
        "hovermode": "closest",
        "margin": {"t": 44, "r": 36},
        "annotations": edges,
        "shapes": [{"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
                    "line": {"color": "var(--faint)", "width": 1, "dash": "dot"}}],
    }  # fmt: skip
    return Drawing(data, layout, fan.words)


def _of_bins(fan: Fan, bins: Sequence[str]) -> Drawing:
    """A bar for the chance of each bin; over several bars ahead a map of them, the stronger the colour the likelier."""
    assert fan.probs_HK is not None
    percent_HK, labels = 100 * fan.probs_HK, [text(name) for name in bins]
    moves: dict[str, Any] = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": labels,
        "title": {"text": "move"},
    }
    dates = [moment(t, fan.step) for t in fan.time_H]
    if len(dates) == 1:
        bars = {
            "type": "bar", "orientation": "h", "name": "chance", "x": percent_HK[0].tolist(), "y": labels,
            "marker": {"color": MODEL}, "hovertemplate": "%{y}: %{x:.1f} of 100<extra></extra>", "showlegend": False,
        }  # fmt: skip
        layout: dict[str, Any] = {"xaxis": {"title": {"text": "chances in 100"}, "rangemode": "tozero"}, "yaxis": moves}
        return Drawing([bars], layout | {"hovermode": "closest"}, fan.words)
    heat = {
        "type": "heatmap", "name": "chance", "x": fan.ahead_H.tolist(), "y": labels,
        "z": [row.round(2).tolist() for row in percent_HK.T],
        "colorscale": [[0, "var(--heat-low)"], [1, "var(--heat-high)"]],
        "zmin": 0, "zmax": max(float(percent_HK.max()), 1.0), "showscale": False,
        "hovertemplate": "%{y}, bar %{x}: %{z:.1f} of 100<extra></extra>",
    }  # fmt: skip
    layout = {"xaxis": {"title": {"text": "bars ahead"}, "tickformat": "d"}, "yaxis": moves, "hovermode": "closest"}
    return Drawing([heat], layout, fan.words)


def _line(x: np.ndarray, y: np.ndarray, name: str, colour: str, width: float, dates: Sequence[str] = ()) -> Trace:
    trace: Trace = {
        "type": "scatter", "mode": "lines", "name": name, "x": x.tolist(), "y": packed(y, "f8"),
        "line": {"color": colour, "width": width},
    }  # fmt: skip
    return trace | {"customdata": list(dates), "hovertemplate": "%{customdata}: %{y:.5~g}"} if dates else trace


def moment(seconds: float, step: int) -> str:
    """When a bar opens: the date, and with bars of less than a day the time, UTC."""
    opens = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))  # before 1970 on Windows too
    return opens.strftime("%Y-%m-%d" if step >= DAY and not seconds % DAY else "%Y-%m-%d %H:%M")
