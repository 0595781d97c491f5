"""The order of the windows: every window once an epoch, in steps of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from nextbar.engine.permutation import permutation
from nextbar.types import Array


class Steps(NamedTuple):
    """Windows of consecutive steps, as compiled code takes them."""

    row_TB: Array
    """row of the last known bar"""
    weight_TB: Array
    """1, or 0 for what fills up the last step"""


@dataclass(frozen=True, eq=False)
class Order:
    """Windows one after the other, and the steps that they are computed in; on the host.

    Args:
        origin_N: int32, row of the last known bar of each window.
        batch_size: windows of a step.
        window: which of them comes at some places, see ``permutation``.
    """

    origin_N: np.ndarray
    batch_size: int
    window: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def shuffled(cls, origin_N: np.ndarray, batch_size: int, seed: int, epoch: int) -> Order:
        """That of one epoch of training."""
        return cls(origin_N, batch_size, permutation(len(origin_N), seed, epoch))

    @classmethod
    def straight(cls, origin_N: np.ndarray, batch_size: int) -> Order:
        """As the windows stand."""
        return cls(origin_N, batch_size, lambda place: place)

    def __len__(self) -> int:
        """Steps."""
        return -(-len(self.origin_N) // self.batch_size)

    def steps(self, first: int, count: int) -> Steps:
        """So many steps from one on; what goes beyond the last window begins again at the first."""
        place_TB = (first * self.batch_size + np.arange(count * self.batch_size)).reshape(count, self.batch_size)
        n = len(self.origin_N)
        return Steps(self.origin_N[self.window(place_TB % n)], (place_TB < n).astype(np.float32))

    def collect(self, parts: list[Any]) -> Any:
        """Put what was computed step by step, (T, B, ...) in consecutive parts, back in the order of the windows.

        Returns:
            The tree of a part, of arrays (N, ...); what was computed beyond the last window is left out.
        """
        n = len(self.origin_N)
        each, tree = [jax.tree.leaves(part) for part in parts], jax.tree.structure(parts[0])
        ordered = [np.empty((n, *leaf.shape[2:]), leaf.dtype) for leaf in each[0]]
        first = 0
        for leaves in each:
            last = min(first + leaves[0].shape[0] * self.batch_size, n)
            position_N = self.window(np.arange(first, last))
            for whole, leaf in zip(ordered, leaves, strict=True):
                whole[position_N] = leaf.reshape(-1, *leaf.shape[2:])[: last - first]
            first = last
        return jax.tree.unflatten(tree, ordered)


def stacked(steps: Sequence[Steps]) -> Steps:
    """Those of several members, with an axis P in front."""
    return jax.tree.map(lambda *members: np.stack(members), *steps)
