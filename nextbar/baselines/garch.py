"""GARCH(1,1) and GJR-GARCH(1,1) with a constant mean, by the package arch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from nextbar.baselines.moves import Moves
from nextbar.baselines.spread import Filtered
from nextbar.baselines.variance import Filter
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task

MOST_BARS = 1_000_000
"""training bars of all series, times steps ahead, that a GARCH is fitted on as a rival"""


class Garch(Filtered):
    """GARCH(1,1) with a constant mean by maximum likelihood (Bollerslev 1986).

    With a Student-t tail (Bollerslev 1987) the degrees of freedom of one step are fitted with the rest.

    Raises:
        ConfigError: the package arch is not installed.
    """

    family = "garch"
    words = "GARCH(1,1)"
    most_bars = MOST_BARS
    asymmetric = 0
    """lags of the term of falls"""

    def __init__(self, task: Task, tail: str = "normal") -> None:
        super().__init__(task, tail)
        if find_spec("arch") is None:
            raise ConfigError(
                f"baseline {self.name}: the package arch is not installed; pip install 'nextbar[baselines]'"
            )

    def _learn_filter(self, moves: Moves) -> Filter | None:
        move_N = moves.move_N[1:]
        # where the likelihood is flat, of moves that mostly stand still or leap, the optimiser may leave by the mean
        for asymmetric in sorted({self.asymmetric, 0}, reverse=True):
            fitted = self._fitted(move_N, asymmetric)
            if fitted and move_N.min() <= fitted.mean <= move_N.max():
                return fitted
        return fitted and fitted._replace(mean=float(move_N.mean()))

    def _fitted(self, move_N: np.ndarray, asymmetric: int) -> Filter | None:
        from arch.univariate import GARCH, ConstantMean, Normal, StudentsT

        law = Normal() if self.tail == "normal" else StudentsT()
        # moves of unit variance: with far smaller or larger ones the optimiser stops at its start
        volatility = GARCH(p=1, o=asymmetric, q=1)
        model = ConstantMean(move_N, volatility=volatility, distribution=law, rescale=False)
        fitted: Any = model.fit(disp="off", show_warning=False)
        value = {name.partition("[")[0]: float(number) for name, number in fitted.params.items()}
        start = float(fitted.conditional_volatility[0]) ** 2
        if not np.isfinite([*value.values(), start]).all():
            return None
        factor_H = np.ones(self.task.horizon if self.tail == "normal" else 1)
        df_H = np.array([value["nu"]] if self.tail == "student_t" else [])
        return Filter(
            value["mu"], value["omega"], value["alpha"], value["beta"], start, factor_H, df_H, value.get("gamma", 0.0)
        )


class GjrGarch(Garch):
    """GARCH(1,1) in which a fall adds more to the variance than a rise (Glosten, Jagannathan and Runkle 1993)."""

    family = "gjr_garch"
    words = "GJR-GARCH(1,1)"
    asymmetric = 1
