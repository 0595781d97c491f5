"""The question put to a model: output mode, horizon, target and bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nextbar.config import ExperimentConfig

LEADING = {"mean": "mae", "distribution": "nll", "discrete_grid": "log_loss", "quantiles": "crps"}
TESTED = {"mean": "squared log error", "distribution": "censored nll"}
"""Name of the loss that is tested, where that is not the leading error. A mean is what least squares aim at, and a log
return has no unit. A nll follows a few far moves, a censored one does not (``nextbar.metrics.censored``)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The question put to a model and to its baseline.

    The tail of a predictive law is no part of it: a forecast with degrees of freedom is Student-t, one with skewness
    beside them a skewed Student-t, any other normal.
    """

    output_mode: str
    """``mean``, ``distribution`` or ``discrete_grid``: what forecasts of the experiment's mode consist of;
    ``quantiles`` of participants of a backtest that have some and no law"""
    horizon: int = 1
    """H, bars predicted"""
    target: str = "close"
    """``close``: a location is a change in price units; ``log_return``: it is ln(c(t+h)/c(t))"""
    edges: tuple[float, ...] = ()
    """K+1 ascending bin edges of the next move in percent; empty without bins"""
    shares: tuple[float, ...] = ()
    """Q ascending shares whose quantiles are forecast; empty without quantiles"""

    @classmethod
    def of(cls, config: ExperimentConfig) -> Task:
        """The question an experiment asks."""
        dataset = config.dataset_config
        return cls(
            output_mode=dataset.kind,
            horizon=dataset.horizon,
            target=dataset.target,
            edges=dataset.discrete_grid_levels or (),
        )

    @property
    def of_closes(self) -> Task:
        """The same question, answered by closes alone."""
        return replace(self, output_mode="mean", edges=())

    def of_quantiles(self, shares: tuple[float, ...]) -> Task:
        """The same question, answered by the quantiles of these shares."""
        return replace(self, output_mode="quantiles", shares=shares)

    @property
    def leading(self) -> str:
        """The error that a ranking and the first line of a table go by; lower is better."""
        return LEADING[self.output_mode]

    @property
    def tested(self) -> str:
        """Name of the loss that a verdict tests and quotes."""
        return TESTED.get(self.output_mode, self.leading)

    @property
    def needs_positive_prices(self) -> bool:
        """Log returns and percentage moves exist only where every price is above zero."""
        return self.target == "log_return" or self.output_mode == "discrete_grid"
