"""Rivals of a trained model that know as much: fitted on all bars before the test span, scored on its windows."""

from __future__ import annotations

import time

import numpy as np

from nextbar.baselines.garch import Garch
from nextbar.data.dataset import Dataset
from nextbar.data.range_har import RangeHar, fit_range_har
from nextbar.data.range_har.likelihood import fit_law
from nextbar.data.range_har.ranges import range_variances
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Forecast

KNOWN = 0.87
"""share of the bars before the test span that trees learn from; the rest calibrates their law and stops them"""


def losses(dataset: Dataset, scorer: Scorer, origin_N: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """By rival: negative log density of the percent log return of each window, and the seconds it took.

    Args:
        dataset: the windows; ``log_return`` is the target, one step ahead.
        scorer: of the test span.
        origin_N: its rows.
    """
    made = {}
    for name in ("range_har_t", "garch_t", "trees"):
        began = time.perf_counter()
        made[name] = scorer.leading_errors(laws(name, dataset, origin_N)), time.perf_counter() - began
    return made


def laws(name: str, dataset: Dataset, origin_N: np.ndarray) -> Forecast:
    """A rival's laws of the next log return after these rows."""
    make = {"range_har_t": _range_har_t, "garch_t": _garch_t, "trees": _trees}[name]
    location_R, scale_R, df_R = (
        np.concatenate(parts) for parts in zip(*(make(dataset, s) for s in range(len(dataset.bars))), strict=True)
    )
    return Forecast(*(a[origin_N, None] for a in (location_R, scale_R, df_R)))


def _known(dataset: Dataset, s: int) -> int:
    """Bars of a series before the test span."""
    return int(np.searchsorted(dataset.bars[s].close_time_N, dataset.cuts.test))


def _range_har(dataset: Dataset, s: int) -> RangeHar:
    (fit,), _ = fit_range_har([dataset.bars[s]], [_known(dataset, s)], [dataset.calendars[s]], 1, "student_t")
    assert fit is not None
    return fit


def _range_har_t(dataset: Dataset, s: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    law = _range_har(dataset, s).law(dataset.bars[s], dataset.calendars[s])
    return law.location_NH[:, 0], np.exp(law.log_scale_NH[:, 0]), np.full(len(dataset.bars[s]), law.df_H[0])


def _garch_t(dataset: Dataset, s: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import pandas as pd

    bars, known = dataset.bars[s], _known(dataset, s)
    names = ("open", "high", "low", "close")
    frame = pd.DataFrame(
        {"date": pd.to_datetime(bars.time_N, unit="s", utc=True), **{n: bars.columns[n] for n in names}}
    )
    frame.insert(0, "ticker", bars.ticker)
    frame.insert(1, "resolution", bars.resolution)
    table = Garch(Task(output_mode="distribution", target="log_return"), "student_t").fit(frame[:known]).predict(frame)
    location_N, scale_N, df_N = (np.full(len(bars), np.nan) for _ in range(3))
    rows = np.searchsorted(bars.time_N, pd.DatetimeIndex(table["origin"]).as_unit("s").asi8)
    location_N[rows] = np.log(table["close"].to_numpy() / bars.columns["close"][rows])
    scale_N[rows], df_N[rows] = table["scale"], table["df"]
    return location_N, scale_N, df_N


def _trees(dataset: Dataset, s: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boosted trees predict the log of the next range variance from the regressors of the range HAR, the last returns
    and the clock; level, slope and tail of the law are the likeliest on bars that the trees were not grown on."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    bars, calendar, known = dataset.bars[s], dataset.calendars[s], _known(dataset, s)
    units = _range_har(dataset, s).units
    assert units.unit is not None
    log_mean_NK = units.log_means(bars, calendar) - 2 * np.log(units.unit)
    return_N = np.diff(np.log(bars.columns["close"]), prepend=np.nan) / units.unit
    recent = [np.concatenate([np.full(lag, np.nan), return_N[: len(bars) - lag]]) for lag in range(6)]
    sums = [np.convolve(np.nan_to_num(return_N), np.ones(n))[: len(bars)] for n in units.lags[1:]]
    clock_N2 = calendar.slot_clock()[calendar.rank(bars.time_N)]
    feature_NF = np.column_stack([log_mean_NK, *recent, *sums, clock_N2])
    variance_N = range_variances(bars.columns)
    target_N = np.log(np.maximum(variance_N / units.unit**2, np.quantile(variance_N[:known], 0.02) / units.unit**2))
    grown = int(KNOWN * known)
    trees = HistGradientBoostingRegressor(
        max_iter=400, learning_rate=0.04, max_leaf_nodes=16, min_samples_leaf=60, l2_regularization=1.0, random_state=0
    )
    trees.set_params(early_stopping=True, validation_fraction=0.1, n_iter_no_change=20)
    trees.fit(feature_NF[: grown - 1], target_N[1:grown])
    predicted_N1 = trees.predict(feature_NF)[:, None]
    calibration = slice(grown - 1, known - 1)
    law = fit_law(predicted_N1[calibration], return_N[grown:known], "student_t")
    assert law is not None and law.df is not None
    scale_N = np.exp(law.log_scale(predicted_N1)) * units.unit
    return np.full(len(bars), law.location * units.unit), scale_N, np.full(len(bars), law.df)
