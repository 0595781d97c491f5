"""Long arrays: worked on in blocks that stay in the cache, and in threads, to which NumPy leaves the interpreter."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

T = TypeVar("T")

BLOCK = 2**14
"""rows of a block: of a few columns they fit into the cache of a core"""


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """``np.empty`` on a border of 64 bytes: where the host is JAX's device, it takes the array over without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    whole = np.empty(size + 64, np.uint8)
    first = -whole.ctypes.data % 64
    return whole[first : first + size].view(dtype).reshape(shape)


def blocks(rows: int) -> Iterator[slice]:
    """All of so many rows, a block after the other."""
    return (slice(first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK))


def in_threads(function: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
    """``list(map(function, *arguments))``, as many calls at a time as there are cores; arguments are of one length.

    Not for functions that change what all threads share: filters of warnings, say.
    """
    calls = list(zip(*arguments, strict=True))
    if len(calls) < 2:
        return [function(*call) for call in calls]
    with ThreadPoolExecutor(min(len(calls), cores())) as pool:
        return list(pool.map(function, *zip(*calls, strict=True)))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
