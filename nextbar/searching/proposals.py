"""The next combination: Optuna's samplers propose, a grid is counted through, and nothing is proposed twice."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError
from nextbar.searching.space.space import Params, Space

STARTUP = 10
"""finished trials that TPE draws evenly before it learns from them"""

REPEATS = 30
"""proposals of what has been tried before, until the rest is counted through"""

COUNTED = 20_000
"""combinations that are counted through at most"""


@dataclass(frozen=True)
class Proposal:
    """A combination, and the experiment it stands for."""

    params: Params
    digest: str
    """of the experiment; equal experiments, equal digests, however they were drawn"""
    config: ExperimentConfig | None
    refused: str = ""
    """why there is no experiment: its fields are at odds"""

    @classmethod
    def of(cls, space: Space, params: Params) -> Proposal:
        """The proposal of a combination."""
        try:
            config = space.config(params)
        except ConfigError as error:
            text = json.dumps(params, sort_keys=True)
            return cls(params, f"refused-{hashlib.sha256(text.encode()).hexdigest()}", None, str(error))
        return cls(params, config.digest(), config)


def propose(
    space: Space, sampler: str, seed: int, trials: Sequence[FrozenTrial], tried: Collection[str]
) -> Proposal | None:
    """A combination that nobody has tried; None: they are used up, or in a space of more than ``COUNTED`` none was met.

    The same trials give the same proposal, so a search that was killed goes on as if it had not been.

    Args:
        space: what is varied.
        sampler: as in ``SearchOptions``.
        seed: as there.
        trials: those that count, finished or not, in order.
        tried: their digests.
    """
    names = {name: dimension.distribution for name, dimension in space.dimensions.items()}

    def drawn(by: BaseSampler, most: int) -> Iterator[Proposal]:
        # A copy in memory: what is asked there and thrown away leaves no trace in the study
        mirror = optuna.create_study(sampler=by, direction="minimize")
        mirror.add_trials(trials)
        for _ in range(most):
            yield Proposal.of(space, mirror.ask(names).params)

    def left() -> Iterator[Proposal]:
        if space.size is None or space.size > COUNTED:
            yield from drawn(RandomSampler(seed=_seed(seed, len(trials))), 10 * REPEATS)
            return
        points = list(space.points())
        random.Random(_seed(seed, len(trials))).shuffle(points)
        yield from (Proposal.of(space, point) for point in points)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental is said in their documentation
        first = drawn(_sampler(sampler, _seed(seed, len(trials))), REPEATS) if sampler != "grid" else ()
        proposals = itertools.chain(first, left())
        return next((one for one in proposals if one.digest not in tried), None)


def require_grid(space: Space) -> None:
    """Make sure that a grid can be laid.

    Raises:
        ConfigError: a range without steps.
    """
    for name, dimension in space.dimensions.items():
        if dimension.size is None:
            raise ConfigError(f"search: {name}: sampler grid needs a list of choices here, or a range with a step")


def _sampler(name: str, seed: int) -> BaseSampler:
    return TPESampler(n_startup_trials=STARTUP, seed=seed) if name == "tpe" else RandomSampler(seed=seed)


def _seed(seed: int, n: int) -> int:
    """Another one for each trial, so that what is drawn depends on the trials alone."""
    return int.from_bytes(hashlib.sha256(f"{seed} {n}".encode()).digest()[:4])
