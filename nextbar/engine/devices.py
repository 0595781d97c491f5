"""Devices that a training is spread over: where members, the windows of a batch and shared arrays lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

Tree = TypeVar("Tree")

MEMBERS, WINDOWS = "members", "windows"
"""axes of the mesh: members of a population, windows of a batch"""


@dataclass(frozen=True)
class Devices:
    """Placement of arrays on devices; compiled code depends on it.

    Bars and rows are on every device. So are the state and the hyper-parameters of a single training; those of a
    population lie with its members.
    """

    mesh: Mesh | None = None
    """None: one device, and nothing to spread"""

    @classmethod
    def of(cls, members: int = 1) -> Devices:
        """All devices, of all hosts, for so many trainings side by side.

        As many groups of devices as evenly divide the members; the devices of a group share its batches. Members need
        nothing from one another, so they come first; but what a host has to itself no other can read, so over several
        hosts there is one group.
        """
        devices = jax.devices()
        if len(devices) == 1:
            return cls()
        groups = math.gcd(members, len(devices)) if jax.process_count() == 1 else 1
        grid = np.array(devices).reshape(groups, -1)
        return cls(Mesh(grid, (MEMBERS, WINDOWS), axis_types=(AxisType.Auto, AxisType.Auto)))

    def place(self, tree: Tree, each: bool = False) -> Tree:
        """Put arrays where they belong: on every device, or, with an axis P in front (``each``), with the members."""
        sharding = self._sharding(each)
        if sharding is None:
            return jax.device_put(tree)

        def placed(leaf: Any) -> jax.Array:
            # device_put would ask all hosts whether they have the same, each time
            return jax.make_array_from_callback(np.shape(leaf), sharding, lambda index: leaf[index])

        return jax.tree.map(placed, self.fetch(tree))

    def fetch(self, tree: Tree) -> Tree:
        """Arrays on the host, once every device has done its part.

        ``device_get`` waits for one copy of an array that every device has, while the others may still be computing
        theirs: a process that ends meanwhile makes those of other hosts wait for minutes, or abort.
        """
        return jax.device_get(tree if self.mesh is None else jax.block_until_ready(tree))

    def jit(self, function: Callable[..., Any], each: bool = False, **options: Any) -> Any:
        """The jitted function; its results lie as ``place`` would put them."""
        sharding = self._sharding(each)
        if sharding is not None:
            options["out_shardings"] = sharding
        return jax.jit(function, **options)

    def each(
        self, function: Callable[..., Any], axes: tuple[int | None, ...], members: int, at_once: int
    ) -> Callable[..., Any]:
        """The function with an axis P, spread over the groups, on the arguments whose axis is 0.

        Args:
            function: of one member.
            axes: 0, or None for what all have.
            members: P.
            at_once: how many members one device computes side by side, at most; the others come after them.
        """
        if self.mesh is not None:  # the groups are side by side whatever a device does
            return jax.vmap(function, in_axes=axes, spmd_axis_name=MEMBERS)
        side_by_side = max(n for n in range(1, min(at_once, members) + 1) if members % n == 0)
        if side_by_side == members:
            return jax.vmap(function, in_axes=axes)

        def one_after_another(*arguments: Any) -> Any:
            own = {i: argument for i, argument in enumerate(arguments) if axes[i] == 0}

            def of(own: dict[int, Any]) -> Any:
                return function(*(own.get(i, argument) for i, argument in enumerate(arguments)))

            return jax.lax.map(of, own, batch_size=None if side_by_side == 1 else side_by_side)

        return one_after_another

    def spread(self, tree: Tree, axis: int = 0) -> Tree:
        """Inside compiled code: arrays with an axis B in front, or at ``axis``, spread over the devices of a group.

        What follows from them is computed where they are; what sums over B is summed over the devices. B need not be
        divisible: some devices then have fewer windows.
        """
        if self.mesh is None:
            return tree
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec(*[None] * axis, WINDOWS)))

    def _sharding(self, each: bool) -> NamedSharding | None:
        if self.mesh is None:
            return None
        return NamedSharding(self.mesh, PartitionSpec(MEMBERS) if each else PartitionSpec())


SINGLE_DEVICE = Devices()
"""one device, which has all"""


def free_memory() -> int | None:
    """Bytes that are left on each device; None: not known, as of CPUs."""
    stats = jax.local_devices()[0].memory_stats()
    return int(stats["bytes_limit"] - stats["bytes_in_use"]) if stats and "bytes_limit" in stats else None


def room() -> int | None:
    """Bytes that are left for work on each device, or in this machine where that is the device; None: not known."""
    free = free_memory()
    if free is not None:
        return free
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
