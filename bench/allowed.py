"""What the data allow: laws without a network that know as much as a recipe's, mixed, and what hindsight would have.

    python bench/allowed.py --data DIR --recipes crypto_4h crypto_1h

A line of JSON for each series: nll of validation and of test by law, each fitted on all bars before the span.
``trees`` and ``pooled_trees`` are boosted trees on what the recipe's start leaves over of the log range variance, grown
on the series alone and on all of the recipe together. ``equal`` is the mixture of all laws, ``weighted`` the one whose
weights are the likeliest on validation. ``hindsight`` had the span itself to choose weights (``weights``), or the few
numbers of a range HAR with a trailing level (``range_har``), from: nobody has that, so it bounds what such laws can do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import hardware
from skill import experiments, recipes_parser
from skill_rivals import KNOWN

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.series import series_of
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.range_har import TRAIL, RangeHar, fit_range_har
from nextbar.data.range_har.har import RangeLaw
from nextbar.data.range_har.likelihood import fit_law
from nextbar.data.range_har.ranges import range_variances
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.standard_laws import located
from nextbar.types import Forecast


def main() -> None:
    """Measure and print."""
    options = recipes_parser(__doc__).parse_args()
    print(json.dumps(hardware()))
    for recipe in options.recipes:
        (config,) = experiments(recipe, "recipe", options.data, [])
        dataset = build_dataset(config, series_of(config))
        tail = config.model_config.tail
        validation, test = (losses(dataset, span, tail) for span in ("validation", "test"))
        for s, name in enumerate(dataset.names):
            line = {"recipe": recipe, "series": name, **described(validation[s], test[s])}
            line["hindsight"]["range_har"] = round(float(hindsight(dataset, s, tail).mean()), 4)
            print(json.dumps(line), flush=True)


def described(validation: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Mean losses of the laws of a series and of their mixtures, and gains over range HAR-t with their t."""
    density = {span: np.exp(-np.stack([*own.values()])) for span, own in (("v", validation), ("t", test))}
    mixed = {"equal": np.full(len(test), 1 / len(test)), "weighted": likeliest_weights(density["v"])}
    on_test = test | {name: -np.log(weight_M @ density["t"]) for name, weight_M in mixed.items()}
    tests = {name: diebold_mariano(loss_N, test["range_har_t"], 1) for name, loss_N in on_test.items()}
    best_M = likeliest_weights(density["t"])
    return {
        "validation": {name: round(float(loss_N.mean()), 4) for name, loss_N in validation.items()},
        "test": {name: round(float(loss_N.mean()), 4) for name, loss_N in on_test.items()},
        "t": {name: round(found["statistic"], 2) for name, found in tests.items() if found},
        "hindsight": {"weights": round(float(-np.log(best_M @ density["t"]).mean()), 4)},
    }


@dataclass(frozen=True)
class Start:
    """A series, and the start that is fitted on its first bars."""

    bars: Bars
    calendar: Calendar
    known: int
    """bars that it is fitted on"""
    har: RangeHar
    law: RangeLaw

    @classmethod
    def of(cls, dataset: Dataset, s: int, cut: int, tail: str, trail: int = TRAIL) -> Start:
        """Of series s, fitted on what closes before the cut."""
        bars, calendar = dataset.bars[s], dataset.calendars[s]
        known = int(np.searchsorted(bars.close_time_N, cut))
        (har,), _ = fit_range_har([bars], [known], [calendar], 1, tail, trail)
        assert har is not None
        return cls(bars, calendar, known, har, har.law(bars, calendar))

    @property
    def unit(self) -> float:
        """Standard deviation of the returns it is fitted on."""
        assert self.har.units.unit is not None
        return self.har.units.unit

    @property
    def grown(self) -> int:
        """Bars that trees are grown on; the rest of the known ones calibrates them."""
        return int(KNOWN * self.known)

    @property
    def log_variance_N1(self) -> np.ndarray:
        """Of the start, in squares of the unit."""
        return 2 * (self.law.log_scale_NH - np.log(self.unit))

    @property
    def return_N(self) -> np.ndarray:
        """Into each bar, in units."""
        return np.diff(np.log(self.bars.columns["close"]), prepend=np.nan) / self.unit

    def features(self) -> np.ndarray:
        """(N, F): log mean variances, level and log variance of the start, last returns and their sums, the clock."""
        return_N, n = self.return_N, len(self.bars)
        recent = [np.concatenate([np.full(lag, np.nan), return_N[: n - lag]]) for lag in range(6)]
        sums = [np.convolve(np.nan_to_num(return_N), np.ones(lag))[:n] for lag in self.har.units.lags[1:]]
        means_NK = self.law.log_mean_NK - 2 * np.log(self.unit)
        clock_NC = self.calendar.slot_clock()[self.calendar.rank(self.bars.time_N)]
        return np.column_stack([means_NK, self.law.level_N, self.log_variance_N1, *recent, *sums, clock_NC])

    def left_over(self) -> tuple[np.ndarray, np.ndarray]:
        """Features, and the log range variance of the next bar less the start's: what trees are grown on."""
        variance_N = range_variances(self.bars.columns)
        least = np.quantile(variance_N[: self.known], 0.02)
        log_N = np.log(np.maximum(variance_N, least)) - 2 * np.log(self.unit)
        rows = slice(self.har.history, self.grown - 1)
        return self.features()[rows], (log_N[1:] - self.log_variance_N1[:-1, 0])[rows]

    def calibrated(self, left_over_N: np.ndarray, tail: str) -> Forecast:
        """The likeliest law of start and trees on the bars that these were not grown on."""
        regressors_N2 = np.column_stack([self.log_variance_N1, left_over_N])
        rows = slice(self.grown - 1, self.known - 1)
        law = fit_law(regressors_N2[rows], self.return_N[1:][rows], tail)
        assert law is not None
        shape = len(self.bars), 1
        scale_N1 = np.exp(law.log_scale(regressors_N2))[:, None] * self.unit
        numbers = (None if x is None else np.full(shape, x) for x in (law.df, law.skew))
        return Forecast(np.full(shape, law.location * self.unit), scale_N1, *numbers)


def losses(dataset: Dataset, span: str, tail: str) -> list[dict[str, np.ndarray]]:
    """By series and law: negative log density of the percent log return of each window of a span."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # threads that wait for each other take longer than the work
        made = laws(dataset, span, tail)
    return [{name: loss(dataset, span, s, own[name]) for name in own} for s, own in enumerate(made)]


def laws(dataset: Dataset, span: str, tail: str) -> list[dict[str, Forecast]]:
    """By series and name: laws of the log return after each bar, fitted on all bars before the span."""
    every = range(len(dataset.bars))
    cut = getattr(dataset.cuts, span)
    plain = [Start.of(dataset, s, cut, "student_t", trail=0) for s in every]
    starts = [Start.of(dataset, s, cut, tail) for s in every]
    parts = [start.left_over() for start in starts]
    pooled = _trees(parts)
    return [
        {
            "range_har_t": plain[s].law.forecast,
            "start": start.law.forecast,
            "trees": start.calibrated(_trees([parts[s]]).predict(start.features()), tail),
            "pooled_trees": start.calibrated(pooled.predict(start.features()), tail),
        }
        for s, start in enumerate(starts)
    ]


def _trees(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Any:
    """Boosted trees on the features and targets of one or more series."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.03, max_leaf_nodes=12, min_samples_leaf=200, l2_regularization=5.0, random_state=0
    )
    trees.set_params(early_stopping=True, validation_fraction=0.15, n_iter_no_change=15)
    features, targets = zip(*parts, strict=True)
    return trees.fit(np.concatenate(features), np.concatenate(targets))


def hindsight(dataset: Dataset, s: int, tail: str) -> np.ndarray:
    """Losses on test of a range HAR with a trailing level whose numbers are the likeliest on test itself."""
    start = Start.of(dataset, s, dataset.cuts.test, tail)
    chain = start.calendar.chain(start.bars.time_N, 1)
    unit_N = start.har.units.diurnal.ahead(chain.ahead(1))[:, 0] * start.unit
    regressors_NK = np.column_stack([start.law.log_mean_NK - 2 * np.log(start.unit), start.law.level_N])
    row_N = dataset.panel.within(dataset.origins["test"], s)
    close_N = start.bars.columns["close"]
    law = fit_law(regressors_NK[row_N], np.log(close_N[row_N + 1] / close_N[row_N]) / unit_N[row_N], tail)
    assert law is not None
    scale_N = np.exp(law.log_scale(regressors_NK)) * unit_N
    numbers = (None if x is None else np.full(len(scale_N), x)[:, None] for x in (law.df, law.skew))
    return loss(dataset, "test", s, Forecast((law.location * unit_N)[:, None], scale_N[:, None], *numbers))


def loss(dataset: Dataset, span: str, s: int, forecast: Forecast) -> np.ndarray:
    """Negative log density of the percent log return after each origin of a span, (N,).

    Args:
        dataset: the windows.
        span: of them.
        s: the series.
        forecast: of the log return after each of its bars, (bars, 1).
    """
    row_N = dataset.panel.within(dataset.origins[span], s)
    close_N = dataset.bars[s].columns["close"]
    location_NH, unit_NH, law = located(forecast.rows(row_N))
    return_NH = np.log(close_N[row_N + 1] / close_N[row_N])[:, None]
    return (law.nll((return_NH - location_NH) / unit_NH) + np.log(100 * unit_NH))[:, 0]


def likeliest_weights(density_MN: np.ndarray) -> np.ndarray:
    """Weights (M,) of the mixture that is likeliest, by expectation and maximisation from equal ones."""
    weight_M = np.full(len(density_MN), 1 / len(density_MN))
    for _ in range(2000):
        weight_M = (weight_M[:, None] * density_MN / (weight_M @ density_MN)).mean(axis=1)
    return weight_M


if __name__ == "__main__":
    main()
