"""Where the errors are: scores of parts of a span, by ticker, time of the week and volatility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.zone import local_time
from nextbar.metrics.scorer import Scorer
from nextbar.report.figure import BASELINE, MODEL, Drawing, Figure, packed, text
from nextbar.types import Forecast

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
QUINTILES = ("calmest", "calm", "middle", "lively", "wildest")
VOLATILITY_BARS = 20
"""the move before the origin that calls a bar calm or wild is taken over this many bars"""

_DAY = 86_400


class Part(NamedTuple):
    """One group of windows and the leading metric on it."""

    label: str
    windows: int
    model: float
    baseline: float


class Grouping(NamedTuple):
    """The windows of a span, put into groups."""

    key: str
    title: str
    axis: str
    labels: tuple[str, ...]
    group_N: np.ndarray
    caption: str = ""


def shown_metric(scorer: Scorer) -> str:
    """The metric parts are compared by: the leading one, or one that does not grow with the price."""
    if scorer.task.output_mode != "mean":
        return scorer.task.leading
    return "mape" if scorer.reference.positive_S.all() else "mae_scaled"


def groupings(bars: Sequence[Bars], timezones: Sequence[str], origin_N: np.ndarray, scorer: Scorer) -> list[Grouping]:
    """Every way to look at a span that has at least two groups.

    Args:
        bars: all series, in the order of the rows.
        timezones: of each series' market, whose hours and weekdays its bars are grouped by.
        origin_N: row of each window's last known bar, over all series end to end.
        scorer: of the span.
    """
    outcomes = scorer.outcomes
    local_R = np.concatenate([local_time(b.time_N, zone) for b, zone in zip(bars, timezones, strict=True)])
    opened_N = local_R[origin_N + 1]
    clock = timezones[0] if len(set(timezones)) == 1 else "time of each market"
    which = "first predicted bar" if scorer.task.horizon > 1 else "predicted bar"
    found = [Grouping("by-ticker", "By series", "series", outcomes.names, outcomes.series_N)]
    if min(b.step for b in bars) < _DAY:
        hours = tuple(f"{hour:02d}" for hour in range(24))
        found.append(Grouping("by-hour", "By hour of the day", f"hour ({clock})", hours, opened_N % _DAY // 3600,
                              f"The hour in which the {which} opens."))  # fmt: skip
    if min(b.step for b in bars) <= _DAY:
        weekday_N = (opened_N // _DAY + 3) % 7
        found.append(Grouping("by-weekday", "By weekday", f"weekday ({clock})", WEEKDAYS, weekday_N,
                              f"The day on which the {which} opens."))  # fmt: skip
    found.append(
        Grouping(
            "by-volatility", "By volatility", "recent volatility, in fifths", QUINTILES,
            quintile(volatility(bars)[origin_N], outcomes.series_N),
            f"Root mean square of the last {VOLATILITY_BARS} moves known at the origin, ranked within each series.",
        )
    )  # fmt: skip
    return [g for g in found if len(np.unique(g.group_N[g.group_N >= 0])) > 1]


def parts(grouping: Grouping, scorer: Scorer, forecast: Forecast, metric: str) -> list[Part]:
    """Model and baseline on each group that has windows; groups whose metric is undefined are left out."""
    found = []
    for group, label in enumerate(grouping.labels):
        row = np.flatnonzero(grouping.group_N == group)
        if len(row) == 0:
            continue
        outcomes = scorer.outcomes
        some = outcomes._replace(
            series_N=outcomes.series_N[row],
            origin_time_N=outcomes.origin_time_N[row],
            last_close_N=outcomes.last_close_N[row],
            close_NH=outcomes.close_NH[row],
        )
        part = Scorer(some, scorer.reference, scorer.task)
        values = [scores.mean.pooled[metric] for scores in (part.score(forecast.rows(row)), part.baseline)]
        if all(value is not None and np.isfinite(value) for value in values):
            found.append(Part(label, len(row), *(float(value or 0.0) for value in values)))
    return found


def where_figure(grouping: Grouping, found: Sequence[Part], metric: str, unit: str) -> Figure:
    """Model and baseline as two dots for each group, joined by a line."""
    labels = [text(part.label) for part in found]
    joints_x = [x for label in labels for x in (label, label, None)]
    joints_y = [y for part in found for y in (part.model, part.baseline, None)]
    windows = [f"{part.windows:,}" for part in found]
    hover = "%{y:.5g}, %{customdata} windows"

    def dots(name: str, colour: str, values: list[float], symbol: str) -> dict[str, object]:
        return {
            "type": "scatter", "mode": "markers", "name": name, "x": labels, "y": packed(values, "f8"),
            "customdata": windows, "hovertemplate": hover, "marker": {"color": colour, "size": 9, "symbol": symbol},
        }  # fmt: skip

    data = [
        {
            "type": "scatter", "mode": "lines", "x": joints_x, "y": joints_y, "hoverinfo": "skip",
            "line": {"color": "var(--faint)", "width": 1.5}, "showlegend": False,
        },
        dots("baseline", BASELINE, [part.baseline for part in found], "circle-open"),
        dots("model", MODEL, [part.model for part in found], "circle"),
    ]  # fmt: skip
    layout = {
        "xaxis": {"type": "category", "title": {"text": grouping.axis}, "categoryorder": "array",
                  "categoryarray": labels},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 44},
    }  # fmt: skip
    return Figure(grouping.key, grouping.title, {"": Drawing(data, layout)}, grouping.caption, height=300)


def volatility(bars: Sequence[Bars]) -> np.ndarray:
    """Root mean square of the last moves at each row, over all series end to end; float64 (R,).

    Moves are log returns, or changes where a price of the series is not above zero; early rows have fewer of them.
    """
    return np.concatenate([_volatility(b.columns["close"]) for b in bars])


def _volatility(close_N: np.ndarray) -> np.ndarray:
    level_N = np.log(close_N) if (close_N > 0).all() else close_N
    squared_N = np.concatenate([[0.0], np.diff(level_N) ** 2])
    # a running sum would lose digits after a wild stretch
    padded = np.concatenate([np.zeros(VOLATILITY_BARS - 1), squared_N])
    sums_N = np.lib.stride_tricks.sliding_window_view(padded, VOLATILITY_BARS).sum(axis=1)
    count_N = np.clip(np.arange(len(close_N)), 1, VOLATILITY_BARS)
    return np.sqrt(sums_N / count_N)


def quintile(value_N: np.ndarray, series_N: np.ndarray) -> np.ndarray:
    """Fifth, 0 to 4, of each value within its own series."""
    out = np.zeros(len(value_N), np.int64)
    for s in np.unique(series_N):
        row = series_N == s
        out[row] = np.searchsorted(np.quantile(value_N[row], [0.2, 0.4, 0.6, 0.8]), value_N[row])
    return out
