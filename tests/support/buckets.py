"""Object storage in the memory of this process: what lies there after each step, machines that share it, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nextbar.storage.address import VARIABLE

ADDRESS = "memory://bucket/runs"
WRITES = ("put_file", "pipe_file", "rm_file")
READS = ("find", "cat_file", "get_file")

Content = Mapping[str, Any]
"""all objects, by path; whoever writes one puts another in its place"""


def content() -> Content:
    """What lies in storage now."""
    return dict(MemoryFileSystem.store)


def lay_out(objects: Mapping[str, Any]) -> None:
    """Have these objects in storage, those of ``content`` or bytes, and no others."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    for path, data in objects.items():
        if isinstance(data, bytes):
            MemoryFileSystem().pipe_file(path, data)
        else:
            MemoryFileSystem.store[path] = data


def on_machine(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Be a machine whose working folders and copies are in a folder."""
    patch.setenv(VARIABLE, str(folder))


@contextmanager
def steps() -> Iterator[list[Content]]:
    """What lies in storage after each object that was written or removed in the block."""
    seen: list[Content] = []

    def noted(usual: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            answer = usual(*args, **options)
            seen.append(content())
            return answer

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(MemoryFileSystem, name, noted(getattr(MemoryFileSystem, name)))
        yield seen


@contextmanager
def failing(fails: Callable[[str], bool] = lambda path: True) -> Iterator[None]:
    """Within the block storage does not answer for the paths that ``fails`` names."""

    def refused(usual: Callable[..., Any]) -> Callable[..., Any]:
        def act(system: MemoryFileSystem, *paths: Any, **options: Any) -> Any:
            if any(fails(str(path)) for path in paths):
                raise ConnectionError("Connection refused")
            return usual(system, *paths, **options)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in (*WRITES, *READS):
            patch.setattr(MemoryFileSystem, name, refused(getattr(MemoryFileSystem, name)))
        yield
