"""GARCH(1,1) with a constant mean, by the package arch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from nextbar.baselines.base import Moves
from nextbar.baselines.spread import Filtered
from nextbar.baselines.variance import Filter
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task


class Garch(Filtered):
    """GARCH(1,1) with a constant mean by maximum likelihood (Bollerslev 1986).

    With a Student-t tail (Bollerslev 1987) the degrees of freedom of one step are fitted with the rest.

    Raises:
        ConfigError: the package arch is not installed.
    """

    family = "garch"

    def __init__(self, task: Task, tail: str = "normal") -> None:
        super().__init__(task, tail)
        if find_spec("arch") is None:
            raise ConfigError(
                f"baseline {self.name}: the package arch is not installed; pip install 'nextbar[baselines]'"
            )

    def _learn_filter(self, moves: Moves) -> Filter | None:
        from arch.univariate import GARCH, ConstantMean, Normal, StudentsT

        law = Normal() if self.tail == "normal" else StudentsT()
        # moves of unit variance: with far smaller or larger ones the optimiser stops at its start
        model = ConstantMean(moves.move_N[1:], volatility=GARCH(p=1, q=1), distribution=law, rescale=False)
        fitted: Any = model.fit(disp="off", show_warning=False)
        mean, omega, alpha, beta, *df = (float(value) for value in fitted.params)
        start = float(fitted.conditional_volatility[0]) ** 2
        if not np.isfinite([mean, omega, alpha, beta, start, *df]).all():
            return None
        factor_H = np.ones(self.task.horizon if self.tail == "normal" else 1)
        return Filter(mean, omega, alpha, beta, start, factor_H, np.array(df))
