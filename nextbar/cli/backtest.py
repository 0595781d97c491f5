"""The command ``nextbar backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Debug, Quiet, set_level, split_settings, watch_nans

FOLDS_KEPT = "interrupted; folds that were trained are kept, and the same command goes on with the others"


def backtest(
    experiment: Annotated[
        Path, typer.Argument(help="Experiment, a YAML file.", metavar="CONFIG.yaml", show_default=False)
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="folds=5, window=expanding or sliding, refit_every=1, embargo=0, conformal=true; and fields of the "
            "experiment to change, e.g. num_epochs=3.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw an earlier backtest of this experiment away first.")
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train and score an experiment fold by fold through time, beside every baseline on the same bars.

    Prints the backtest's folder; everything else goes to standard error.
    """
    with clean_exit(debug, FOLDS_KEPT):
        set_level(quiet)
        with immediate_interrupt():
            watch_nans(debug)
            from nextbar.backtesting import BacktestOptions
            from nextbar.backtesting import backtest as run_backtest
            from nextbar.config import ExperimentConfig

        own, overrides = split_settings(settings or [], BacktestOptions, "backtest")
        config = ExperimentConfig.load(experiment, overrides)
        result = run_backtest(config, overwrite=overwrite, show=False if quiet else None, **own)
        answer(result.path)
