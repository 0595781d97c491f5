"""Versions of Python and of the libraries that decide a run's numbers."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_VERSIONED = ("nextbar", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def versions() -> dict[str, str]:
    """By name; ``not installed`` where a library is not."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
