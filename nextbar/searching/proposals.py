"""The next proposal of a search: the first combination drawn whose experiment no trial has had."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError
from nextbar.searching.samplers import REPEATS, Sampler, by_optuna
from nextbar.searching.space.space import Params, Space

COUNTED = 20_000
"""combinations that are counted through at most"""


@dataclass(frozen=True)
class Proposal:
    """A combination and its experiment."""

    params: Params
    digest: str
    """of the experiment; combinations that give equal experiments have equal digests"""
    config: ExperimentConfig | None
    """None where the configuration refuses it"""
    refused: str = ""
    """why the configuration refuses the combination; empty where it does not"""

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
    space: Space, sampler: Sampler, seed: int, trials: Sequence[FrozenTrial], tried: Collection[str]
) -> Proposal | None:
    """A combination that no trial has had.

    The same trials give the same proposal, so a search that was killed goes on as if it had not been.

    Args:
        space: what is varied.
        sampler: draws combinations.
        seed: of the search.
        trials: those that count, finished or not, in order.
        tried: digests of their experiments.

    Returns:
        The proposal; None where the space is used up, or has more than ``COUNTED`` combinations and no new one was met.
    """
    own_seed = _seed(seed, len(trials))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's, of experimental features
        drawn = itertools.chain(sampler.draw(space, own_seed, trials), _rest(space, own_seed, trials))
        proposals = (Proposal.of(space, params) for params in drawn)
        return next((proposal for proposal in proposals if proposal.digest not in tried), None)


def _rest(space: Space, seed: int, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
    """All combinations of a space in random order; of a space too large for that, many drawn evenly."""
    if space.size is None or space.size > COUNTED:
        yield from by_optuna(RandomSampler(seed=seed), space, trials, 10 * REPEATS)
    else:
        points = list(space.points())
        random.Random(seed).shuffle(points)
        yield from points


def _seed(seed: int, n: int) -> int:
    """A seed for each number of trials, so that a proposal depends on the search's seed and the trials alone."""
    return int.from_bytes(hashlib.sha256(f"{seed} {n}".encode()).digest()[:4])
