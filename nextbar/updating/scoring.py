"""Forecasts whose outcomes have come: their closes, and the bets on the difference of the losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.dates import iso
from nextbar.metrics.betting import Settled
from nextbar.metrics.loss_bounds import loss_difference
from nextbar.metrics.task import Task
from nextbar.types import Outcomes
from nextbar.updating.contents import LogContents, MadeForecast
from nextbar.updating.kept_log import KeptLog
from nextbar.updating.law_values import forecast_of


@dataclass(frozen=True)
class DueForecast:
    """A forecast and the bars that it was of."""

    forecast: MadeForecast
    resolution: str
    due: int
    """when the last of them closed"""
    closes: np.ndarray | None
    """(H,); None: a bar is missing before one of them, so that it is not the bar that was forecast"""


def score_due(log: KeptLog, calendars: Mapping[str, Calendar], task: Task) -> int:
    """Add to the log the scores of the forecasts whose outcomes it knows, in the order in which they were known.

    Args:
        log: of the run.
        calendars: of the series at hand, by name; others wait.
        task: the question.

    Returns:
        How many forecasts were scored.
    """
    due = sorted(_due(log.state, calendars, task.horizon), key=_order)
    groups = (sorted(together, key=lambda d: d.forecast.key) for _, together in groupby(due, key=_order))
    log.add(_line(log.state, group, task) for group in groups)
    return sum(d.closes is not None for d in due)


def _order(due: DueForecast) -> tuple[int, int, str]:
    return due.due, due.forecast.known, due.resolution


def _due(state: LogContents, calendars: Mapping[str, Calendar], horizon: int) -> Iterator[DueForecast]:
    for key, forecast in state.waiting.items():
        if key.series not in calendars:
            continue
        bars = state.known[key.series].later
        first = int(np.searchsorted(bars.time_N, key.origin, side="right"))
        if first + horizon > len(bars):
            continue
        time_H = bars.time_N[first : first + horizon]
        holes = calendars[key.series].hole_before(np.concatenate([[key.origin], time_H]))
        closes_H = None if holes.any() else bars.columns["close"][first : first + horizon]
        yield DueForecast(forecast, bars.resolution, int(time_H[-1]) + bars.step, closes_H)


def _line(state: LogContents, group: Sequence[DueForecast], task: Task) -> dict[str, Any]:
    """The line about all series of one resolution with one origin whose outcomes were known together."""
    first, names = group[0], [d.forecast.key.series for d in group]
    value, bound = _difference([d for d in group if d.closes is not None], task)
    settled = Settled(0.0, None, state.test.evidence)
    if value is not None:
        settled = state.test.weigh(names, first.forecast.known, value, bound)
    return {
        "kind": "score",
        "resolution": first.resolution,
        "known": iso(first.forecast.known),
        "due": iso(first.due),
        "origins": {d.forecast.key.series: iso(d.forecast.key.origin) for d in group},
        "closes": {d.forecast.key.series: None if d.closes is None else d.closes.tolist() for d in group},
        "difference": value,
        "bound": bound if value is not None else None,
        **settled._asdict(),
    }


def _difference(group: Sequence[DueForecast], task: Task) -> tuple[float | None, float]:
    """Mean difference of the losses over the series that have a rival and a unit, and its bound; None: none has."""
    values, bounds = [], []
    for d in group:
        line = d.forecast.line
        bins = task.output_mode == "discrete_grid"
        if line["rival"] is None or (line["unit"] is None and not bins):
            continue
        outcome = Outcomes(
            np.zeros(1, np.int64), (d.forecast.key.series,), np.array([d.forecast.known]), np.array([line["close"]]),
            np.array([d.closes]),
        )  # fmt: skip
        unit_NH = np.ones((1, task.horizon)) if bins else np.array([line["unit"]])
        model, rival = forecast_of([line["law"]]), forecast_of([line["rival"]["law"]])
        difference = loss_difference(model, rival, outcome, unit_NH, task)
        if np.isfinite(difference.value_N).all() and np.isfinite(difference.bound_N).all():
            values.append(float(difference.value_N[0]))
            bounds.append(float(difference.bound_N[0]))
    return (float(np.mean(values)), float(np.mean(bounds))) if values else (None, 0.0)
