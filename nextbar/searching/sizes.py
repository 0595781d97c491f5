"""Sizes of populations: trials of one program are trained side by side, as many as help on this device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.errors import ConfigError
from nextbar.logger import get_logger
from nextbar.searching.attempts import Attempts
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.claim import Claim
from nextbar.searching.outcome import lies_in_trial
from nextbar.searching.space.contradictions import samples
from nextbar.searching.space.space import Space
from nextbar.train.population import population_key
from nextbar.train.population_size import helpful_size

ALIKE = 4
"""a program is worth measuring where at least one of so many trials has it"""

WORTH = 8
"""remaining trials from which on measuring is worth its compilations"""


class Size(NamedTuple):
    """How many trials of a program are trained side by side."""

    trials: int
    until: float = math.inf
    """remaining trials up to which that holds: with more of them more might have helped"""


class Sizes:
    """The size of a population for an experiment, measured once for each program.

    Args:
        size: of all populations, or ``auto``: as many as help.
        space: what is varied.
        bars: the series of an experiment.
        attempts: notes on what is being tried.
    """

    def __init__(self, size: int | Literal["auto"], space: Space, bars: BarsCache, attempts: Attempts) -> None:
        self._size, self._space, self._bars, self._attempts = size, space, bars, attempts
        self._by_program: dict[str, Size] = {}

    def __call__(self, config: ExperimentConfig | None, left: int) -> int:
        """Trials to train side by side, at least 1.

        Args:
            config: experiment of one of them; None: nothing to train.
            left: remaining trials.
        """
        if config is None or left < 2:
            return 1
        if self._size != "auto":
            return min(self._size, left)
        key = population_key(config)
        known = self._by_program.get(key, Size(1, until=WORTH - 1))
        if left > known.until:
            known = self._by_program[key] = self._measured(config, key, left) if self._is_common(key) else Size(1)
        return min(known.trials, left)

    def _measured(self, config: ExperimentConfig, key: str, left: int) -> Size:
        """1 where the experiment cannot be measured: its training will find the same fault, and note it."""
        most = left * config.seeds
        if (deadly := self._attempts.deadly(key)) and deadly.members <= most:
            most = deadly.members // 2
            get_logger().warning(
                "a worker died while it tried %d trainings side by side, so at most %d are tried until the search has "
                "ended (where it did not die of that, delete %s)",
                deadly.members,
                max(1, most),
                deadly.note,
            )
        try:
            with self._attempts.noted(key) as trying:
                members = helpful_size(config, build_dataset(config, self._bars(config)), max(1, most), trying)
        except Exception as error:
            if not lies_in_trial(error):
                raise
            get_logger().debug("not measured: %s", error)
            return Size(1)
        size = max(1, members // config.seeds)
        get_logger().info("trials of one program are trained %d at a time: measured, that is what helps here", size)
        return Size(size, until=left if 2 * members > left * config.seeds else math.inf)

    def _is_common(self, key: str) -> bool:
        """Whether at least one of ``ALIKE`` trials of the space has the program."""
        keys = []
        for params in samples(self._space):
            try:
                keys.append(population_key(self._space.config(params)))
            except ConfigError:
                continue
        return keys.count(key) * ALIKE >= len(keys)


def side_by_side(claims: Sequence[Claim], size: Callable[[ExperimentConfig], int]) -> list[list[Claim]]:
    """Groups of claims that share a program, each of at most ``size`` claims; claims that train nothing are alone.

    From the second time on that a process has died in an epoch of a claim, it has half as many beside it each time: so
    many may have been too much for the memory.
    """
    groups: list[list[Claim]] = []
    joinable: dict[str, list[Claim]] = {}
    most: dict[str, int] = {}
    for claim in claims:
        config = claim.proposal.config
        if config is None or claim.hopeless:
            groups.append([claim])
            continue
        key = population_key(config)
        own = max(1, size(config) >> max(0, claim.taken_over - 1))
        if key not in joinable or len(joinable[key]) >= min(own, most[key]):
            joinable[key], most[key] = [], own
            groups.append(joinable[key])
        joinable[key].append(claim)
        most[key] = min(own, most[key])
    return groups
