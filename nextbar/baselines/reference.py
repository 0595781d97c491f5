"""References of the series that a baseline is fitted on, and of a series that it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextbar.baselines.history import History
from nextbar.metrics.reference import enough_moves, fit_reference
from nextbar.metrics.task import Task
from nextbar.types import Outcomes, Reference


def reference_of(series: Sequence[History], task: Task) -> Reference:
    """The reference of each series, and in a last row that of series without training bars.

    One with too few moves (``metrics.reference.enough_moves``) has the mean spread of the others of its resolution.
    """
    n_windows = [max(len(history.close_N) - task.horizon, 0) for history in series]
    steps = np.arange(1, task.horizon + 1)
    training = Outcomes(
        series_N=np.repeat(np.arange(len(series)), n_windows),
        names=(*(history.name for history in series), "a series without training bars"),
        origin_time_N=np.concatenate(
            [history.time_N[:n] + history.step for history, n in zip(series, n_windows, strict=True)]
        ),
        last_close_N=np.concatenate([history.close_N[:n] for history, n in zip(series, n_windows, strict=True)]),
        close_NH=np.concatenate(
            [history.close_N[np.arange(n)[:, None] + steps] for history, n in zip(series, n_windows, strict=True)]
        ),
    )
    reference = fit_reference(training, [*(history.close_N for history in series), np.empty(0)], task)
    step_S = np.array([*(history.step for history in series), 0])
    lacking_S = np.isnan(reference.move_std_SH).any(axis=1)
    young_S = lacking_S | ~enough_moves([*n_windows, 0], task.horizon)
    settled_S = reference.positive_S & ~young_S
    for s in np.flatnonzero(reference.positive_S & young_S):  # log returns share a unit, changes do not
        alike_S = settled_S & (step_S == step_S[s])
        others_S = settled_S if lacking_S[s] and not alike_S.any() else alike_S
        if others_S.any():
            reference.move_std_SH[s] = reference.move_std_SH[others_S].mean(axis=0)
    return reference
