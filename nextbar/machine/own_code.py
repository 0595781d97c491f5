"""Hash of the code that this process runs, by its sources: no other code may read what is kept under it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from nextbar import IMPORTED_AT


def code_hash(modules: Iterable[Path], libraries: Iterable[str]) -> str | None:
    """Hash of some modules, and of the versions of what they call.

    Args:
        modules: source files, which need not exist.
        libraries: names of distributions.

    Returns:
        None where nobody can tell what runs: a source is missing, or has changed since this process began to import.
    """
    sources = tuple(modules)
    try:
        unchanged = bool(sources) and max(map(_changed, sources)) < IMPORTED_AT
    except OSError:
        unchanged = False
    return _hash(sources, tuple(libraries)) if unchanged else None


def _changed(source: Path) -> float:
    """When a file was last changed or copied; a copy may bring the date of its original."""
    status = source.stat()
    return max(status.st_mtime, status.st_ctime)


@cache
def _hash(sources: tuple[Path, ...], libraries: tuple[str, ...]) -> str:
    digest = hashlib.sha256(json.dumps([version(name) for name in libraries]).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()
