"""The command ``nextbar search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import NOTHING_WRITTEN, clean_exit, immediate_interrupt
from nextbar.cli.options import Debug, On, Quiet, set_level, split_settings
from nextbar.errors import ConfigError
from nextbar.tables import stdout


def search(
    source: Annotated[
        Path,
        typer.Argument(
            help="A space: a YAML file with base (an experiment) and search (fields to vary). With --show: the folder "
            "of a study.",
            metavar="SPACE.yaml|STUDY",
            show_default=False,
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="n_trials=20, sampler=tpe, random or grid, pruner=none, median or hyperband, storage=URL or file, "
            "study_name=…, seed=0; and fields of the base to change, e.g. num_epochs=3.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes on this machine, or of a cluster.", show_default="1, or all"),
    ] = None,
    on: On = "local",
    show: Annotated[bool, typer.Option("--show", help="Print a study once more; nothing is trained.")] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train different combinations from a space and rank them by validation, or go on with a search.

    Prints the folder of the best run; everything else goes to standard error.
    """
    with clean_exit(debug):
        set_level(quiet)
        with immediate_interrupt(NOTHING_WRITTEN):
            from nextbar.searching import Study
            from nextbar.searching import search as run_search
            from nextbar.searching.options import SearchOptions

        own, overrides = split_settings(settings or [], SearchOptions, "search")
        if show:
            given = [*(settings or []), *([f"--on {on}"] if on != "local" else [])]
            if overrides or set(own) - {"storage"} or on != "local":
                raise ConfigError(f"--show takes storage=… and nothing else; found {', '.join(given)}")
            study = Study.load(source, own.get("storage"))
            study.show(stdout())
        else:
            study = run_search(
                source, **{"workers": workers, **own}, on=on, overrides=overrides, show=False if quiet else None
            )
        answer(study.best)
