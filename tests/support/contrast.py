"""Colours of a style sheet, and the contrast that a text has before its background (WCAG 2.1, section 1.4.3)."""

from __future__ import annotations

import re

Colour = tuple[float, float, float, float]
"""red, green, blue of 0 ... 255, and opacity of 0 ... 1"""


def schemes(css: str) -> dict[str, dict[str, str]]:
    """Values of the variables by scheme; what dark does not name is as in light."""
    light, dark = (dict(re.findall(r"--([\w-]+):\s*([^;]+);", part)) for part in css.split("@media", 1))
    return {"light": light, "dark": light | dark}


def colour(value: str) -> Colour:
    """Of ``#rrggbb``, ``rgb(r, g, b)`` or ``rgba(r, g, b, a)``."""
    value = value.strip()
    if value.startswith("#"):
        red, green, blue = (int(value[i : i + 2], 16) for i in (1, 3, 5))
        return red, green, blue, 1.0
    numbers = [float(number) for number in re.findall(r"[\d.]+", value)]
    return (*numbers, 1.0)[:4]  # type: ignore[return-value]


def over(top: Colour, below: Colour) -> Colour:
    """A colour that lets another shine through."""
    alpha = top[3]
    red, green, blue = (alpha * a + (1 - alpha) * b for a, b in zip(top[:3], below[:3], strict=True))
    return red, green, blue, 1.0


def contrast(text: Colour, background: Colour) -> float:
    """1 (the same) to 21 (black on white)."""
    high, low = sorted((_luminance(over(text, background)), _luminance(background)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(value: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in value[:3])]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
