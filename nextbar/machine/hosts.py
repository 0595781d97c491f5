"""Processes that train together, on several hosts: all compute, the first alone writes and decides."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nextbar import errors
from nextbar.errors import ConfigError, NextbarError, RunError
from nextbar.logger import get_logger
from nextbar.machine.interruptible import run_interruptible

T = TypeVar("T")
Tree = TypeVar("Tree")

PARTING = 20
"""seconds that a process waits at its end for the others to end too; after an error they may be waiting for it"""

SILENCE = 100
"""seconds without a sign of life after which a process counts as dead, and the others end"""

_SMALLEST = 4096
"""bytes of the smallest message; its length is rounded up to a power of two, since each length compiles"""


def join_hosts(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Join the other processes; comes before anything else that uses JAX.

    Args:
        coordinator: ``HOST:PORT`` of the first process, where it listens.
        processes: how many there are.
        process: number of this one, from 0.

    What is None JAX finds out itself: from ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``,
    or from a launcher that it knows, such as SLURM or Open MPI.

    Raises:
        ConfigError: something that JAX does not find out, or that cannot be.
        RunError: the others did not come.
    """
    if coordinator is not None and not coordinator.rpartition(":")[2].isdecimal():
        raise ConfigError(f"the coordinator is {coordinator!r}; give HOST:PORT of the first process")
    if processes is not None and process is not None and not 0 <= process < processes:
        raise ConfigError(f"the process is number {process} of {processes}; give 0 to {processes - 1}")
    try:
        jax.distributed.initialize(
            coordinator, processes, process, heartbeat_timeout_seconds=SILENCE, shutdown_timeout_seconds=PARTING
        )
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"cannot join other processes: {error}; give the coordinator's HOST:PORT, the number of processes and this "
            "one's (--coordinator, --processes, --process-id), or use a launcher that JAX knows, such as srun or mpirun"
        ) from None
    except RuntimeError as error:
        raise RunError(
            f"cannot join other processes: {error}; is process 0 running, and can its address be reached?"
        ) from None


def several() -> bool:
    """True where several processes train together."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def require_alone(work: str) -> None:
    """Refuse work that is one process's own where several train together.

    Args:
        work: its name, for the message.

    Raises:
        RunError: several processes have been joined.
    """
    if several():
        raise RunError(
            f"{work} is done by one process, and {jax.process_count()} have joined here to train; "
            "do it in a process that has joined none"
        )


def leads() -> bool:
    """True in the first process, and in one that is alone."""
    return not several() or jax.process_index() == 0


def from_first(work: Callable[[], T]) -> T:
    """Result of ``work``, which the first process alone does, in every process.

    Args:
        work: returns what JSON can hold, NaN included; tuples arrive as lists.

    Raises:
        Exception: that of ``work``, in every process; elsewhere a RunError stands for one that is no NextbarError.
    """
    if not several():
        return work()
    if not leads():
        reply = json.loads(_broadcast(b""))
        if "error" in reply:
            raise getattr(errors, reply["error"], RunError)(reply["message"])
        return reply["answer"]
    try:
        answer = work()
    except Exception as error:
        ours = isinstance(error, NextbarError)
        message = str(error) if ours else f"process 0: {type(error).__name__}: {error}"
        _broadcast(json.dumps({"error": type(error).__name__ if ours else "RunError", "message": message}).encode())
        raise
    _broadcast(json.dumps({"answer": answer}).encode())
    return answer


def tree_from_first(tree: Tree | None, like: Tree) -> Tree:
    """The first process's arrays, in every process.

    Args:
        tree: of the first process; what others have is not looked at.
        like: a tree of the same structure, shapes and types, in every process.
    """
    if not several():
        assert tree is not None
        return tree
    leaves, structure = jax.tree.flatten(jax.device_get(tree if leads() else like))
    leaves = [np.asarray(leaf) for leaf in leaves]
    data = _broadcast(b"".join(leaf.tobytes() for leaf in leaves) if leads() else b"")
    ends = np.cumsum([leaf.nbytes for leaf in leaves])
    parts = [data[end - leaf.nbytes : end] for leaf, end in zip(leaves, ends, strict=True)]
    received = [np.frombuffer(part, leaf.dtype).reshape(leaf.shape) for leaf, part in zip(leaves, parts, strict=True)]
    return jax.tree.unflatten(structure, received)


def by_first(work: Callable[[], T]) -> T | None:
    """Do ``work`` in the first process alone; None elsewhere. Its error is raised in every process."""
    done: list[T] = []
    from_first(lambda: done.append(work()))
    return done[0] if done else None


def require_same(what: str) -> None:
    """Refuse to train together with processes whose work is another.

    Raises:
        RunError: in every process, where ``what`` or the versions of nextbar and JAX differ.
    """
    if not several():
        return
    identity = f"{what} {version('nextbar')} {jax.__version__}"
    mine = np.frombuffer(hashlib.sha256(identity.encode()).digest(), np.uint8)
    all_PX = np.zeros((jax.process_count(), len(mine)), np.uint8)
    all_PX[jax.process_index()] = mine
    all_PX = _sum(all_PX)
    others = np.flatnonzero((all_PX != all_PX[0]).any(axis=1)).tolist()
    if others:
        raise RunError(
            f"of {len(all_PX)} processes, {others} found another configuration, other bars or other versions of nextbar"
            f" and JAX than process 0; this one has {identity}. Give all the same"
        )


@contextmanager
def first_talks() -> Iterator[None]:
    """Within the block the others log warnings only."""
    logger = get_logger()
    before = logger.level
    if not leads():
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _broadcast(data: bytes) -> bytes:
    """The first process's bytes, in every process; the others give none."""
    length = _sum(np.frombuffer(len(data).to_bytes(8, "little"), np.uint8))
    size = int.from_bytes(length.tobytes(), "little")
    room = np.zeros(max(_SMALLEST, 1 << (size - 1).bit_length()), np.uint8)
    room[: len(data)] = np.frombuffer(data, np.uint8)
    return _sum(room).tobytes()[:size]


def _sum(mine: np.ndarray) -> np.ndarray:
    """Sum over all processes of an array of one shape, in every process.

    One device of each takes part: of several, JAX would wait for the first alone, see ``Devices.fetch``.
    """
    firsts = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh(np.array([firsts[i] for i in range(jax.process_count())]), "processes")
    each, all_ = (NamedSharding(mesh, PartitionSpec(axis)) for axis in ("processes", None))
    own = jax.device_put(mine[None], firsts[jax.process_index()])
    own_PX = jax.make_array_from_single_device_arrays((jax.process_count(), *mine.shape), each, [own])
    return _waiting(lambda: np.asarray(_added(all_)(own_PX)))


@lru_cache
def _added(everywhere: NamedSharding) -> Callable[[jax.Array], jax.Array]:
    """The jitted sum over the axis P, which compiles once for each shape."""
    return jax.jit(lambda own_PX: own_PX.sum(axis=0, dtype=own_PX.dtype), out_shardings=everywhere)


def _waiting(call: Callable[[], T]) -> T:
    """The call, which waits for the other processes, so that Ctrl-C is heard meanwhile."""
    return run_interruptible(call, lambda: None)
