"""The command ``nextbar report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import NOTHING_WRITTEN, clean_exit, immediate_interrupt
from nextbar.cli.options import Data, Named, Revised


def report(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of a run, of a backtest, of a study, or of another experiment: then its run; or the address "
            "of a run or an experiment, with --out.",
            metavar="RUN|BACKTEST|STUDY",
            show_default=False,
        ),
    ],
    run: Named = None,
    data: Data = None,
    revised: Revised = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to.", show_default="report.html in the folder")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write one HTML page about a run, a backtest or a study, which needs nothing else to be read.

    Prints the name of the file.
    """
    with clean_exit(interrupted=NOTHING_WRITTEN):
        with immediate_interrupt(NOTHING_WRITTEN):
            from nextbar.machine.interruptible import run_interruptible
            from nextbar.report import write_report

        page = run_interruptible(lambda: write_report(source, out, run=run, data=data, revised=revised), lambda: None)
        answer(page)
        if show:
            import webbrowser

            webbrowser.open(page.absolute().as_uri())
