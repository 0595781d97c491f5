"""What an untrained model forecasts: a constant, or the law of a range HAR, which training then moves away from.

The laws are computed once for each bar on the host, like an indicator, and lie on the tape; compiled code turns them
into the units of the label. Their lags may reach further back than the context.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.range_har import TRAIL, RangeHar, fit_range_har
from nextbar.data.range_har.har import RangeLaw
from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF
from nextbar.errors import DataError
from nextbar.metrics.bins import law_log_probs
from nextbar.types import Array

if TYPE_CHECKING:
    from nextbar.config import ExperimentConfig
    from nextbar.data.window_spec import WindowSpec


@dataclass(frozen=True)
class RangeStart:
    """The range HAR of each series of a run, and of each resolution for series that it was not trained on."""

    own: Mapping[tuple[str, str], RangeHar]
    """by ticker and resolution"""
    pooled: Mapping[str, RangeHar]
    """by resolution; at least one"""

    @classmethod
    def fit(
        cls,
        config: ExperimentConfig,
        bars: Sequence[Bars],
        n_train: Sequence[int],
        calendars: Sequence[Calendar],
        trained: Sequence[bool],
    ) -> RangeStart | None:
        """Fit on the training span, where the configuration starts at a range HAR; None: the start is a constant.

        Args:
            config: the experiment.
            bars: S series.
            n_train: bars of the training span of each.
            calendars: of each.
            trained: which are trained; of the others nothing is fitted.

        Raises:
            DataError: ``start: range_har`` is asked for, and no trained series has enough bars or ranges.
        """
        if not config.may_start_at_ranges:
            return None
        binned = config.dataset_config.kind == "discrete_grid"
        tail = "student_t" if binned else config.model_config.tail
        n_fit = [n if is_trained else 0 for n, is_trained in zip(n_train, trained, strict=True)]
        trail = TRAIL if config.model_config.start == "range_har_trailing" else 0
        fits, pooled = fit_range_har(bars, n_fit, calendars, config.dataset_config.horizon, tail, trail)
        if pooled:
            own = {(b.ticker, b.resolution): fit for b, fit in zip(bars, fits, strict=True) if fit}
            return cls(own, pooled)
        if config.model_config.start != "auto" or config.range_loss:
            raise DataError(
                f"model_config.start: found {config.model_config.start!r}, but no series has enough training bars with "
                "four prices above zero and a close that moves to fit one; use more bars, or start 'constant' (without "
                "range_loss)"
            )
        return None

    @property
    def lags(self) -> int:
        """Most lags of a series."""
        return max(len(har.units.lags) for har in (*self.own.values(), *self.pooled.values()))

    @property
    def has_level(self) -> bool:
        """Whether the laws have a trailing level."""
        return any(har.trail for har in self.pooled.values())

    def regressors(self, spec: WindowSpec) -> int:
        """K, numbers that the device keeps of each bar for the head."""
        return self.lags + self.has_level + (spec.horizon if spec.edges is not None else 0)

    def history(self, ticker: str, resolution: str) -> int:
        """Bars that the start of a series looks back on; those of one without a fit of its own all there are."""
        own = self.own.get((ticker, resolution))
        return sys.maxsize if own is None else own.history

    def of(self, ticker: str, resolution: str) -> RangeHar:
        """The range HAR of a series: its own, that of its resolution, or that of the first there is."""
        own = self.own.get((ticker, resolution))
        return own or self.pooled.get(resolution) or next(iter(self.pooled.values()))

    def columns(self, bars: Bars, calendar: Calendar, spec: WindowSpec) -> tuple[np.ndarray, np.ndarray]:
        """float64 (R, H, X) and (R, K): the start after each bar, and the regressors that the head sees beside it.

        X: location, log of the standard deviation, and of a Student-t what the head makes degrees of freedom (and of a
        skewed one skewness) of, all of the log return; or the log probability of each bin. K: each log mean variance
        less the longest one, 0 for lags that other series have more of, and the longest one in the series' own unit;
        the trailing level, where there is one; of bins also the log standard deviations in that unit (those of a law
        are in ``start_in_units``).
        """
        har = self.of(bars.ticker, bars.resolution)
        law = har.law(bars, calendar)
        log_unit_R1 = np.log(har.units.unit_at(bars))[:, None]
        shorter_RK, longest_R1 = law.log_mean_NK[:, :-1], law.log_mean_NK[:, -1:]
        missing = np.zeros((len(bars), self.lags - law.log_mean_NK.shape[1]))
        regressors = [shorter_RK - longest_R1, missing, longest_R1 - 2 * log_unit_R1]
        if self.has_level:
            regressors.append(law.level_N[:, None])
        if spec.edges is not None:
            regressors.append(law.log_scale_NH - log_unit_R1)
        return _channels(law, spec), np.concatenate(regressors, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        own = [{"ticker": t, "resolution": r, **har.to_dict()} for (t, r), har in self.own.items()]
        return {"series": own, "pooled": {name: har.to_dict() for name, har in self.pooled.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RangeStart:
        """Inverse of ``to_dict``."""
        own = {(har["ticker"], har["resolution"]): RangeHar.from_dict(har) for har in plain["series"]}
        return cls(own, {name: RangeHar.from_dict(har) for name, har in plain["pooled"].items()})


def start_in_units(start_BHX: Array, unit_B: Array, last_close_B: Array, spec: WindowSpec) -> Array:
    """A law of the log return as one of the label, (B, H, X), inside compiled code.

    In prices the location m becomes c (e^m - 1), so that a symmetrical law keeps its median, and the scale grows by the
    last close c.
    """
    import jax.numpy as jnp

    location, log_scale, tail = start_BHX[..., :1], start_BHX[..., 1:2], start_BHX[..., 2:]
    log_unit_B = jnp.log(unit_B)
    if spec.target == "close":
        location = jnp.expm1(location) * last_close_B[:, None, None]
        log_unit_B = log_unit_B - jnp.log(last_close_B)
    scaled = [location / unit_B[:, None, None], log_scale - log_unit_B[:, None, None], tail]
    return jnp.concatenate(scaled, axis=-1)


def _channels(law: RangeLaw, spec: WindowSpec) -> np.ndarray:
    """(R, H, X): the law after each bar as a head begins with it, see ``RangeStart.columns``."""
    forecast = law.forecast
    if spec.edges is not None:
        return law_log_probs(forecast, spec.edges)
    numbers = [law.location_NH, law.log_scale_NH]
    if forecast.df_NH is not None:
        numbers.append(np.log(np.expm1(forecast.df_NH - MIN_DF)))  # the head's degrees of freedom: MIN_DF + softplus
    if forecast.skew_NH is not None:
        numbers.append(np.arctanh(forecast.skew_NH / MAX_SKEW))  # the head's skewness: MAX_SKEW tanh
    return np.stack(numbers, axis=-1)
