"""Rivals by name: what ``statsforecast:AutoETS(season_length=24)`` or ``chronos:FOLDER`` stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nextbar.arguments import strict_arguments
from nextbar.config.yaml_file import override
from nextbar.errors import ConfigError, nearest, short
from nextbar.rivals.base import LibraryRival
from nextbar.rivals.chronos import ChronosRival
from nextbar.rivals.darts import DartsRival
from nextbar.rivals.kronos import KronosRival
from nextbar.rivals.neuralforecast import NeuralForecastRival
from nextbar.rivals.statsforecast import StatsForecastRival
from nextbar.rivals.timesfm import TimesFMRival

LIBRARIES: dict[str, Callable[[str, Mapping[str, Any]], LibraryRival]] = {
    rival.extra: rival.called
    for rival in (StatsForecastRival, NeuralForecastRival, DartsRival, ChronosRival, TimesFMRival, KronosRival)
}
"""by what stands before the colon"""

_CALLED = re.compile(r"(?P<library>\w+):(?P<model>.+?)(?:\((?P<parameters>.*)\))?", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


@strict_arguments
def rival_called(text: str) -> LibraryRival:
    """The rival of a name: ``library:Model``, ``library:Model(parameter=value, ...)``, or ``library:FOLDER``.

    Values are read as in YAML.

    Raises:
        ConfigError: no such library or model, parameters that it does not take, a library that is not installed, a
            folder that is none.
    """
    called = _CALLED.fullmatch(text.strip()) if isinstance(text, str) else None
    if called is None:
        raise ConfigError(
            f"rivals: found {short(text)}, should be a library and its model or folder, such as "
            f"statsforecast:AutoETS; libraries are {', '.join(LIBRARIES)}"
        )
    library, model = called["library"], called["model"].strip()
    if library not in LIBRARIES:
        raise ConfigError(f"rivals: no library {library!r}{nearest(library, tuple(LIBRARIES))}")
    settings = split_rivals(called["parameters"] or "")
    names = [setting.partition("=")[0].strip() for setting in settings]
    rival = LIBRARIES[library](model, override({}, settings, names))
    if not hasattr(rival, "folder"):
        rival.name = text.strip()  # two models of one class differ in their parameters
    return rival


def split_rivals(text: str) -> list[str]:
    """The names in an option that takes several, with commas between them; commas inside brackets divide nothing."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
