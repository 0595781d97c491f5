"""Interval of the difference of two expected losses, by the inverted test of a verdict."""

from __future__ import annotations

from typing import NamedTuple

from nextbar.metrics.scorer import Scorer
from nextbar.metrics.significance import LEVEL
from nextbar.types import Forecast


class LossInterval(NamedTuple):
    """How much lower the tested loss of a model is than its rival's, and the interval of what is to be expected."""

    loss: str
    """Name of the loss."""
    difference: float
    """Mean loss of the rival - that of the model."""
    low: float
    high: float
    origins: int
    against: str
    """Name of the rival in words."""

    def in_words(self) -> str:
        """One sentence."""
        return (
            f"{self.loss[0].upper()}{self.loss[1:]} is {'lower' if self.difference > 0 else 'higher'} than that of "
            f"{self.against} by {abs(self.difference):.4g}; {LEVEL:.0%} interval of the gain {self.low:+.4g} to "
            f"{self.high:+.4g} ({self.origins:,} origins), and 0 is outside it where the verdict's test against "
            f"{self.against} says more than luck."
        )


def loss_interval(scorer: Scorer, forecast: Forecast) -> LossInterval | None:
    """The gains over the scorer's rival that the test of the verdict does not reject at 5 %.

    So interval and p-value never contradict each other. ``bench/size.py`` measures how often the interval holds the
    expected gain.

    Args:
        scorer: of the span.
        forecast: of the model.

    Returns:
        None where there is no test: too few origins, a loss that is not finite, or the same forecast.
    """
    record = scorer.tested(scorer.score(forecast))
    test = next(iter(record["against"].values()))["test"] if record else None
    if record is None or test is None:
        return None
    return LossInterval(record["loss"], test["difference"], test["low"], test["high"], test["n"], scorer.rival_name)
