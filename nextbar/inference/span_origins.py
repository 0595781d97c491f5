"""Scored windows of a run's series by span, and the reason where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.origins import window_origins
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.data.splits import Cuts
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError, NextbarError, RunError

SPANS = ("validation", "test")


def span_origins(panel: Panel, fits: Sequence[SeriesFit], spec: WindowSpec, cuts: Cuts) -> dict[str, np.ndarray]:
    """Rows of the windows' last known bars by span, over all series end to end.

    Args:
        panel: bars with their indicators.
        fits: calendar and statistics of each of them.
        spec: the windows.
        cuts: where the run's spans begin.
    """
    by_span = [window_origins(bars, fit.calendar, spec, cuts) for bars, fit in zip(panel.bars, fits, strict=True)]
    return {span: panel.join([origins[span] for origins in by_span]) for span in SPANS}


def unseen_origins(origin_N: np.ndarray, panel: Panel, ends_S: Sequence[int]) -> np.ndarray:
    """The origins at or after the last bar that a run used of their series: it has seen none of their labels.

    Args:
        origin_N: rows of the series end to end.
        panel: the bars.
        ends_S: when the run's last bar of each series opened, seconds since the epoch.
    """
    end_R = panel.per_series(ends_S)
    return origin_N[panel.time_R[origin_N] >= end_R[origin_N]]


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
