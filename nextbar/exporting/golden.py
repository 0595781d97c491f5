"""Golden forecasts: nextbar's own from made-up bars, which the script's are compared with.

The bars are made up, so that an export needs none of the run's and gives none of them away. They follow the calendar
from the beginning of the training span on, about at its prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from nextbar import forecasts
from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.config import DatasetConfig
from nextbar.data.covariates import unit_of
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.exporting.exportable import formula_of
from nextbar.forecasts.mixture import mixture
from nextbar.inference.fits import with_features
from nextbar.inference.forward import Forward
from nextbar.inference.model_input import ModelInput
from nextbar.inference.model_inputs import ModelInputs
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.task import Task

ROWS = 6
"""origins in each series"""
APART = 5
"""bars between two of them"""

USUAL_MOVE = 0.01
"""standard deviation of a bar's log return where training does not tell"""


def made_up_bars(fit: SeriesFit, preparation: Preparation, config: DatasetConfig, seed: int) -> Bars:
    """Bars from the training span on, enough for ``ROWS`` forecasts: a random walk of the log price or of the price."""
    spec, rng = preparation.spec, np.random.default_rng(seed)
    formulas = [formula for name in spec.indicators if (formula := formula_of(name))]
    har = preparation.start.of(fit.ticker, fit.resolution).history if preparation.start else 0
    n = max(har, spec.seq_len) + max([bars for _, bars, _ in formulas], default=0) + ROWS * APART
    time_N = fit.calendar.next_times_after(np.array([preparation.first_time]), n)[0]  # the sessions of an exchange end
    level, std = fit.statistics[0].mean, fit.statistics[0].std
    if np.isnan(level):
        level, std = 100.0, 1.0
    walk_N = np.cumsum(rng.standard_t(5, n))
    if level > 0 and (spec.log_prices or level > 3 * std):
        move = USUAL_MOVE if np.isnan(fit.return_std) or fit.return_std == 0 else fit.return_std
        close_N = level * np.exp(move * (walk_N - walk_N.mean()))
        reach_NC = close_N[:, None] * (np.exp(0.5 * move * rng.exponential(size=(n, 2))) - 1)
    else:
        close_N = level + (std or 1.0) / np.sqrt(n) * walk_N
        reach_NC = np.zeros((n, 2))
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    high_N, low_N = np.maximum(open_N, close_N) + reach_NC[:, 0], np.minimum(open_N, close_N)
    low_N = low_N**2 / (low_N + reach_NC[:, 1]) if (low_N > 0).all() else low_N
    columns = dict(zip(PRICES, (open_N, high_N, low_N, close_N), strict=True))
    for g, name in enumerate(spec.volumes, start=1):
        mean = fit.statistics[g].mean
        columns[name] = (1.0 if np.isnan(mean) else mean) * rng.lognormal(size=n)
    for name in spec.indicators:
        if formula_of(name) is None:
            values = close_N * 1.01 if name in spec.prices else rng.standard_normal(n)
            columns.setdefault(name.lower(), values)
    for c, own, pooled in zip(spec.covariates, fit.covariates, preparation.covariates, strict=True):
        mean, std = unit_of(own, pooled)
        columns[c.name.lower()] = mean + std * columns[c.name.lower()]
    return Bars(fit.ticker, fit.resolution, time_N, columns)


def golden_forecasts(
    bars: Sequence[Bars],
    config: DatasetConfig,
    preparation: Preparation,
    forwards: Sequence[Forward],
    task: Task,
    conformal: Conformal | None = None,
) -> list[dict[str, np.ndarray]]:
    """Columns (ROWS, H) of the forecast table of each series, by name, and the ``row`` of each origin.

    Args:
        bars: made up, without indicators.
        config: what the models were trained on.
        preparation: what was learnt from its training span.
        forwards: the models.
        task: the question put to them.
        conformal: residuals by which the intervals are corrected.
    """
    full = [with_features(b, config, preparation.spec) for b in bars]
    row_N = np.arange(ROWS) * APART + len(bars[0]) - 1 - (ROWS - 1) * APART
    pairs = zip(full, preparation.series, strict=True)
    inputs = ModelInputs([ModelInput(b, fit, row_N + len(b) - len(bars[0])) for b, fit in pairs])
    panel = preparation.panel(full)
    origin_N = panel.join(inputs.origins)
    tape = preparation.tape(full, preparation.series)
    forecast = mixture([forward(tape, origin_N, origin_N) for forward in forwards])
    interval = None
    if conformal is not None:
        interval = partial(conformal.interval, series_N=inputs.series_N, names=panel.names, forecast=forecast)
    keys = inputs.keys(preparation.spec)
    table = forecasts.columns(keys, forecast, task, forecasts.LEVELS, law=True, interval=interval)
    kept = {name: values for name, values in table.items() if name not in ("ticker", "origin", "step")}
    shaped = {name: values.reshape(len(full), ROWS, task.horizon) for name, values in kept.items()}
    return [{name: a[s] for name, a in shaped.items()} | {"row": own_N} for s, own_N in enumerate(inputs.origins)]


def sizes(golden: dict[str, np.ndarray], close_N: np.ndarray) -> dict[str, float]:
    """Units of differences from golden forecasts: a column's largest number, of prices the largest change, of
    dates a second."""
    last_N1, own = close_N[golden["row"]][:, None], {"date": 1.0, "row": 1.0}
    moves = {name: a - last_N1 if name.startswith("close") else a for name, a in golden.items()}
    return {name: own.get(name) or float(np.abs(a).max()) or 1.0 for name, a in moves.items()}


def largest_difference(first: Sequence[Any], second: Sequence[Any]) -> float:
    """The largest relative difference of two lists of golden forecasts in widths or probabilities."""
    worst = 0.0
    for a, b in zip(first, second, strict=True):
        for name in a:
            if name in ("scale", "close") or name.startswith("p_"):
                worst = max(worst, float(np.max(np.abs(a[name] - b[name]) / np.abs(b[name]))))
    return worst
