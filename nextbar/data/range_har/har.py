"""Range HAR: the log variance of the next return is linear in the logs of mean range variances.

The strongest simple model of the next bar there is, with a handful of numbers: a heterogeneous autoregression (Corsi
2009) of range variances (Garman and Klass 1980), a diurnal factor, a normal, Student-t or skewed Student-t tail, by
maximum likelihood.
It is a baseline, and what a network may start from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.range_har.level import trailing_level
from nextbar.data.range_har.likelihood import HarLaw, fit_law
from nextbar.data.range_har.units import RangeUnits
from nextbar.machine.blas import one_thread
from nextbar.types import Forecast

LEAST_ROWS = 100
"""returns that a law is fitted on, at least"""
MOST_ROWS = 200_000
"""at most, the last of training: a law has a handful of numbers"""


class RangeLaw(NamedTuple):
    """Laws of the log returns over the next 1 ... H bars after each bar, float64."""

    location_NH: np.ndarray
    log_scale_NH: np.ndarray
    """log of the standard deviation"""
    df_H: np.ndarray
    """degrees of freedom; (0,) where the laws are normal"""
    skew_H: np.ndarray
    """skewness; (0,) where the laws are not skewed"""
    log_mean_NK: np.ndarray
    """the regressors: logs of mean range variances, those of log returns; one column a lag, the longest last"""
    level_N: np.ndarray
    """the trailing level, which the log scales contain; zeros where there is none"""

    @property
    def forecast(self) -> Forecast:
        """The laws as forecasts of log returns."""
        shape = self.location_NH.shape
        tail = (np.broadcast_to(a_H, shape) if len(a_H) else None for a_H in (self.df_H, self.skew_H))
        return Forecast(self.location_NH, np.exp(self.log_scale_NH), *tail)


class Rows(NamedTuple):
    """Training rows of a series, in its units: what a law is fitted on."""

    regressors_NK: np.ndarray
    return_NH: np.ndarray
    """standardised; NaN where fewer than h bars follow"""


@dataclass(frozen=True)
class RangeHar:
    """The range HAR of one series.

    In its units the return over the next h bars, divided by their diurnal factor, has the location, the standard
    deviation sigma and the tail of ``laws[h - 1]``, where ln sigma^2 = b_0 + the sum over the lags of b_k ln(mean range
    variance of the last L_k bars).
    """

    units: RangeUnits
    laws: tuple[HarLaw, ...]
    """one for each step of the horizon, each fitted by itself"""
    trail: int = 0
    """bars that a trailing level is taken from (:mod:`nextbar.data.range_har.level`); 0: the level stays as fitted"""

    @property
    def history(self) -> int:
        """Bars that a law looks back on: the first one's gap needs the close before it."""
        return self.units.lags[-1] + 1 + self.trail

    def law(self, bars: Bars, calendar: Calendar) -> RangeLaw:
        """The laws after each of the bars; none depends on a later bar.

        Lags reach back to the first bar given: after fewer bars than a lag has, the mean is over those there are. The
        trailing level is that of the one-step laws, for all steps.
        """
        log_mean_NK = self.units.log_means(bars, calendar)
        log_unit_N1 = np.log(self.units.unit_at(bars))[:, None]
        horizon = len(self.laws)
        log_factor_NH = np.log(self.units.diurnal.ahead(calendar.chain(bars.time_N, horizon).ahead(horizon)))
        log_scale_NH = np.stack([law.log_scale(log_mean_NK - 2 * log_unit_N1) for law in self.laws], axis=1)
        location_H = np.array([law.location for law in self.laws])
        location_NH = location_H * np.exp(log_factor_NH + log_unit_N1)
        log_scale_NH = log_scale_NH + log_factor_NH + log_unit_N1
        level_N = self._level(bars, location_NH[:, 0], log_scale_NH[:, 0]) if self.trail else np.zeros(len(bars))
        return RangeLaw(
            location_NH=location_NH,
            log_scale_NH=log_scale_NH + level_N[:, None],
            df_H=np.array([law.df for law in self.laws if law.df is not None]),
            skew_H=np.array([law.skew for law in self.laws if law.skew is not None]),
            log_mean_NK=log_mean_NK,
            level_N=level_N,
        )

    def _level(self, bars: Bars, location_N: np.ndarray, log_scale_N: np.ndarray) -> np.ndarray:
        """The trailing level after each bar, by the one-step laws before."""
        score_N = np.zeros(len(bars))
        with np.errstate(invalid="ignore", divide="ignore"):  # a price that is not above zero has no logarithm
            return_N = np.diff(np.log(bars.columns["close"]))
            score_N[1:] = self.laws[0].scale_score((return_N - location_N[:-1]) * np.exp(-log_scale_N[:-1]))
        return trailing_level(score_N, self.laws[0].scale_information, self.trail)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"units": self.units.to_dict(), "laws": [law._asdict() for law in self.laws], "trail": self.trail}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RangeHar:
        """Inverse of ``to_dict``."""
        laws = tuple(
            HarLaw(tuple(law["coefficients"]), law["location"], law["df"], law.get("skew"))  # runs of before had none
            for law in plain["laws"]
        )
        return cls(RangeUnits.from_dict(plain["units"]), laws, plain.get("trail", 0))  # runs of before had none


@one_thread
def fit_range_har(
    bars: Sequence[Bars],
    n_train: Sequence[int],
    calendars: Sequence[Calendar],
    horizon: int,
    tail: str,
    trail: int = 0,
) -> tuple[list[RangeHar | None], dict[str, RangeHar]]:
    """Fit each series on its first ``n_train`` bars, and those of one resolution together.

    Later bars are not looked at.

    Args:
        bars: S series, with all four prices.
        n_train: bars of the training span of each.
        calendars: of each.
        horizon: H.
        tail: ``normal``, ``student_t`` or ``skew_t``.
        trail: bars that the trailing level is taken from; 0: there is none. The fit is the same.

    Returns:
        Of each series, None where it has a price that is not above zero or too few returns; and by resolution the one
        for series that were not trained: the law that is likeliest for all rows together.
    """
    fitted: dict[str, list[tuple[RangeHar, Rows]]] = {}
    fits: list[RangeHar | None] = []
    for b, n, calendar in zip(bars, n_train, calendars, strict=True):
        own = RangeUnits.fit(b, n, calendar)
        own_rows = None if own is None else _rows(b, n, calendar, own, horizon)
        laws = None if own_rows is None else _fit_laws([own_rows], tail)
        fits.append(None if own is None or laws is None else RangeHar(own, laws, trail))
        if fits[-1] is not None and own_rows is not None:
            fitted.setdefault(b.resolution, []).append((fits[-1], own_rows))
    return fits, {name: pooled for name, own_fits in fitted.items() if (pooled := _pooled(own_fits, tail))}


def _rows(bars: Bars, n_train: int, calendar: Calendar, units: RangeUnits, horizon: int) -> Rows | None:
    """Rows of the training span whose lags and whose next return lie in it."""
    training = bars.first(n_train)
    regressors_NK = units.log_means(training, calendar) - 2 * np.log(units.unit_at(training))[:, None]
    log_close_N = np.log(training.columns["close"])
    factor_NH = units.diurnal.ahead(calendar.chain(training.time_N, horizon).ahead(horizon))
    return_NH = np.full((n_train, horizon), np.nan)
    for h in range(1, min(horizon, n_train - 1) + 1):
        return_NH[:-h, h - 1] = log_close_N[h:] - log_close_N[:-h]
    return_NH /= factor_NH * units.unit
    kept = slice(max(min(units.lags[-1], n_train // 2), n_train - MOST_ROWS), n_train)
    rows = Rows(regressors_NK[kept], return_NH[kept])
    enough = np.isfinite(rows.return_NH).sum(axis=0).min() >= LEAST_ROWS
    return rows if enough else None


def _fit_laws(rows: Sequence[Rows], tail: str) -> tuple[HarLaw, ...] | None:
    """The likeliest law of each step for all rows together."""
    regressors_NK = np.concatenate([own.regressors_NK for own in rows])
    return_NH = np.concatenate([own.return_NH for own in rows])
    laws: list[HarLaw] = []
    for return_N in return_NH.T:
        known_N = np.isfinite(return_N)
        law = fit_law(regressors_NK[known_N], return_N[known_N], tail, laws[-1] if laws else None)
        if law is None:
            return None
        laws.append(law)
    return tuple(laws)


def _pooled(fitted: Sequence[tuple[RangeHar, Rows]], tail: str) -> RangeHar | None:
    """The range HAR of a series that was not trained, from trained ones that have the lags of the first."""
    first, _ = fitted[0]
    alike = [(har, rows) for har, rows in fitted if har.units.lags == first.units.lags]
    laws = first.laws if len(alike) == 1 else _fit_laws([rows for _, rows in alike], tail)
    return None if laws is None else RangeHar(RangeUnits.shared([har.units for har, _ in alike]), laws, first.trail)
