"""The interval of a bar as text: ``30m``, ``1h``, ``4h``, ``1d``, ``1w``."""

from __future__ import annotations

import re

from nextbar.errors import ConfigError, short

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FORM = re.compile(r"([1-9][0-9]{0,8})([smhdw])")

ALLOWED = "a whole number above 0 and a unit, s (seconds), m (minutes), h, d or w, such as 30m, 4h, 1d"


def seconds(resolution: str) -> int:
    """Length of one bar in seconds: ``seconds("4h") == 14400``.

    Raises:
        ConfigError: the text is not of the allowed form.
    """
    form = _FORM.fullmatch(resolution) if isinstance(resolution, str) else None
    if form is None:
        raise ConfigError(f"resolution: found {short(resolution)}, should be {ALLOWED}")
    return int(form[1]) * _SECONDS[form[2]]


def is_resolution(text: str) -> bool:
    """Whether a text is of the form of a resolution."""
    return _FORM.fullmatch(text) is not None


def span(length: int) -> str:
    """A length of time in seconds in its largest whole unit: ``4h``, ``90m``."""
    unit, size = next((u, n) for u, n in reversed(_SECONDS.items()) if length % n == 0)
    return f"{length // size}{unit}"
