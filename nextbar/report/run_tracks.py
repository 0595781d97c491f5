"""Tracks of a run: its forecasts of each series in the test span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.forecasts import central
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index, bin_labels
from nextbar.report.explorer import Explorer, captions
from nextbar.report.tracks import Step, Track, placed

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation, SpanEvaluation

LEVEL = 0.8
"""the interval drawn around the forecasts"""


def run_explorer(evaluation: Evaluation, span: SpanEvaluation, task: Task) -> Explorer:
    """The explorer of every series that has windows in the span, with the forecasts of steps 1 and H."""
    starts = np.cumsum([0, *(len(b) for b in evaluation.bars)])
    tracks = []
    for s in range(len(evaluation.bars)):
        row_M = np.flatnonzero((span.origin_N >= starts[s]) & (span.origin_N < starts[s + 1]))
        if len(row_M):
            tracks.append(_track(evaluation, span, s, row_M, span.origin_N[row_M] - starts[s], task))
    return Explorer.of(tracks, LEVEL, bin_labels(task.edges), captions(task.output_mode, LEVEL))


def _track(
    evaluation: Evaluation, span: SpanEvaluation, s: int, row_M: np.ndarray, origin_M: np.ndarray, task: Task
) -> Track:
    bars = evaluation.bars[s]
    first, end = int(origin_M.min()) + 1, int(origin_M.max()) + task.horizon + 1
    steps = tuple(_step(span, row_M, origin_M - first, h, end - first, task) for h in sorted({1, task.horizon}))
    columns = {name: bars.columns[name][first:end] for name in PRICES if name in bars.columns}
    return Track(evaluation.names[s], bars.step, bars.time_N[first:end], columns, steps)


def _step(span: SpanEvaluation, row_M: np.ndarray, at_M: np.ndarray, h: int, n: int, task: Task) -> Step:
    forecast = span.forecast.rows(row_M)
    last_M, close_M = span.outcomes.last_close_N[row_M], span.outcomes.close_NH[row_M, h - 1]
    if forecast.log_probs_NHK is not None:
        probs_MK = np.exp(np.asarray(forecast.log_probs_NHK[:, h - 1], np.float64))
        bin_M = bin_index(last_M, close_M, task.edges)
        came_N = np.nan_to_num(placed(n, at_M + h, bin_M), nan=len(task.edges) - 1)
        return Step(h, probs_NK=placed(n, at_M + h, probs_MK), bin_N=came_N)

    def price(change_MH: np.ndarray) -> np.ndarray:
        change_M = np.asarray(change_MH[:, h - 1], np.float64)
        return placed(n, at_M + h, last_M * np.exp(change_M) if task.target == "log_return" else last_M + change_M)

    assert forecast.location_NH is not None
    if forecast.scale_NH is None:
        return Step(h, price(forecast.location_NH))
    low_MH, high_MH = central(forecast, LEVEL)
    return Step(h, price(forecast.location_NH), price(low_MH), price(high_MH))
