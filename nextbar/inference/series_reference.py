"""Reference of an evaluated series: the run's own, or one fitted on its bars before the first origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.data.origins import moves_until
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.data.targets import outcomes
from nextbar.metrics.reference import fit_reference, join_references
from nextbar.metrics.task import Task
from nextbar.types import Outcomes, Reference


def series_reference(
    panel: Panel,
    fits: Sequence[SeriesFit],
    origin_N: np.ndarray,
    span: str,
    task: Task,
    run_names: Sequence[str],
    run: Reference,
) -> Reference:
    """Reference of each series: the run's of those it trained, of others one from their bars up to the first origin.

    The run recorded the reference of a series it only scored as of its test span: it stands in where fewer bars are
    given than the run had.

    Args:
        panel: bars with their indicators, called as in the run's records.
        fits: calendar and statistics of each of them.
        origin_N: rows of the span's last known bars, over the series end to end.
        span: ``validation`` or ``test``.
        task: what is predicted.
        run_names: series of the run.
        run: its reference, for these.
    """
    trained_S = np.ones(len(run_names), bool) if run.trained_S is None else run.trained_S
    moves_S = np.zeros(len(run_names)) if run.moves_S is None else run.moves_S
    row_S: list[int] = []
    own_names: list[str] = []
    closes, parts = [], []
    for s, (bars, fit, name) in enumerate(zip(panel.bars, fits, panel.names, strict=True)):
        recorded = run_names.index(name) if name in run_names else None
        own_N = panel.within(origin_N, s)
        origin = int(own_N.min()) if len(own_N) else -1
        rows, close_N = moves_until(bars, fit.calendar, task.horizon, origin), bars.columns["close"]
        if recorded is not None and (trained_S[recorded] or (span == "test" and len(rows) < moves_S[recorded])):
            row_S.append(recorded)
            continue
        row_S.append(len(run_names) + len(own_names))
        parts.append(outcomes(close_N, bars.close_time_N, np.full(len(bars), len(own_names)), (), rows, task.horizon))
        closes.append(close_N[: origin + 1])
        own_names.append(name)
    if not own_names:
        return join_references(run, run, row_S)
    fields = zip(*((p.series_N, p.origin_time_N, p.last_close_N, p.close_NH) for p in parts), strict=True)
    series_N, time_N, last_N, close_NH = map(np.concatenate, fields)
    own = Outcomes(series_N, tuple(own_names), time_N, last_N, close_NH)
    return join_references(run, fit_reference(own, closes, task, np.zeros(len(own_names), bool)), row_S)
