"""Forecasts as columns of the forecast table, and the names of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nextbar.errors import ConfigError, DataError, short
from nextbar.metrics.density import quantile
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Law

KEYS = ("model", "ticker", "resolution", "cutoff", "origin", "step", "date")
"""columns that say which forecast of which bar a row is, by whom; ``model`` and ``cutoff`` in backtests alone"""

OUTCOMES = ("last_close", "actual")
"""columns of backtests that say what the last close was, and what came: nobody knows it when the forecast is made"""

LEVELS = (0.5, 0.8, 0.95)
"""central intervals given unless others are asked for"""

LARGEST_RETURN = 500.0
"""log return from which a price counts as no larger, or no smaller: every column is finite"""

Interval = Callable[[float], tuple[np.ndarray, np.ndarray]]


class Keys(NamedTuple):
    """Which bars N forecasts are about."""

    ticker_N: np.ndarray
    resolution_N: np.ndarray | None
    """None where all series have the same"""
    origin_N: np.ndarray
    """opening time of the last known bar, seconds since the epoch"""
    date_NH: np.ndarray
    """opening times of the predicted bars"""
    last_close_N: np.ndarray


def columns(
    keys: Keys,
    forecast: Forecast,
    task: Task,
    levels: Sequence[float] = (),
    law: bool = False,
    interval: Interval | None = None,
) -> dict[str, np.ndarray]:
    """The table's columns, N x H rows, by series, origin and step; times in seconds since the epoch.

    Args:
        keys: what the forecasts are about.
        forecast: N forecasts.
        task: the question; with the shares of quantiles that a forecast has.
        levels: central intervals of a ``distribution``, shares in (0, 1).
        law: with ``scale``, with ``df`` where it is Student-t, with ``skew`` where that is skewed; of a mixture of M
            laws with ``close-1``, ``scale-1`` (and ``df-1``, ``skew-1``) to ``close-M``, ``scale-M``, and no ``df`` or
            ``skew`` of its own.
        interval: changes (N, H) from the last close between which a share of outcomes lies; None: the quantiles
            of the law.
    """
    horizon = task.horizon
    table = {"ticker": np.repeat(keys.ticker_N, horizon)}
    if keys.resolution_N is not None:
        table["resolution"] = np.repeat(keys.resolution_N, horizon)
    table["origin"] = np.repeat(keys.origin_N, horizon)
    table["step"] = np.tile(np.arange(1, horizon + 1), len(keys.origin_N))
    table["date"] = keys.date_NH.reshape(-1)
    if forecast.log_probs_NHK is not None:
        names = bin_columns(task.edges)
        probs = np.exp(forecast.log_probs_NHK.reshape(-1, len(names)).astype(np.float64))
        return table | {name: probs[:, k] for k, name in enumerate(names)}

    assert forecast.location_NH is not None
    table["close"] = price(forecast.location_NH, keys, task)
    if forecast.quantiles_NHQ is not None:
        quantiles = {quantile_column(share): forecast.quantiles_NHQ[..., q] for q, share in enumerate(task.shares)}
        return table | {name: price(change_NH, keys, task) for name, change_NH in quantiles.items()}
    if forecast.scale_NH is None:
        return table
    for level in levels:
        ends = interval(level) if interval else central(forecast, level)
        for side, end in zip(("lo", "hi"), ends, strict=True):
            table[interval_column(side, level)] = price(end, keys, task)
    if law:
        table |= _law_columns(forecast.own)
        for m, own in enumerate(laws(forecast), start=1):
            assert own.location is not None
            table[law_column("close", m)] = price(own.location, keys, task)
            table |= {law_column(name, m): values for name, values in _law_columns(own).items()}
    return table


def price(change_NH: np.ndarray, keys: Keys, task: Task) -> np.ndarray:
    """The closes, (N x H), that changes (N, H) from the last ones lead to; finite also where a log return is absurd."""
    change, last_N1 = np.asarray(change_NH, np.float64), keys.last_close_N[:, None]
    if task.target == "log_return":
        return (last_N1 * np.exp(np.clip(change, -LARGEST_RETURN, LARGEST_RETURN))).reshape(-1)
    return (last_N1 + change).reshape(-1)


def central(forecast: Forecast, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The changes (N, H) between which the law puts the share ``level``, as much below as above."""
    return quantile(forecast, (1 - level) / 2), quantile(forecast, (1 + level) / 2)


def laws(forecast: Forecast) -> Iterator[Law]:
    """Each law of a mixture, (N, H); none where the law is a single one."""
    if forecast.locations_NHM is None:
        return
    for m in range(forecast.locations_NHM.shape[-1]):
        yield Law(*(None if values_NHM is None else values_NHM[..., m] for values_NHM in forecast.law))


def _law_columns(law: Law) -> dict[str, np.ndarray]:
    """Columns of all numbers of a law but its location."""
    columns = law._replace(location=None)._asdict()
    return {name: np.asarray(a_NH, np.float64).reshape(-1) for name, a_NH in columns.items() if a_NH is not None}


def law_column(name: str, m: int) -> str:
    """``scale-2`` for the scale of a mixture's second law."""
    return f"{name}-{m}"


def interval_column(side: str, level: float) -> str:
    """``close-lo-80`` for the lower end (``lo``) of the interval 0.8."""
    return f"close-{side}-{level * 100:g}"


def bin_columns(edges: Sequence[float]) -> list[str]:
    """``p_<lower>_<upper>`` of each bin; edges in percent."""
    return [f"p_{lower:g}_{upper:g}" for lower, upper in pairwise(edges)]


def quantile_column(share: float) -> str:
    """``close-q-10`` for what the close stays below with probability 0.1."""
    return f"close-q-{share * 100:g}"


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """The levels of central intervals as floats; see :func:`check_shares`."""
    return check_shares("levels", levels, lambda level: interval_column("lo", level))


def levels_of(task: Task, levels: Sequence[float] | None) -> tuple[float, ...]:
    """Levels of the central intervals that forecasts of this task are given: those asked for, None: ``LEVELS``.

    Raises:
        ConfigError: see :func:`check_shares`.
        DataError: some are asked for, and the forecasts are no laws.
    """
    checked = check_levels(LEVELS if levels is None else levels)
    if levels is not None and checked and task.output_mode != "distribution":
        kind = "a close and no law" if task.output_mode == "mean" else "bins, which have no intervals"
        raise DataError(f"levels: the model forecasts {kind}; leave levels out, or train with output_mode distribution")
    return checked


def check_shares(what: str, values: Sequence[float], column: Callable[[float], str]) -> tuple[float, ...]:
    """Shares as floats.

    Args:
        what: the argument, for messages.
        values: the shares, or one.
        column: what the column of a share is called.

    Raises:
        ConfigError: one is no share between 0 and 1, or two have the same name in the table.
    """
    try:
        shares = (values,) if isinstance(values, (int, float, str)) else tuple(values)
    except TypeError:
        raise ConfigError(f"{what}: found {short(values)}, should be shares such as [0.5, 0.9]; [] for none") from None
    checked: list[float] = []
    for value in shares:
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = np.nan
        if isinstance(value, bool) or not 0 < share < 1:
            hint = f"; write {share / 100:g} for {share:g} %" if 1 <= share < 100 else ""
            raise ConfigError(f"{what}: {short(value)} is no share; allowed are numbers above 0 and below 1{hint}")
        alike = [other for other in checked if column(other) == column(share)]
        if alike:
            twice = f"{share:g} is there twice" if share in alike else f"{alike[0]!r} and {share!r} are too close"
            raise ConfigError(f"{what}: {twice}: both would be called {column(share)}")
        checked.append(share)
    return tuple(checked)
