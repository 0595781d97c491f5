"""The command ``nextbar export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import NOTHING_WRITTEN, clean_exit, immediate_interrupt
from nextbar.cli.options import Epoch, Named, Runs, called
from nextbar.folders import told_as_damage


def export(
    path: Runs,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="Where to; replaces an export.", show_default=False),
    ],
    run: Named = None,
    epoch: Epoch = None,
    format: Annotated[
        str,
        typer.Option(
            "--format", metavar="numpy|jaxexport|onnx", help="With the networks as StableHLO or ONNX as well."
        ),
    ] = "numpy",
) -> None:
    """Write a folder that forecasts without nextbar: a script for NumPy alone, weights, and what they must give.

    Prints the name of the folder.
    """
    with clean_exit(interrupted=NOTHING_WRITTEN):
        with immediate_interrupt(NOTHING_WRITTEN):
            from nextbar.exporting import export_run
            from nextbar.machine.interruptible import run_interruptible

        with told_as_damage(called(path)):
            folder = run_interruptible(
                lambda: export_run(path if len(path) > 1 else path[0], to, run=run, epoch=epoch, format=format),
                lambda: None,
            )
        answer(folder)
