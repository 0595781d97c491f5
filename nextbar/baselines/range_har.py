"""Range HAR as a baseline: the law whose variance follows the ranges of the last bar, quarter day, day and week."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.baselines.base import Baseline
from nextbar.baselines.history import History
from nextbar.baselines.moves import Moves
from nextbar.baselines.spread import IN_WORDS, TAILS
from nextbar.errors import DataError
from nextbar.metrics.task import Task
from nextbar.types import Forecast

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars
    from nextbar.data.range_har import RangeHar

MOST_BARS = 4_000_000
"""training bars of all series, times steps ahead, that it is fitted on as a rival"""


class RangeHarBaseline(Baseline):
    """A range HAR for each series and step (:mod:`nextbar.data.range_har`), with a normal, a Student-t or a skewed
    Student-t tail.

    ``trailing``: its level follows what its laws of late were worth.

    A series that is too young has the law that is likeliest for the others of its resolution together, in units of its
    own ranges; so has one that appears after training. Open, high and low must be there, and above zero.
    """

    is_law = True
    needs_ranges = True
    most_bars = MOST_BARS

    def __init__(self, task: Task, tail: str = "normal", trailing: bool = False) -> None:
        super().__init__(task)
        self.tail, self.trailing = tail, trailing
        self.name = f"range_har_{'trailing_' * trailing}{TAILS[tail]}"
        self.words = f"range HAR with a {'trailing level and a ' * trailing}{IN_WORDS[tail]} tail"

    def _learn_all(self, series: Sequence[History], calendars: Sequence[Calendar]) -> list[Any]:
        from nextbar.data.range_har import TRAIL, fit_range_har

        bars = [self._bars(history) for history in series]
        trail = TRAIL if self.trailing else 0
        fits, pooled = fit_range_har(bars, list(map(len, bars)), calendars, self.task.horizon, self.tail, trail)
        lacking = [b.name for b, fit in zip(bars, fits, strict=True) if fit is None and b.resolution not in pooled]
        if lacking:
            raise DataError(
                f"baseline {self.name}: {', '.join(lacking)} has too few returns before the cutoff, or prices that are "
                "not above zero, and there is no other series of its resolution. Use more bars, or leave it out"
            )
        return [*(fit if enough else None for fit, enough in zip(fits, self._enough(series), strict=True)), pooled]

    def _ahead(self, history: History, moves: Moves, row_N: np.ndarray, date_NH: np.ndarray) -> Forecast:
        assert moves.calendar is not None
        law = self._fit_of(history).law(self._bars(history), moves.calendar).forecast.rows(row_N)
        assert law.location_NH is not None and law.scale_NH is not None
        return law._replace(location_NH=law.location_NH / moves.unit, scale_NH=law.scale_NH / moves.unit)

    def _fit_of(self, history: History) -> RangeHar:
        """Its own where it was learnt from, else that of its resolution."""
        *fits, pooled = self._learnt
        own = fits[self._index[history.key]] if history.key in self._index else None
        fit = own or pooled.get(history.resolution or "")
        if fit is None:
            raise DataError(f"baseline {self.name}: it was fitted on no series of the resolution of {history.name}")
        return fit

    def _bars(self, history: History) -> Bars:
        bars = history.bars
        if bars is None:
            raise DataError(f"baseline {self.name}: it needs open, high and low, which {history.name} does not have")
        return bars

    def _plain(self, learnt: Any) -> Any:
        if isinstance(learnt, dict):
            return {resolution: fit.to_dict() for resolution, fit in learnt.items()}
        return None if learnt is None else learnt.to_dict()

    def _from_plain(self, plain: Any) -> Any:
        from nextbar.data.range_har import RangeHar

        if plain is None or "units" in plain:
            return None if plain is None else RangeHar.from_dict(plain)
        return {resolution: RangeHar.from_dict(fit) for resolution, fit in plain.items()}
