"""Versions of Python and of the libraries that decide a run's numbers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

_VERSIONED = ("nextbar", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "pandas")


def versions(also: Sequence[str] = ()) -> dict[str, str]:
    """By name; ``not installed`` where a library is not.

    Args:
        also: further libraries, which are left out where they are not installed.
    """
    by_name = {"python": platform.python_version()}
    for name in (*_VERSIONED, *also):
        try:
            by_name[name] = version(name)
        except PackageNotFoundError:
            if name in _VERSIONED:
                by_name[name] = "not installed"
    return by_name
