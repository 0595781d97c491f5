"""Further quantities of a law of the next closes: quantiles, probabilities of a price, paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.errors import ConfigError, DataError, short
from nextbar.forecasts.paths import path_changes
from nextbar.forecasts.table import Interval, Keys, check_shares, price, quantile_column
from nextbar.logger import get_logger
from nextbar.metrics.conformal import exact
from nextbar.metrics.density import mass_below, quantile
from nextbar.metrics.task import Task
from nextbar.types import Forecast

MOST_SAMPLES = 10_000
"""paths of one forecast, each a column"""


@dataclass(frozen=True)
class Quantities:
    """Quantities of a law beside its close and its central intervals; make one by :meth:`of`."""

    quantiles: tuple[float, ...] = ()
    """shares, in (0, 1)"""
    above: tuple[float, ...] = ()
    """prices"""
    below: tuple[float, ...] = ()
    """prices"""
    samples: int = 0
    """paths"""
    seed: int = 0
    """of the paths"""

    @classmethod
    def of(cls, quantiles: Any = (), above: Any = (), below: Any = (), samples: Any = 0, seed: Any = 0) -> Quantities:
        """Checked; single numbers and numbers as text will do.

        Raises:
            ConfigError: no share, no price, no number of paths or no seed.
        """
        return cls(
            check_shares("quantiles", quantiles, quantile_column),
            _prices("above", above),
            _prices("below", below),
            _whole("samples", samples, MOST_SAMPLES),
            _whole("seed", seed, 2**63 - 1),
        )

    def require(self, task: Task, conformal: bool = False) -> None:
        """Check that forecasts of this task can say so.

        Raises:
            DataError: point forecasts, which have no law; paths of bins; or what conformal intervals do not tell.
        """
        names = [name for name in ("quantiles", "above", "below", "samples") if getattr(self, name)]
        if names and task.output_mode == "mean":
            raise DataError(
                f"{', '.join(names)}: the model forecasts a close and no law; train one with output_mode distribution"
            )
        if self.samples and task.output_mode == "discrete_grid":
            raise DataError(
                "samples: bins say how probable a move is and not how far it goes beyond the outermost edges, so that "
                "there are no paths; train a model with output_mode distribution"
            )
        unadjusted = [name for name in names if name != "quantiles"]
        if unadjusted and conformal:
            raise DataError(
                f"{', '.join(unadjusted)}: they are the law's, and conformal adjusts intervals and quantiles alone; "
                "leave one of the two out"
            )

    def columns(
        self, keys: Keys, forecast: Forecast, task: Task, interval: Interval | None = None
    ) -> dict[str, np.ndarray]:
        """``close-q-10`` ..., ``close-above-5000`` ..., ``close-below-4800`` ..., ``close-path-1`` ..., (N x H) each.

        Of bins, whose distribution function is known at their edges, by a straight line between the inner edges: inside
        a bin all moves are taken as equally probable. Beyond the inner edges nothing is known, and cells are NaN there.

        Args:
            keys: what the forecasts are about.
            forecast: N forecasts.
            task: the question.
            interval: as in ``forecasts.columns``; a quantile is then an end of the central interval that it belongs to.
        """
        if task.output_mode == "discrete_grid":
            return self._of_bins(keys, forecast, task)
        columns = {}
        for share in self.quantiles:
            change_NH = quantile(forecast, share) if interval is None else _end(share, interval, forecast)
            columns[quantile_column(share)] = price(change_NH, keys, task)
        for name, level in self._prices():
            below = mass_below(forecast, _change(level, keys, task)).reshape(-1)
            columns[_price_column(name, level)] = below if name == "below" else 1 - below
        if self.samples:
            paths_JNH = path_changes(forecast, keys, self.samples, self.seed)
            columns |= {f"close-path-{j}": price(a_NH, keys, task) for j, a_NH in enumerate(paths_JNH, start=1)}
        return columns

    def _prices(self) -> list[tuple[str, float]]:
        return [(name, level) for name in ("above", "below") for level in getattr(self, name)]

    def _of_bins(self, keys: Keys, forecast: Forecast, task: Task) -> dict[str, np.ndarray]:
        assert forecast.log_probs_NHK is not None
        inner = np.asarray(task.edges, np.float64)[1:-1]
        probs = np.exp(np.asarray(forecast.log_probs_NHK, np.float64)).reshape(-1, len(inner) + 1)
        below = np.cumsum(probs, axis=-1)[:, :-1]
        edges = np.repeat(keys.last_close_N[:, None] * (1 + inner / 100), task.horizon, axis=0)

        def line(at: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
            rows = zip(x, y, strict=True)
            return np.array([np.interp(at, *row, left=np.nan, right=np.nan) for row in rows])

        columns = {quantile_column(share): line(share, below, edges) for share in self.quantiles}
        for name, level in self._prices():
            mass = line(level, edges, below)
            columns[_price_column(name, level)] = mass if name == "below" else 1 - mass
        for name, values in columns.items():
            if empty := int(np.isnan(values).sum()):
                get_logger().warning(
                    "%s: empty in %d of %d rows, where it lies in an outermost bin: of that its probability alone is "
                    "known",
                    name,
                    empty,
                    len(values),
                )
        return columns


def _end(share: float, interval: Interval, forecast: Forecast) -> np.ndarray:
    """An end of an adjusted interval; the middle of all of them is the location."""
    if share == 0.5:
        return np.asarray(forecast.location_NH)
    level = abs(1 - 2 * exact(share))  # in floats 1 - 2 x 0.35 is above 0.3
    return interval(float(level))[0 if share < 0.5 else 1]


def _change(level: float, keys: Keys, task: Task) -> np.ndarray:
    """The change (N, 1) from the last close to a price; to one that no log return leads to, minus infinity."""
    last_N1 = keys.last_close_N[:, None]
    if task.target != "log_return":
        return level - last_N1
    return np.log(level / last_N1) if level > 0 else np.full(last_N1.shape, -np.inf)


def _price_column(name: str, level: float) -> str:
    return f"close-{name}-{np.format_float_positional(level, trim='-')}"


def _prices(what: str, values: Any) -> tuple[float, ...]:
    single = isinstance(values, (int, float, str)) or not isinstance(values, Iterable)
    checked: list[float] = []
    for value in (values,) if single else values:
        try:
            level = np.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            level = np.nan
        if not np.isfinite(level):
            raise ConfigError(f"{what}: {short(value)} is no price; give a number, such as 5000")
        if level in checked:
            raise ConfigError(f"{what}: {level:g} is there twice")
        checked.append(level)
    return tuple(checked)


def _whole(what: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value <= most:
        raise ConfigError(f"{what}: found {short(value)}, should be a whole number from 0 to {most:,}")
    return int(value)
