"""Plain values, changed in one place in every way that leaves them plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

DEEPEST = 1
"""elements of a list that are changed; the others are of the same kind"""


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Each key and each of the first elements of a list deleted, renamed, or with a value of another type: what was
    done, and the values then."""
    for path in _paths(value, ()):
        for change in ("deleted", "renamed", "null", "text", "mapping"):
            changed = json.loads(json.dumps(value))
            inside = changed
            for key in path[:-1]:
                inside = inside[key]
            if change == "deleted":
                del inside[path[-1]]
            elif change == "renamed":
                if isinstance(inside, list):
                    continue
                inside[f"{path[-1]}_"] = inside.pop(path[-1])
            else:
                inside[path[-1]] = {"null": None, "text": "abc", "mapping": {"x": "y"}}[change]
            if changed != value:
                yield f"{'.'.join(map(str, path))} {change}", changed


def _paths(value: Any, above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[: None if isinstance(value, dict) else DEEPEST]:
        yield (*above, key)
        yield from _paths(item, (*above, key))
