"""The command ``nextbar try``: from a file of bars to a first verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Debug, Quiet, set_level
from nextbar.errors import RunError


def try_(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR...", help="Bars of any layout, or folders of them.", show_default=False),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", help="Where to; made if need be.", show_default="try-<ticker>-<resolution>"
        ),
    ] = None,
    ticker: Annotated[str | None, typer.Option("--ticker", metavar="NAME", show_default="by column or name")] = None,
    resolution: Annotated[
        str | None, typer.Option("--resolution", metavar="1h|1d|…", show_default="by name, or by the dates")
    ] = None,
    drop_bad: Annotated[bool, typer.Option("--drop-bad", help="Leave out rows with a problem, and say which.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace bars that an earlier try wrote, with those of a newer file.")
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Begin here: check bars, write an experiment for them with comments, train it briefly, and report.

    Prints the name of the page. The same command again goes on where it was, with the experiment as it is then.
    """
    with clean_exit(debug):
        set_level(quiet)
        with immediate_interrupt():
            from nextbar.bars.drafting import draft_experiment
            from nextbar.bars.importing import ImportOptions
            from nextbar.logger import get_logger
            from nextbar.report import write_report
            from nextbar.train.trainer import Trainer

        options = ImportOptions(ticker=ticker, resolution=resolution, drop_bad=drop_bad, guess=True)
        draft = draft_experiment(sources, to, options, overwrite=overwrite)
        log = get_logger()
        for line in draft.notices:
            log.info(line)
        log.info("the experiment: %s", draft.path)
        result = Trainer(config=draft.config, show=False if quiet else None).train_and_evaluate()
        if result.status == "diverged":
            raise RunError(f"The training diverged: {result.message}")
        page = write_report(result.run_dir)
        log.info("change %s and train it: nextbar train %s", draft.path.name, draft.path)
        log.info("forecast from here: nextbar predict %s", result.run_dir)
        answer(page)
