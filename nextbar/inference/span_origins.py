"""Which windows of a run's series are scored in which span, and why there may be none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.dataset import usable_origins
from nextbar.data.preparation import SeriesFit
from nextbar.data.splits import Cuts, spans
from nextbar.data.windows import WindowSpec
from nextbar.errors import DataError, NextbarError, RunError

SPANS = ("validation", "test")


def span_origins(
    series: Sequence[Bars], fits: Sequence[SeriesFit], spec: WindowSpec, cuts: Cuts
) -> dict[str, np.ndarray]:
    """Rows of the windows' last known bars by span, over all series end to end.

    Args:
        series: bars with their indicators.
        fits: calendar and statistics of each of them.
        spec: the windows.
        cuts: where the run's spans begin.
    """
    parts: dict[str, list[np.ndarray]] = {span: [] for span in SPANS}
    start = 0
    for bars, fit in zip(series, fits, strict=True):
        usable_N = usable_origins(bars, fit.calendar, spec, spec.horizon)
        by_span = spans(bars.close_time_N, usable_N, spec.horizon, cuts)
        for span in SPANS:
            parts[span].append(by_span[span] + start)
        start += len(bars)
    return {span: np.concatenate(rows) for span, rows in parts.items()}


def unseen_origins(origin_N: np.ndarray, series: Sequence[Bars], ends_S: Sequence[int]) -> np.ndarray:
    """The origins at or after the last bar that a run used of their series: it has seen none of their labels.

    Args:
        origin_N: rows of the series end to end.
        series: the bars.
        ends_S: when the run's last bar of each series opened, seconds since the epoch.
    """
    time_R = np.concatenate([b.time_N for b in series])
    end_R = np.repeat(ends_S, [len(b) for b in series])
    return origin_N[time_R[origin_N] >= end_R[origin_N]]


def no_unseen_window(series: Sequence[Bars], run_dir: Path) -> DataError:
    """The error where every label of the bars was trained or scored on before."""
    return DataError(
        f"nothing new: no window of these bars ({_ends(series)}) lies after those that {run_dir} was trained and "
        "scored on. Give later bars, with those before them that a context needs"
    )


def no_test_window(
    series: Sequence[Bars], run_dir: Path, spec: WindowSpec, cuts: Cuts, summary: dict[str, Any]
) -> NextbarError:
    """The error where no window of the bars lies in the test span, or the run was refitted on all of them."""
    if summary.get("refit_of") and all(b.close_time_N[-1] < cuts.test for b in series):
        return RunError(
            f"{run_dir} was refitted on all bars until {iso(cuts.test)}, so none of these are left to "
            f"score it with ({_ends(series)}); give later ones, score what came after it (new=True, --new), or "
            f"evaluate {summary['refit_of']}"
        )
    return DataError(
        f"no test window: the test span of the run begins at {iso(cuts.test)}, and a window there is "
        f"{spec.seq_len + spec.horizon} bars without a hole or an empty value, of which the last {spec.horizon} close "
        f"in it; the bars: {_ends(series)}. Give later bars, with the {spec.seq_len} before them"
    )


def _ends(series: Sequence[Bars]) -> str:
    """When the last bar of each series closed, for a message."""
    return ", ".join(f"{b.name} until {iso(int(b.close_time_N[-1]))}" for b in series)
