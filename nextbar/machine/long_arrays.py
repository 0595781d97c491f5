"""Long arrays: worked on in blocks that stay in the cache, and in threads, to which NumPy leaves the interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

BLOCK = 2**14
"""rows of a block: of a few columns they fit into the cache of a core"""


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
