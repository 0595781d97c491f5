"""The price of each series, and behind it bands for spans or folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.display.figure import TRUTH, Drawing, Figure, milliseconds, packed, text

POINTS = 3_000
"""of a price line at most"""
ALL_POINTS = 6_000
"""of the price lines of all series together"""
LOG_RATIO = 8.0
"""highest over lowest close from which the axis is logarithmic"""


class Band(NamedTuple):
    """A stretch of time drawn behind the price; seconds since the epoch."""

    label: str
    colour: str
    begin: float
    end: float


def spans(bars: Bars, validation: int, test: int, learnt: bool) -> list[Band]:
    """Bands of training, validation and test within a series, without those of no length.

    Args:
        bars: the series.
        validation: where the validation span begins, seconds since the epoch.
        test: where the test span begins.
        learnt: whether the model learnt from the series; without that no bar is training.
    """
    begin, end = int(bars.close_time_N[0]), int(bars.close_time_N[-1])
    edges = np.clip([begin if learnt else validation, validation, test, end], begin, end)
    names = ("training", "validation", "test")
    return [
        Band(name, f"var(--span-{name})", float(a), float(b))
        for name, (a, b) in zip(names, pairwise(edges), strict=True)
        if b > a
    ]


def price_figure(
    names: Sequence[str],
    bars: Sequence[Bars],
    bands: Sequence[Sequence[Band]],
    caption: str,
    title: str = "Price and spans",
) -> Figure:
    """Closes at their closing times, thinned to their extremes, and the bands of each series, one chart a series."""
    limit = min(POINTS, max(200, ALL_POINTS // len(bars)))
    drawings: Mapping[str, Drawing] = {
        name: _drawing(b.close_time_N, b.columns["close"], behind, limit)
        for name, b, behind in zip(names, bars, bands, strict=True)
    }
    return Figure("price", title, drawings, caption, height=340, wide=True)


def _drawing(time_N: np.ndarray, close_N: np.ndarray, bands: Sequence[Band], limit: int) -> Drawing:
    at = thinned(close_N, limit)
    log = bool(close_N.min() > 0 and close_N.max() > LOG_RATIO * close_N.min())
    data = [
        {
            "type": "scatter", "mode": "lines", "name": "close", "x": milliseconds(time_N[at]),
            "y": packed(close_N[at]), "line": {"color": TRUTH, "width": 1.2}, "showlegend": False,
        }
    ]  # fmt: skip
    axis = {"type": "log", "title": {"text": "close (log scale)"}} if log else {"title": {"text": "close"}}
    layout: dict[str, Any] = {
        "xaxis": {"type": "date", "title": {"text": "bar closes (UTC)"}, "showgrid": False},
        "yaxis": axis,
        "margin": {"t": 38},
        "shapes": [
            {
                "type": "rect", "xref": "x", "yref": "paper", "x0": 1000 * band.begin, "x1": 1000 * band.end,
                "y0": 0, "y1": 1, "fillcolor": band.colour, "line": {"width": 0}, "layer": "below",
            }
            for band in bands
        ],
        "annotations": [
            {
                "x": 500 * (band.begin + band.end), "y": 1, "xref": "x", "yref": "paper", "yanchor": "bottom",
                "text": text(band.label), "showarrow": False, "font": {"size": 12}, "yshift": 13 * (i % 2),
            }
            for i, band in enumerate(bands)  # in turns of two heights, since bands may be narrow
        ],
    }  # fmt: skip
    return Drawing(data, layout)


def thinned(value_N: np.ndarray, limit: int) -> np.ndarray:
    """Rows to draw: first, last, and the lowest and highest of each of ``limit / 2`` stretches, at most ``limit``."""
    n = len(value_N)
    if n <= limit:
        return np.arange(n)
    edges = np.linspace(0, n, limit // 2).astype(np.int64)
    kept = [0, n - 1]
    for a, b in pairwise(edges):
        kept += [a + int(np.argmin(value_N[a:b])), a + int(np.argmax(value_N[a:b]))]
    return np.unique(kept)
