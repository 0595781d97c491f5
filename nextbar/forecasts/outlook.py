"""Outlook: the forecast from the last bar of one series, ready to be drawn and said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.display.fan import Fan
from nextbar.forecasts.table import Keys, central, price
from nextbar.metrics.density import mass_below, quantile
from nextbar.metrics.point_errors import PointErrors
from nextbar.metrics.rises import rise_probability
from nextbar.metrics.task import Task
from nextbar.types import Forecast

BANDS = (0.5, 0.8, 0.95)
"""shares of the outcomes that the bands of a fan hold"""
MOSTLY = 2 / 3
"""the share that words speak of first: two times in three"""
ALMOST = 0.95
"""nineteen times in twenty"""
LEAST_PAST, MOST_PAST = 24, 120
"""closes before the forecast that are drawn, four for each step between these"""
MOST_AHEAD = 120
"""steps that are drawn at most, the first and the last among them"""
HALVINGS = 60


@dataclass(frozen=True)
class Outlook:
    """The forecast of H steps from the last bar of a series; prices, float64."""

    name: str
    task: Task
    past: Bars
    """the last bars; of the last of them the forecast is made"""
    is_relative: bool
    """whether moves can be told in percent: no close of the series is at or below zero"""
    time_H: np.ndarray
    """when the predicted bars open, seconds since the epoch"""
    close_H: np.ndarray | None
    """predicted closes; None of bins"""
    bands: dict[float, tuple[np.ndarray, np.ndarray]]
    """lowest and highest close (H,) by share: of a law its central intervals, of a point forecast how far those of a
    past span were off; empty where neither is known"""
    reach_H: np.ndarray | None = None
    """distance in prices that two of three outcomes keep: of a law from the last close, of a point forecast from
    itself"""
    rise_H: np.ndarray | None = None
    """probability of a close above the last one; None where it is not told"""
    probs_HK: np.ndarray | None = None
    """probabilities of bins"""
    errors: PointErrors | None = None
    """what the bands of a point forecast are from"""

    @property
    def last_close(self) -> float:
        """The close that the forecast is made from."""
        return float(self.past.columns["close"][-1])

    def fan(self, words: tuple[str, ...] = ()) -> Fan:
        """Data of its chart; ``words`` say the same."""
        horizon = len(self.time_H)
        past = self.past.last(min(MOST_PAST, max(LEAST_PAST, 4 * horizon)))
        at = np.unique(np.linspace(0, horizon - 1, min(horizon, MOST_AHEAD)).round().astype(int))
        return Fan(
            name=self.name,
            step=past.step,
            past_time_N=past.time_N,
            past_close_N=past.columns["close"],
            time_H=self.time_H[at],
            ahead_H=at + 1,
            close_H=None if self.close_H is None else self.close_H[at],
            bands={share: (low_H[at], high_H[at]) for share, (low_H, high_H) in self.bands.items()},
            probs_HK=None if self.probs_HK is None else self.probs_HK[at],
            words=words,
        )


def outlook(
    name: str, past: Bars, keys: Keys, forecast: Forecast, task: Task, errors: PointErrors | None = None
) -> Outlook:
    """The outlook of one forecast.

    Args:
        name: what the series is called.
        past: its bars up to the origin.
        keys: of the one forecast, N = 1.
        forecast: of one window.
        task: what is forecast.
        errors: of point forecasts of a past span, for their bands.
    """
    closes_N, time_H = past.columns["close"], keys.date_NH[0]
    is_relative = bool((closes_N > 0).all())
    if forecast.log_probs_NHK is not None:
        probs_HK = np.exp(np.asarray(forecast.log_probs_NHK[0], np.float64))
        rise_H = rise_probability(forecast, task)[0] if 0.0 in task.edges[1:-1] else None
        return Outlook(name, task, past, is_relative, time_H, None, {}, rise_H=rise_H, probs_HK=probs_HK)
    assert forecast.location_NH is not None
    close_H = price(forecast.location_NH, keys, task)
    if forecast.scale_NH is None:
        reaches = {} if errors is None else {share: errors.reach(share, name, closes_N[-1]) for share in BANDS}
        bands = {share: (close_H - r_H, close_H + r_H) for share, r_H in reaches.items() if r_H is not None}
        reach_H = None if errors is None else errors.reach(MOSTLY, name, closes_N[-1])
        return Outlook(name, task, past, is_relative, time_H, close_H, bands, reach_H, errors=errors)
    bands = {}
    for share in BANDS:
        low_NH, high_NH = central(forecast, share)
        bands[share] = price(low_NH, keys, task), price(high_NH, keys, task)
    reach_H = reach(forecast, MOSTLY, keys.last_close_N, task)[0]
    rise_H = rise_probability(forecast, task)[0]
    return Outlook(name, task, past, is_relative, time_H, close_H, bands, reach_H, rise_H)


def reach(forecast: Forecast, share: float, last_close_N: np.ndarray, task: Task) -> np.ndarray:
    """Distance (N, H) in prices from the last close within which the law puts a share of the closes; by halving.

    It lies between zero and the larger distance of the two ends of the central interval, which holds the share itself.
    """
    last_N1 = np.asarray(last_close_N, np.float64)[:, None]
    is_log = task.target == "log_return"

    def distance(change_NH: np.ndarray) -> np.ndarray:
        return np.abs(last_N1 * np.expm1(change_NH) if is_log else change_NH)

    def change(distance_NH: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log1p(np.maximum(distance_NH / last_N1, -1.0)) if is_log else distance_NH

    ends = (quantile(forecast, 0.5 - share / 2), quantile(forecast, 0.5 + share / 2))
    high_NH = np.maximum(*map(distance, ends))
    low_NH = np.zeros_like(high_NH)
    for _ in range(HALVINGS):
        middle_NH = (low_NH + high_NH) / 2
        mass_NH = mass_below(forecast, change(middle_NH)) - mass_below(forecast, change(-middle_NH))
        low_NH = np.where(mass_NH < share, middle_NH, low_NH)
        high_NH = np.where(mass_NH < share, high_NH, middle_NH)
    return high_NH
