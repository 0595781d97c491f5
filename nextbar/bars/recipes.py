"""Recipes: configurations measured for a kind of market, written out for somebody's folder of bars."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from nextbar.bars.folder import list_series
from nextbar.errors import ConfigError, DataError, listed, nearest

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parent / "configs" / "recipes")
"""where they lie in an installed package, and in a checkout"""


def recipe_names() -> list[str]:
    """Names of all recipes."""
    return sorted(path.stem for folder in FOLDERS for path in folder.glob("*.yaml"))


def recipe_summary(name: str) -> str:
    """The first line of a recipe's comment: what it is for."""
    return _text(name).partition("\n")[0].lstrip("# ")


def recipe_for(name: str, datapath: Path, tickers: Sequence[str] | None = None, resolution: str | None = None) -> str:
    """A recipe as the text of a YAML file for a folder of bars, its comments included.

    Args:
        name: of the recipe.
        datapath: folder of bars.
        tickers: those to train; None: all that the folder has.
        resolution: another bar interval than the recipe was measured at.

    Raises:
        ConfigError: no such recipe.
        DataError: the folder, the resolution or a ticker is not there.
    """
    text = _text(name)
    asked = resolution or re.findall(r"^  resolution: *(\S+)", text, re.MULTILINE)[0]
    series = list_series(datapath)
    existing = sorted({ticker for interval, ticker, _ in series if interval == asked})
    if not existing:
        intervals = dict.fromkeys(interval for interval, _, _ in series)
        raise DataError(
            f"{str(datapath)!r} has no bars of {asked}, which recipe {name} is for; it has "
            f"{listed(intervals) or 'none at all'}. Name one of them with --resolution, or take another recipe"
        )
    if missing := [ticker for ticker in tickers or () if ticker not in existing]:
        raise DataError(f"{str(datapath)!r} has no bars of {listed(missing)} at {asked}; it has {listed(existing)}")
    for field, value in (("datapath", str(datapath)), ("tickers", list(tickers or existing)), ("resolution", asked)):
        line = f"  {field}: {json.dumps(value)}"  # JSON is YAML, whatever a name consists of
        text = re.sub(rf"^  {field}: .*$", line.replace("\\", r"\\"), text, flags=re.MULTILINE)
    return text


def _text(name: str) -> str:
    for folder in FOLDERS:
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path.read_text()
    raise ConfigError(f"recipe: found {name!r}, no such recipe{nearest(name, recipe_names())}")
