"""How many trials of one program are worth training side by side."""

from __future__ import annotations

from typing import Literal

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.errors import ConfigError
from nextbar.logger import get_logger
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.space.contradictions import samples
from nextbar.searching.space.space import Space
from nextbar.train.population import population_key
from nextbar.train.population_size import helpful_size

ALIKE = 4
"""of so many trials two must be expected to share a program, or measuring costs more than it can save"""


WORTH = 8
"""trials to come from which on measuring is worth its compilations"""


class Sizes:
    """The size of a population by what it would train; one measurement for each program.

    Args:
        asked: a size, or ``auto``: as many as help.
        space: what is varied.
        bars: the series of an experiment.
    """

    def __init__(self, asked: int | Literal["auto"], space: Space, bars: BarsCache) -> None:
        self._asked, self._space, self._bars = asked, space, bars
        self._known: dict[str, int] = {}

    def __call__(self, config: ExperimentConfig | None, left: int) -> int:
        """How many, at least 1.

        Args:
            config: one of them; None: nothing to train.
            left: how many trials there are still to come.
        """
        if config is None or left < 2:
            return 1
        if self._asked != "auto":
            return min(self._asked, left)
        key = population_key(config)
        if key not in self._known:
            measuring = left >= WORTH and self._is_common(key)
            self._known[key] = self._measured(config, left) if measuring else 1
        return min(self._known[key], left)

    def _measured(self, config: ExperimentConfig, left: int) -> int:
        size = helpful_size(config, build_dataset(config, self._bars(config)), left)
        get_logger().info("trials of one program are trained %d at a time: measured, that is what helps here", size)
        return size

    def _is_common(self, key: str) -> bool:
        """Whether many trials of the space share the program."""
        keys = []
        for params in samples(self._space):
            try:
                keys.append(population_key(self._space.config(params)))
            except ConfigError:
                continue
        return keys.count(key) * ALIKE >= len(keys)
