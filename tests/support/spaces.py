"""Spaces around a small experiment, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builders import make_config

from nextbar.searching.space.space import Space

RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def given(search: Any, **base: Any) -> dict[str, Any]:
    """A space as people write it; ``base`` as in ``make_config``."""
    return {"base": make_config(**base).to_dict(), "search": search}


def make_space(search: Any = RATES, overrides: Iterable[str] = (), **base: Any) -> Space:
    return Space.from_dict(given(search, **base), overrides)
