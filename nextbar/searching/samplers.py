"""How the next combination is drawn: by Optuna's samplers, or as a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from nextbar.errors import ConfigError
from nextbar.searching.space.space import Params, Space

STARTUP = 10
"""finished trials that TPE draws evenly before it learns from them"""

REPEATS = 30
"""combinations that a sampler of Optuna's draws for one trial"""


class Sampler:
    """Draws combinations; each name of ``SAMPLERS`` stands for a subclass, of which an object is made for each use."""

    learns = False
    """whether it draws by results, so that only a part of the trials is drawn before there are any"""

    def require(self, space: Space) -> None:
        """Make sure that a space can be sampled; any space can unless a subclass says otherwise.

        Raises:
            ConfigError: it cannot.
        """

    def draw(self, space: Space, seed: int, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """Combinations for the next trial, the first choice first.

        The first one is taken that no trial has had; where all have been had, the rest of the space is counted through.
        The same arguments must give the same combinations, so that a killed search goes on as if it had not been.

        Args:
            space: what is varied.
            seed: of this draw; it differs from trial to trial.
            trials: all that count so far, finished or not, in the order drawn.

        Yields:
            For each of ``space.dimensions``, by name, a label that the dimension has; see ``Space.points``.
        """
        raise NotImplementedError


class Tpe(Sampler):
    """Tree-structured Parzen estimator, by Optuna: learns from the results so far."""

    learns = True

    def draw(self, space: Space, seed: int, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """See ``Sampler.draw``."""
        return by_optuna(TPESampler(n_startup_trials=STARTUP, seed=seed), space, trials, REPEATS)


class Random(Sampler):
    """Draws evenly, by Optuna."""

    def draw(self, space: Space, seed: int, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """See ``Sampler.draw``."""
        return by_optuna(RandomSampler(seed=seed), space, trials, REPEATS)


class Grid(Sampler):
    """Every combination, in random order."""

    def require(self, space: Space) -> None:
        """Make sure that the combinations can be counted.

        Raises:
            ConfigError: a range without steps.
        """
        for name, dimension in space.dimensions.items():
            if dimension.size is None:
                raise ConfigError(f"search: {name}: sampler grid needs a list of choices here, or a range with a step")

    def draw(self, space: Space, seed: int, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """None: counting the space through in random order, which follows every draw, is the grid itself."""
        return iter(())


def by_optuna(sampler: BaseSampler, space: Space, trials: Sequence[FrozenTrial], n: int) -> Iterator[Params]:
    """``n`` combinations by a sampler of Optuna's, which sees the trials.

    They are drawn from a copy of the study in memory, so that the study itself has no trace of those that are not used.
    """
    mirror = optuna.create_study(sampler=sampler, direction="minimize")
    mirror.add_trials(trials)
    distributions = {name: dimension.distribution for name, dimension in space.dimensions.items()}
    for _ in range(n):
        yield mirror.ask(distributions).params
