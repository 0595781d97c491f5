"""Covariates: own columns of the source, standardised on the training span, filled where empty, known ahead or not.

Each becomes one channel, or two where it is empty in places in training: the second says for how long it has been.
Filling looks back only, so a channel of a bar comes from that bar and earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nextbar.config import DatasetConfig
from nextbar.data.indicators import is_computed, price_valued
from nextbar.data.statistics import Statistics
from nextbar.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars
    from nextbar.data.window_spec import WindowSpec

STILL = 1e-9
"""standard deviation, in units of the largest value, below which a column has not moved: float noise"""


@dataclass(frozen=True)
class Covariate:
    """An own column as the model gets it."""

    name: str
    """as in ``indicators``"""
    scaled: bool
    """standardised with mean and standard deviation of the training span"""
    ahead: bool
    """known ahead: its values at the predicted bars are used"""
    aged: bool
    """a second channel says how long its value has been empty: k / (k + 1) after k bars, 1 where it was never there
    before (``empty_values`` mean: 1); 0 where it is there"""


def covariates_of(config: DatasetConfig, bars: Sequence[Bars], n_train: Sequence[int]) -> tuple[Covariate, ...]:
    """The own columns among the indicators that are neither computed nor prices.

    Args:
        config: what is asked for.
        bars: its series, with their indicators.
        n_train: bars of the training span of each; which columns are empty in places is looked up there.

    Raises:
        ConfigError: ``known_ahead`` names a column that cannot be.
    """
    own = [name for name in config.indicators or () if not is_computed(name) and not price_valued(name)]
    unscaled, ahead = (tuple(map(str.lower, names or ())) for names in (config.unscaled, config.known_ahead))
    lower = [name.lower() for name in own]
    if wrong := [name for name in config.known_ahead or () if name.lower() not in lower]:
        raise ConfigError(
            f"dataset_config.known_ahead: found {', '.join(map(repr, wrong))}, which follows from prices; only own "
            "columns can be known before their bar"
        )

    def is_aged(name: str) -> bool:
        train = [b.columns[name][:n] for b, n in zip(bars, n_train, strict=True)]
        return config.empty_values != "drop" and any(bool(np.isnan(value_N).any()) for value_N in train)

    return tuple(Covariate(name, name.lower() not in unscaled, name.lower() in ahead, is_aged(name)) for name in own)


def fit_covariates(bars: Bars, n_train: int, covariates: Sequence[Covariate]) -> tuple[Statistics, ...]:
    """Statistics of each in the first ``n_train`` bars of a series; NaN where it is empty there."""
    return tuple(Statistics.fit(bars.columns[c.name][:n_train]) for c in covariates)


def pool_covariates(
    bars: Sequence[Bars], n_train: Sequence[int], covariates: Sequence[Covariate]
) -> tuple[Statistics, ...]:
    """Statistics of each over the training bars of all series, for series in which it is unknown or never moved.

    Raises:
        DataError: one is empty in all of them.
    """
    pooled = []
    for c in covariates:
        values = [b.columns[c.name][:n] for b, n in zip(bars, n_train, strict=True)]
        statistics = Statistics.fit(np.concatenate([np.empty(0), *values]))
        if np.isnan(statistics.mean):
            raise DataError(
                f"{c.name} is empty in the training span of {', '.join(b.name for b in bars)}: nothing can be learnt "
                "from it; leave it out of indicators, or use other dates or splits"
            )
        pooled.append(statistics)
    return tuple(pooled)


def channels(bars: Bars, own: Sequence[Statistics], pooled: Sequence[Statistics], spec: WindowSpec) -> np.ndarray:
    """float64 (N, C): the covariates' values, then the ages of those that have one, of each bar.

    Args:
        bars: a series.
        own: statistics of each covariate in its training span.
        pooled: those of all series together.
        spec: the windows.
    """
    return _channels(bars, own, pooled, spec, spec.covariates)[: len(bars)]


def channels_ahead(bars: Bars, own: Sequence[Statistics], pooled: Sequence[Statistics], spec: WindowSpec) -> np.ndarray:
    """float64 (N, H, A): those of the known-ahead covariates in the H bars after each; 0 where there is no row."""
    covariates = [c for c in spec.covariates if c.ahead]
    own, pooled = (
        [s for s, c in zip(statistics, spec.covariates, strict=True) if c.ahead] for statistics in (own, pooled)
    )
    value_TA = _channels(bars, own, pooled, spec, covariates)
    padded_TA = np.concatenate([value_TA, np.zeros((spec.horizon, value_TA.shape[1]))])
    return padded_TA[np.arange(len(bars))[:, None] + np.arange(1, spec.horizon + 1)]


def empty_ahead(bars: Bars, spec: WindowSpec) -> np.ndarray:
    """bool (N + M,): bars and rows ahead in which a known-ahead covariate has no value and nothing stands in for it.

    In a row ahead nothing does where the column was never empty in training: the source has to be completed.
    """
    empty_T = np.zeros(len(with_ahead(bars)), bool)
    for c in spec.covariates:
        if c.ahead and not c.aged:
            since = 0 if spec.empty_values == "drop" else len(bars)
            empty_T[since:] |= np.isnan(_with_ahead(bars, c.name)[since:])
    return empty_T


def with_ahead(bars: Bars) -> np.ndarray:
    """int64 (N + M,): opening times of the bars and of the M rows ahead."""
    return bars.time_N if bars.ahead is None else np.concatenate([bars.time_N, bars.ahead.time_N])


def _with_ahead(bars: Bars, name: str) -> np.ndarray:
    """float64 (N + M,): a column in the bars and in the rows ahead."""
    value_N = bars.columns[name]
    return value_N if bars.ahead is None else np.concatenate([value_N, bars.ahead.values(name)])


def _channels(
    bars: Bars,
    own: Sequence[Statistics],
    pooled: Sequence[Statistics],
    spec: WindowSpec,
    covariates: Sequence[Covariate],
) -> np.ndarray:
    """float64 (N + M, C): channels of the bars and of the rows ahead."""
    values, ages = [], []
    for c, own_statistics, pooled_statistics in zip(covariates, own, pooled, strict=True):
        mean, std = unit_of(own_statistics, pooled_statistics)
        value_T = _with_ahead(bars, c.name)
        empty_T = np.isnan(value_T)
        row_T = np.arange(len(value_T))
        last_T = np.maximum.accumulate(np.where(empty_T, -1, row_T))
        if spec.empty_values == "last":
            filled_T = np.where(last_T < 0, mean, value_T[last_T])
            age_T = np.where(last_T < 0, 1.0, (row_T - last_T) / (row_T - last_T + 1.0))
        else:
            filled_T, age_T = np.where(empty_T, mean, value_T), empty_T.astype(np.float64)
        values.append((filled_T - mean) / std if c.scaled else filled_T)
        ages += [age_T] if c.aged else []
    return np.stack([*values, *ages], axis=1) if values else np.empty((len(with_ahead(bars)), 0))


def unit_of(own: Statistics, pooled: Statistics) -> tuple[float, float]:
    """Mean and standard deviation of a covariate in a series: its own; the pooled, or 1, where it has not moved."""
    if np.isnan(own.mean):
        own = pooled
    for statistics in (own, pooled):
        if statistics.std > STILL * max(abs(statistics.minimum), abs(statistics.maximum)):
            return own.mean, statistics.std
    return own.mean, 1.0
