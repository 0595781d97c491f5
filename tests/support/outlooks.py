"""Outlooks of made-up forecasts."""

from __future__ import annotations

import numpy as np
from builders import make_bars, with_columns

from nextbar.forecasts.outlook import Outlook, outlook
from nextbar.forecasts.table import Keys
from nextbar.metrics.point_errors import PointErrors
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

LAST = 50.0


def made(forecast: Forecast, task: Task, last: float = LAST, errors: PointErrors | None = None) -> Outlook:
    """The outlook of one forecast from the last of 200 bars, which closes at ``last``."""
    bars = make_bars(n=200)
    closes = bars.columns["close"] - bars.columns["close"][-1] + last + (200 if last > 0 else 0)
    closes[-1] = last
    past = with_columns(bars, close=closes)
    time_NH = past.time_N[-1] + 3600 * np.arange(1, task.horizon + 1)[None]
    keys = Keys(np.array(["a"]), None, past.time_N[-1:], time_NH, np.array([last]))
    return outlook("a", past, keys, forecast, task, errors)


def past_errors(n: int = 400) -> PointErrors:
    """Of ``n`` windows, from 0.01 % of the close up, in steps of as much."""
    last_N = np.full(n, 100.0)
    close_NH = last_N[:, None] + np.arange(1, n + 1)[:, None] / 100
    outcomes = Outcomes(np.zeros(n, int), ("a",), np.arange(n), last_N, close_NH)
    return PointErrors.of("test", outcomes, Forecast(np.zeros((n, 1))), Task(output_mode="mean"))
