"""The colours that charts name, as the style sheet of a page knows them, and by value where there is no style sheet."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any


@cache
def style_sheet() -> str:
    """CSS that defines each colour, in light and in dark."""
    return (resources.files("nextbar.display") / "assets" / "colours.css").read_text(encoding="utf-8")


def painted(node: Any) -> Any:
    """A chart's plain data with the light value of each ``var(--name)``, for what has no style sheet."""
    if isinstance(node, str):
        name = re.fullmatch(r"var\(--([\w-]+)\)", node)
        return _light()[name[1]] if name else node
    if isinstance(node, dict):
        return {key: painted(value) for key, value in node.items()}
    return [painted(value) for value in node] if isinstance(node, list | tuple) else node


@cache
def _light() -> dict[str, str]:
    """Value of each variable of the first block."""
    block = style_sheet().partition("}")[0]
    return {name: value.strip() for name, value in re.findall(r"--([\w-]+):\s*([^;]+);", block)}
