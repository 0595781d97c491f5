"""The command ``nextbar predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import NOTHING_WRITTEN, clean_exit, immediate_interrupt
from nextbar.cli.options import Conformal, Epoch, FitScaler, Named, Runs, Tickers, listed
from nextbar.folders import told_as_damage


def predict(
    path: Runs,
    run: Named = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE|DIR",
            help="Bars: a file (with a column ticker, or of one series), or a folder that holds "
            "<resolution>/<ticker>_<resolution>.*",
            show_default="the folder of the training",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to: .csv, .csv.gz, .parquet or .json; else CSV on stdout."),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option("--levels", help="Intervals of a distribution, e.g. 0.9,0.99.", show_default="0.5,0.8,0.95"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Forecast from every bar, not from the last one alone.")] = False,
    now: Annotated[
        str | None,
        typer.Option(
            "--now",
            metavar="DATE|now",
            help="Leave out bars that close later.",
            show_default="now, for bars that reach up to it",
        ),
    ] = None,
    tickers: Tickers = None,
    fit_scaler: FitScaler = False,
    conformal: Conformal = False,
    law: Annotated[bool, typer.Option("--law", help="Add scale (and df, skew) of a distribution.")] = False,
    epoch: Epoch = None,
) -> None:
    """Forecast the bars after the last one of each ticker.

    Prints a table as CSV, or the name of the file it was written to.
    """
    with clean_exit(interrupted=NOTHING_WRITTEN):
        with immediate_interrupt(NOTHING_WRITTEN):
            from nextbar.bars.new_bars import read_new_bars
            from nextbar.forecasts import LEVELS, check_levels
            from nextbar.forecasts.writing import check_target, to_csv, write_table
            from nextbar.inference.forecaster import Forecaster
            from nextbar.machine.interruptible import run_interruptible

        texts: Any = LEVELS if levels is None else levels.split(",")
        shares = check_levels(texts)
        if out is not None:
            check_target(out)
        with told_as_damage(", ".join(map(str, path))):
            forecaster = Forecaster.load(path if len(path) > 1 else path[0], epoch, run=run)
            bars = read_new_bars(forecaster.config, data=data or forecaster.datapath, tickers=listed(tickers))
            table = run_interruptible(
                lambda: forecaster.predict(
                    bars, shares, last_only=not every, now=now, fit_scaler=fit_scaler, conformal=conformal, law=law
                ),
                lambda: None,
            )
        if out is None:
            answer(to_csv(table), nl=False)
        else:
            write_table(out, table)
            answer(out)
