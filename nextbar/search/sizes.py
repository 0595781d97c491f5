"""How many trials of one program are worth training side by side."""

from __future__ import annotations

from typing import Literal

from nextbar.config import ExperimentConfig
from nextbar.search.bars_cache import BarsCache


class Sizes:
    """The size of a population by what it would train; one measurement for each program.

    Args:
        asked: a size, or ``auto``: as many as help.
        bars: the series of an experiment.
    """

    def __init__(self, asked: int | Literal["auto"], bars: BarsCache) -> None:
        self._asked, self._bars = asked, bars

    def __call__(self, config: ExperimentConfig | None) -> int:
        """How many; 1 where there is nothing to train."""
        if config is None:
            return 1
        return 1 if self._asked == "auto" else self._asked
