"""Rules: positions by what is expected of the next bar, taken when the bar before it has closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nextbar.positions.options import PositionOptions

BUY_AND_HOLD = "buy and hold"
"""the equity in the market all the time, with the same costs: what the rule stands beside in tables"""


class Expectation(NamedTuple):
    """What a predictor expects of the next bar, from N origins; host, float64."""

    move_N: np.ndarray
    """predicted close over the last close, less 1; of bins the sign of the move"""
    scale_N: np.ndarray
    """standard deviation of the predicted return; NaN where there is none"""

    @property
    def is_law(self) -> bool:
        """Whether there is a standard deviation everywhere."""
        return bool(np.isfinite(self.scale_N).all() and (self.scale_N > 0).all())


def positions(expected: Expectation, options: PositionOptions, bars_per_year: float) -> np.ndarray:
    """The position (N,) that each expectation leads to, in multiples of the equity; below zero is short.

    Each follows from its own expectation alone. An expectation that is not finite leads to none.

    ``sign``: cap · sign(μ), with μ the predicted move. ``kelly``: f · μ / σ², which for small moves is the share of
    the equity that makes its expected logarithm the largest (Kelly 1956; Thorp 2006), within the cap; the σ²/2 by which
    the mean of a law of log returns lies above its middle is left out, so that a forecast of no move takes no position.
    ``volatility``: sign(μ) · target / (σ √bars a year), within the cap.

    Args:
        expected: of N bars; a rule that goes by the standard deviation needs a law.
        options: the rule.
        bars_per_year: of the series.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        position_N = RULES[options.rule](expected, options, bars_per_year)
    position_N = np.clip(position_N, -options.cap if options.short else 0.0, options.cap)
    return np.where(np.isfinite(position_N), position_N, 0.0)


def _sign(expected: Expectation, options: PositionOptions, bars_per_year: float) -> np.ndarray:
    return options.cap * np.sign(expected.move_N)


def _kelly(expected: Expectation, options: PositionOptions, bars_per_year: float) -> np.ndarray:
    fraction = 1.0 if options.fraction is None else options.fraction
    return fraction * expected.move_N / expected.scale_N / expected.scale_N


def _volatility(expected: Expectation, options: PositionOptions, bars_per_year: float) -> np.ndarray:
    return np.sign(expected.move_N) * options.target / (expected.scale_N * np.sqrt(bars_per_year))


RULES: dict[str, Callable[[Expectation, PositionOptions, float], np.ndarray]] = {
    "sign": _sign, "kelly": _kelly, "volatility": _volatility,
}  # fmt: skip
"""by the name of the option; before caps"""
