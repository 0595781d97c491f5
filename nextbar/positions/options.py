"""Options of the positions that forecasts are judged by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nextbar.config.base import Checked
from nextbar.config.check import checked
from nextbar.config.values import Count, Flag, Float
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task

BASIS_POINT = 1e-4

Positive = Annotated[Float, Field(gt=0)]


@checked
class PositionOptions(Checked):
    """By which rule forecasts become positions, what trading costs, and of how many tries the model is the best.

    Raises:
        ConfigError: an unknown name, an impossible value, or an option that the rule does not have.
    """

    rule: Literal["sign", "kelly", "volatility", "none"] = "sign"
    """``sign``: ``cap`` long or short by the sign of the predicted move; ``kelly``: the predicted move over its
    variance; ``volatility``: the sign, scaled to vary by ``volatility`` a year; ``none``: no positions."""
    cost_bps: Annotated[Float, Field(ge=0, lt=10_000)] = 5.0
    """What a trade costs, in basis points of the traded value."""
    cap: Positive = 1.0
    """The largest position, in multiples of the equity."""
    short: Flag = True
    """False: no position where the rule would sell short."""
    fraction: Annotated[Float, Field(gt=0, le=1)] | None = None
    """Share of the Kelly position that is taken; None: all of it."""
    volatility: Positive | None = None
    """Annual standard deviation that ``volatility`` scales positions to; None: 0.15."""
    trials: Count | None = None
    """Configurations that were tried; None: those of the search in the experiment's folder, else 1."""
    sharpe_variance: Positive | None = None
    """Variance of the annual Sharpe ratios of the configurations tried; None: what luck alone makes it."""

    def _conflicts(self) -> Iterator[str]:
        for name, rule in (("fraction", "kelly"), ("volatility", "volatility")):
            if getattr(self, name) is not None and self.rule != rule:
                yield f"{name}: found {getattr(self, name)}, should be None with rule {self.rule!r}: {rule!r} has it"
        if self.sharpe_variance is not None and self.trials == 1:
            yield f"sharpe_variance: found {self.sharpe_variance}, should be None with trials 1: one does not vary"

    @property
    def cost(self) -> float:
        """Share of the traded value."""
        return self.cost_bps * BASIS_POINT

    def require(self, task: Task) -> None:
        """Check that forecasts of this task have what the rule needs.

        Raises:
            ConfigError: the rule goes by a standard deviation, and forecasts have none.
        """
        if self.rule in ("kelly", "volatility") and task.output_mode != "distribution":
            raise ConfigError(
                f"positions.rule: found {self.rule!r}, which goes by the standard deviation of the forecast, and "
                f"forecasts of output_mode {task.output_mode!r} have none; should be 'sign' or 'none'"
            )

    @property
    def in_words(self) -> str:
        """The rule and its costs in a sentence."""
        cap = f"{self.cap:g} times the equity"
        share = "" if self.fraction is None else f"{self.fraction:g} of "
        rule = {
            "sign": f"{cap}, long or {'short' if self.short else 'none'} by the sign of the predicted move",
            "kelly": f"{share}the predicted move over its variance (Kelly), at most {cap}",
            "volatility": f"by the sign of the predicted move, scaled to vary by {100 * self.target:g} % a year, at "
            f"most {cap}",
            "none": "none",
        }[self.rule]
        short = "" if self.short or self.rule == "sign" else ", never short"
        return f"{rule}{short}; a trade costs {self.cost_bps:g} basis points of its value"

    @property
    def target(self) -> float:
        """Annual standard deviation that positions are scaled to."""
        return 0.15 if self.volatility is None else self.volatility
