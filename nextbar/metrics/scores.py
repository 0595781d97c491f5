"""Scores of one forecast on a span, and those of a model and its rivals side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nextbar.metrics.comparison import Compared, Score


class Scores(NamedTuple):
    """Scores of one forecast on a span."""

    mean: Score
    """unweighted mean over the tickers that have the metric"""
    by_ticker: dict[str, Score]
    loss_N: np.ndarray
    """the loss that is compared with the baseline's, averaged over the horizon, for each window"""

    @classmethod
    def of(cls, by_ticker: dict[str, Score], loss_N: np.ndarray) -> Scores:
        """From the scores of each ticker."""
        return cls(_mean(list(by_ticker.values())), by_ticker, loss_N)

    def replaced(self, other: Scores) -> Scores:
        """With the metrics of another forecast in the place of its own, as far as that has them."""
        by_ticker = {name: _replaced(score, other.by_ticker[name]) for name, score in self.by_ticker.items()}
        return Scores(_replaced(self.mean, other.mean), by_ticker, self.loss_N)


class Contenders(NamedTuple):
    """Scores on a span of a model, of the plain baseline, and of the strongest rivals as far as there are any."""

    model: Scores
    baseline: Scores
    strongest: Scores | None = None

    @property
    def mean(self) -> Compared:
        """Their means over tickers."""
        return Compared(*(scores.mean for scores in self if scores is not None))

    @property
    def by_ticker(self) -> Mapping[str, Compared]:
        """Theirs of each ticker."""
        present = [scores.by_ticker for scores in self if scores is not None]
        return {name: Compared(*(by_ticker[name] for by_ticker in present)) for name in self.model.by_ticker}


def _replaced(score: Score, other: Score) -> Score:
    return Score(score.pooled | other.pooled, score.by_step | other.by_step)


def _mean(scores: Sequence[Score]) -> Score:
    """Unweighted mean over tickers of each value; None where no ticker has it."""

    def mean(values: Sequence[float | None]) -> float | None:
        defined = [value for value in values if value is not None]
        return float(np.mean(defined)) if defined else None

    names = list(scores[0].pooled)
    return Score(
        {name: mean([score.pooled[name] for score in scores]) for name in names},
        {name: [mean(step) for step in zip(*(s.by_step[name] for s in scores), strict=True)] for name in names},
    )
