"""Refuses a space with a choice that no experiment can have, before anything is trained."""

from __future__ import annotations

import random
from collections.abc import Iterator

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError
from nextbar.searching.space.space import Params, Space

TRIES = 300
"""combinations tried before a choice counts as impossible; smaller spaces are tried whole"""

MOST_LISTED = 10
"""impossible choices that a message lists"""


def require_possible(space: Space) -> ExperimentConfig:
    """Make sure that every choice is possible in some experiment.

    Returns:
        One of the experiments.

    Raises:
        ConfigError: a choice that the configuration refuses whatever the other fields are.
    """
    problems: list[str] = []
    accepted: ExperimentConfig | None = None
    first: ConfigError | None = None
    for name, dimension in space.dimensions.items():
        for label in dimension.extremes():
            refusal: ConfigError | None = None
            for params in samples(space):
                try:
                    accepted = space.config(params | {name: label})
                    break
                except ConfigError as error:
                    refusal = refusal or error
            else:
                problems.append(f"{name}: {label!r} is refused whatever the other fields are: {refusal}")
                first = first or refusal
    if not space.dimensions:
        return space.config({})
    if accepted is None:
        assert first is not None
        raise first
    if problems:
        more = [f"and {len(problems) - MOST_LISTED} more"] if len(problems) > MOST_LISTED else []
        raise ConfigError("search: " + "\n  ".join(problems[:MOST_LISTED] + more))
    return accepted


def samples(space: Space) -> Iterator[Params]:
    """All combinations of a small space; of a large one some, always the same, of choices and the ends of ranges."""
    if space.size is not None and space.size <= TRIES:
        yield from space.points()
        return
    chance = random.Random(0)
    lists = {name: list(dimension.extremes()) for name, dimension in space.dimensions.items()}
    for _ in range(TRIES):
        yield {name: chance.choice(labels) for name, labels in lists.items()}


def most_epochs(space: Space) -> int:
    """Epochs of the longest trainings."""
    return max(space.epochs(params) for params in samples(space))
