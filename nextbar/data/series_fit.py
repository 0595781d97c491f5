"""Calendar, statistics and spreads of each series, fitted on the training span before any model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import calendar_from, learn, learn_together
from nextbar.bars.zone import UTC
from nextbar.config.exchanges import is_exchange
from nextbar.data.covariates import fit_covariates
from nextbar.data.scaling import needs_training
from nextbar.data.splits import whole_windows
from nextbar.data.spreads import typical, window_spreads
from nextbar.data.statistics import UNKNOWN, Statistics
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError, short
from nextbar.machine.long_arrays import in_threads


@dataclass(frozen=True)
class SeriesFit:
    """The training span of one series: its calendar and statistics."""

    ticker: str
    resolution: str
    calendar: Calendar
    statistics: tuple[Statistics, ...]
    """one for each group of the window spec"""
    return_std: float
    """standard deviation of one-bar log returns; NaN where a price is not positive"""
    spreads: tuple[float, ...]
    """spread of each group in the middle one of its training windows; NaN where it has none that varies"""
    covariates: tuple[Statistics, ...] = ()
    """one for each covariate; NaN where it is empty in training"""

    @classmethod
    def fit(
        cls, bars: Bars, n_train: int, spec: WindowSpec, calendar: Calendar, spread_GN: np.ndarray | None = None
    ) -> SeriesFit:
        """Fit on the first ``n_train`` bars, whose ``spreads_of`` may be known; later ones are not looked at."""
        price = np.stack([bars.columns[name][:n_train] for name in spec.prices[: spec.own_prices]])
        statistics = [Statistics.fit(price)]
        statistics += [Statistics.fit(spec.device_column(bars, name)[:n_train]) for name in spec.volumes]
        close = bars.columns["close"][:n_train]
        hole_N = calendar.hole_before(bars.time_N[:n_train])
        std = np.nan
        if n_train > 1 and (close > 0).all():
            # a move across a hole is no one-bar return
            moves = np.diff(np.log(close))[~hole_N[1:]]
            std = float(np.std(moves)) if moves.size else np.nan
        spread_GN = spreads_of(bars.first(n_train), spec) if spread_GN is None else spread_GN
        middle = tuple(typical(spread_GN, whole_windows(hole_N, spec.seq_len, horizon=0)).tolist())
        covariates = fit_covariates(bars, n_train, spec.covariates)
        return cls(bars.ticker, bars.resolution, calendar, tuple(statistics), std, middle, covariates)

    @classmethod
    def without_training(cls, bars: Bars, spec: WindowSpec, calendar: Calendar) -> SeriesFit:
        """The fit of a series of which nothing but the calendar is known."""
        groups = len(spec.groups)
        nothing = (UNKNOWN,) * groups
        covariates = (UNKNOWN,) * len(spec.covariates)
        return cls(bars.ticker, bars.resolution, calendar, nothing, np.nan, (np.nan,) * groups, covariates)

    def unknown_statistics(self, spec: WindowSpec) -> list[str]:
        """Groups of columns without statistics, and ``return`` where its unit is needed and not known."""
        groups = [name for name, group in zip(spec.groups, self.statistics, strict=True) if np.isnan(group.mean)]
        needs_return = spec.returns or spec.target == "log_return"
        return [*groups, "return"] if needs_return and np.isnan(self.return_std) else groups

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ticker": self.ticker,
            "resolution": self.resolution,
            "calendar": self.calendar.to_dict(),
            "statistics": plain_statistics(self.statistics),
            "return_std": none_if_nan(self.return_std),
            "spreads": [none_if_nan(v) for v in self.spreads],
            "covariates": plain_statistics(self.covariates),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], groups: int) -> SeriesFit:
        """Inverse of ``to_dict``; runs of layout 1 saved no spreads of their ``groups``, and earlier ones no
        covariates."""
        calendar = calendar_from(data["calendar"])
        ZoneInfo(calendar.timezone)  # a KeyError where there is none of that name
        return cls(
            data["ticker"],
            data["resolution"],
            calendar,
            statistics_from(data["statistics"]),
            nan_if_none(data["return_std"]),
            tuple(map(nan_if_none, data.get("spreads", [None] * groups))),
            statistics_from(data.get("covariates", [])),
        )


def training_calendars(bars: Sequence[Bars], n_train: Sequence[int], kind: str, timezone: str) -> tuple[Calendar, ...]:
    """Calendar of each series from its training dates; of one that begins later, the first of its resolution.

    Raises:
        ConfigError: as ``learn_together``.
    """
    times = [b.time_N[:n] for b, n in zip(bars, n_train, strict=True)]
    until = max(int(b.time_N[-1]) for b in bars)  # sessions are asked for as far as bars go, never learnt
    learnt = learn_together(times, [b.step for b in bars], kind, timezone, until)
    by_step = {b.step: calendar for b, calendar in reversed(list(zip(bars, learnt, strict=True))) if calendar}
    return tuple(
        calendar or by_step.get(b.step) or _alone(b, kind, timezone) for b, calendar in zip(bars, learnt, strict=True)
    )


def _alone(bars: Bars, kind: str, timezone: str) -> Calendar:
    """Calendar of a series of whose resolution no training bar is known: always open, or by its exchange."""
    if is_exchange(kind):
        return learn(bars.time_N[:1], bars.step, kind, timezone)
    return Calendar.always(bars.step, timezone=UTC if timezone == "auto" else timezone)


def fit_series(
    bars: Sequence[Bars], n_train: Sequence[int], calendars: Sequence[Calendar], spec: WindowSpec, norm_mode: str
) -> tuple[tuple[SeriesFit, ...], list[np.ndarray]]:
    """Fit each series on its first ``n_train`` bars; returns the ``spreads_of`` all of them too.

    Raises:
        DataError: the normalisation needs statistics that cannot be fitted on the training span of a series.
    """

    def fitted(b: Bars, n: int, calendar: Calendar) -> tuple[SeriesFit, np.ndarray]:
        spread_GN = spreads_of(b, spec)
        return SeriesFit.fit(b, n, spec, calendar, spread_GN[:, :n]), spread_GN

    fits, spreads = zip(*in_threads(fitted, bars, n_train, calendars), strict=True)
    for fit, n in zip(fits, n_train, strict=True) if needs_training(norm_mode) else ():
        unknown = fit.unknown_statistics(spec)
        if n < 2 or unknown:
            what = f"no {' and no '.join(unknown)} is known" if n >= 2 else f"{n} bars are known"
            raise DataError(
                f"{fit.ticker}_{fit.resolution}: {what} before the validation span begins, but norm_mode {norm_mode} "
                "fits its statistics there, on at least 2 bars; use a window mode or leave the series out"
            )
    return fits, list(spreads)


def spreads_of(bars: Bars, spec: WindowSpec) -> np.ndarray:
    """float64 (G, N): spreads of the windows that end at each bar; see ``window_spreads``."""
    return window_spreads({name: spec.device_column(bars, name) for name in ("close", *spec.volumes)}, spec)


def plain_statistics(statistics: Sequence[Statistics]) -> list[dict[str, Any]]:
    """Plain JSON values of statistics."""
    return [{name: none_if_nan(value) for name, value in group._asdict().items()} for group in statistics]


def statistics_from(data: Sequence[Mapping[str, Any]]) -> tuple[Statistics, ...]:
    """Inverse of ``plain_statistics``."""
    return tuple(Statistics(**{name: nan_if_none(value) for name, value in group.items()}) for group in data)


def none_if_nan(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def nan_if_none(value: float | None) -> float:
    """Inverse of ``none_if_nan``; TypeError where the value is no number."""
    if not isinstance(value, float | int | None):
        raise TypeError(f"{short(value)} is no number")
    return np.nan if value is None else value
