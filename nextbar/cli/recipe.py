"""The command ``nextbar recipe``: a configuration for a kind of market, for one's own bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit
from nextbar.errors import ConfigError


def recipe(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Of the recipe; none: list them.", show_default=False)
    ] = "list",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Bars: a folder that holds <resolution>/<ticker>_<resolution>.*"),
    ] = None,
    tickers: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="These only.", show_default="all of the folder")
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(metavar="1h", help="Another bar interval.", show_default="the recipe's")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="Where to; nothing is overwritten.", show_default="the screen"),
    ] = None,
) -> None:
    """List the recipes, or write one for a folder of bars: a configuration for a kind of market.

    Its comment says on what it was measured, if it was.
    """
    with clean_exit():
        from nextbar.bars.recipes import recipe_for, recipe_names, recipe_summary

        if name == "list":
            for each in recipe_names():
                typer.echo(f"{each:14} {recipe_summary(each)}")
            return
        if data is None:
            recipe_summary(name)  # an unknown name is said first
            raise ConfigError(f"recipe {name}: for which bars? Name their folder with --data DIR")
        text = recipe_for(name, data, tickers.split(",") if tickers else None, resolution)
        if out is None:
            answer(text, nl=False)
            return
        if out.exists():
            raise ConfigError(f"{out} exists already; name another file, or remove it")
        from nextbar.files import write_whole

        write_whole(out, text)
        answer(out)
