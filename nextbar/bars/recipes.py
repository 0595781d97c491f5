"""Recipes: configurations measured for a kind of market, written out for somebody's folder of bars."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.folder import list_series
from nextbar.bars.slots import DAY, HOUR
from nextbar.bars.suggestion import exchange_of_training
from nextbar.bars.weekly_template import learn_template
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, listed, nearest
from nextbar.resolution import seconds

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parent / "configs" / "recipes")
"""where they lie in an installed package, and in a checkout"""
MINUTE = HOUR // 60


def recipe_names() -> list[str]:
    """Names of all recipes."""
    return sorted(path.stem for folder in FOLDERS for path in folder.glob("*.yaml"))


def recipe_summary(name: str) -> str:
    """The first line of a recipe's comment: what it is for."""
    return recipe_path(name).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def recipe_figures(name: str) -> list[str]:
    """The lines of a recipe's comment about what it costs and what to expect of it."""
    lines = recipe_path(name).read_text(encoding="utf-8").splitlines()
    figures = [line[1:].split(maxsplit=1) for line in lines if line.startswith(("# Cost", "# Expect"))]
    return [f"{name}: {text}" for name, text in figures]


def recipe_like(bars: Bars) -> str:
    """Name of the recipe for the market that a series is most like, by its resolution and hours."""
    step = seconds(bars.resolution)
    calendar = learn_template(bars.time_N, step)
    always = calendar.kind == "24/7"
    if step < 45 * MINUTE:
        return "intraday_5m"
    if step > 2 * HOUR:
        return "crypto_4h" if step < DAY // 2 else "crypto_1d" if always else "index_1d"
    return "crypto_1h" if always else "fx_1h" if calendar.slots_a_day * step > 20 * HOUR else "equity_1h"


def recipe_for(name: str, datapath: Path, tickers: Sequence[str] | None = None, resolution: str | None = None) -> str:
    """A recipe as the text of a YAML file for a folder of bars, its comments included.

    A recipe that names an exchange gets the one whose days and hours the bars of the training span have, else ``auto``.

    Args:
        name: of the recipe.
        datapath: folder of bars.
        tickers: those to train; None: all that the folder has.
        resolution: another bar interval than the recipe was measured at.

    Raises:
        ConfigError: no such recipe.
        DataError: the folder, the resolution or a ticker is not there; or, with a recipe that names an exchange, dates
            or closes that cannot be read.
    """
    text = recipe_path(name).read_text(encoding="utf-8")
    resolution = resolution or re.findall(r"^  resolution: *(\S+)", text, re.MULTILINE)[0]
    held = list_series(datapath)
    existing = sorted({ticker for interval, ticker, _ in held if interval == resolution})
    if not existing:
        intervals = dict.fromkeys(interval for interval, _, _ in held)
        raise DataError(
            f"{str(datapath)!r} has no bars of {resolution}, which recipe {name} is for; it has "
            f"{listed(intervals) or 'none at all'}. Name one of them with --resolution, or take another recipe"
        )
    if missing := [ticker for ticker in tickers or () if ticker not in existing]:
        raise DataError(
            f"{str(datapath)!r} has no bars of {listed(missing)} at {resolution}; it has {listed(existing)}"
        )
    chosen = list(tickers or existing)
    fields = {
        "datapath": json.dumps(str(datapath)),
        "tickers": json.dumps(chosen),
        "resolution": json.dumps(resolution),
    }
    if re.search(r"^  calendar: ", text, re.MULTILINE):
        fields["calendar"] = _calendar(load_bars(datapath, chosen, [resolution], TableNeeds(features="close")), name)
    for field, value in fields.items():
        line = f"  {field}: {value}"  # JSON is YAML, whatever a name consists of
        text = re.sub(rf"^  {field}: .*$", line.replace("\\", r"\\"), text, flags=re.MULTILINE)
    return text


def _calendar(series: Sequence[Bars], name: str) -> str:
    """The calendar of series for a recipe, with the reason as a comment."""
    exchange = exchange_of_training(series, ExperimentConfig.load(recipe_path(name)))
    if exchange is None:
        return "auto  # the days and hours of the training span are those of no exchange that was tried"
    return f"{exchange}  # the days and hours of the training span are those of this exchange"


def recipe_path(name: str) -> Path:
    """Where a recipe lies; ConfigError where there is none of that name."""
    for folder in FOLDERS:
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path
    raise ConfigError(f"recipe: found {name!r}, no such recipe{nearest(name, recipe_names())}")
