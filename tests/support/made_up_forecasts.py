"""Made-up forecasts of every kind, and their table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nextbar import forecasts
from nextbar.forecasts.mixture import mixture
from nextbar.metrics.task import Task
from nextbar.types import Forecast

N, H = 5, 2
EDGES = (-np.inf, -1.0, 0.25, np.inf)
TASKS = {
    "mean": Task(output_mode="mean", horizon=H),
    "log mean": Task(output_mode="mean", horizon=H, target="log_return"),
    "normal": Task(output_mode="distribution", horizon=H),
    "student_t": Task(output_mode="distribution", horizon=H, target="log_return"),
    "skew_t": Task(output_mode="distribution", horizon=H, target="log_return"),
    "mixture": Task(output_mode="distribution", horizon=H),
    "student_t mixture": Task(output_mode="distribution", horizon=H, target="log_return"),
    "skew_t mixture": Task(output_mode="distribution", horizon=H),
    "bins": Task(output_mode="discrete_grid", horizon=H, edges=EDGES),
}


def made_up(kind: str) -> Forecast:
    rng = np.random.default_rng(0)
    unit = 0.01 if TASKS[kind].target == "log_return" else 1.0
    if kind == "bins":
        return Forecast(log_probs_NHK=np.log(rng.dirichlet(np.ones(3), (N, H))))
    if kind.endswith("mixture"):
        laws = [Forecast(unit * rng.normal(size=(N, H)), unit * rng.uniform(1, 2, (N, H))) for _ in range(3)]
        if kind != "mixture":
            laws = [law._replace(df_NH=rng.uniform(2.5, 9, (N, H))) for law in laws]
        if kind == "skew_t mixture":
            laws = [law._replace(skew_NH=rng.uniform(-0.5, 0.5, (N, H))) for law in laws]
        return mixture(laws)
    location, scale = unit * rng.normal(size=(N, H)), unit * rng.uniform(1, 2, (N, H))
    if kind.endswith("mean"):
        return Forecast(location)
    df_NH = rng.uniform(2.5, 9, (N, H)) if kind != "normal" else None
    return Forecast(location, scale, df_NH, rng.uniform(-0.5, 0.5, (N, H)) if kind == "skew_t" else None)


def keys(resolutions: bool = False) -> forecasts.Keys:
    origin_N = 1_600_000_000 + 3600 * np.arange(N)
    return forecasts.Keys(
        ticker_N=np.array(["a", "a", "b", "b", "b"]),
        resolution_N=np.array(["1h", "4h", "1h", "4h", "4h"]) if resolutions else None,
        origin_N=origin_N,
        date_NH=origin_N[:, None] + 3600 * np.arange(1, H + 1),
        last_close_N=np.array([100.0, 60_000.0, 0.01, 5.0, 7.0]),
    )


def table(kind: str, resolutions: bool = False, **options: Any) -> pd.DataFrame:
    columns = forecasts.columns(keys(resolutions), made_up(kind), TASKS[kind], **options)
    frame = pd.DataFrame(columns)
    for name in ("origin", "date"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    return frame
