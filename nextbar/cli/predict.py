"""The command ``nextbar predict``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nextbar.cli.answer import answer, answer_bytes
from nextbar.cli.exits import NOTHING_WRITTEN, clean_exit, immediate_interrupt
from nextbar.cli.options import As, Conformal, Epoch, FitScaler, Levels, Named, Now, On, Runs, Tickers, called, listed
from nextbar.errors import ConfigError
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
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to: .csv, .csv.gz, .parquet, .json, .jsonl or .feather.",
            show_default="standard output, as CSV",
        ),
    ] = None,
    as_format: As = "table",
    levels: Levels = None,
    every: Annotated[bool, typer.Option("--all", help="Forecast from every bar, not from the last one alone.")] = False,
    now: Now = None,
    tickers: Tickers = None,
    fit_scaler: FitScaler = False,
    conformal: Conformal = False,
    law: Annotated[bool, typer.Option("--law", help="Add scale (and df, skew) of a distribution.")] = False,
    quantiles: Annotated[
        str | None,
        typer.Option("--quantiles", metavar="SHARE,…", help="What the close stays below, e.g. 0.1,0.5,0.9."),
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option(
            "--probability", metavar="SIDE=PRICE,…", help="Of a close above or below a price: above=5000,below=4800."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", help="Draw N paths over the horizon from a distribution.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the paths.")] = 0,
    on: On = "local",
    epoch: Epoch = None,
) -> None:
    """Forecast the bars after the last one of each ticker.

    Prints a table as CSV, or what --as asks for, or the name of the file it was written to.
    """
    with clean_exit(interrupted=NOTHING_WRITTEN):
        with immediate_interrupt(NOTHING_WRITTEN):
            from nextbar.bars.new_bars import read_new_bars
            from nextbar.forecasts import check_levels
            from nextbar.forecasts.formats import encoded_forecasts, format_called, write_forecasts
            from nextbar.forecasts.quantities import Quantities
            from nextbar.forecasts.writing import BINARY
            from nextbar.inference.forecaster import Forecaster
            from nextbar.machine.interruptible import run_interruptible

        texts: Any = None if levels is None else levels.split(",")
        shares = None if texts is None else check_levels(texts)
        shares_below = [] if quantiles is None else quantiles.split(",")
        questions: Any = {"quantiles": shares_below, "samples": samples, "seed": seed, **_sides(probability)}
        Quantities.of(**questions)
        form = format_called(as_format)
        form.check_out(out, sys.stdout.isatty())
        with told_as_damage(called(path)):
            forecaster = Forecaster.load(path if len(path) > 1 else path[0], epoch, run=run)
            bars = read_new_bars(forecaster.config, data=data or forecaster.datapath, tickers=listed(tickers))
            options: Any = {"now": now, "fit_scaler": fit_scaler, "conformal": conformal, "law": law, **questions}
            work = partial(forecaster.predict, bars, shares, last_only=not every, on=on, **options)
            # of a cluster the workers are told of Ctrl-C, for which it has to be heard here
            table = run_interruptible(work, lambda: None) if on == "local" else work()
        if out is None:
            answer_bytes(encoded_forecasts(table, as_format), is_text=form.endings[0] not in BINARY)
        else:
            write_forecasts(out, table, as_format)
            answer(out)


def _sides(text: str | None) -> dict[str, list[str]]:
    """The prices in ``above=5000,below=4800``, by side.

    Raises:
        ConfigError: a side that is neither.
    """
    sides: dict[str, list[str]] = {"above": [], "below": []}
    for part in text.split(",") if text is not None else ():
        side, _, level = part.partition("=")
        if side.strip() not in sides:
            raise ConfigError(f"probability: found {part!r}, should be above=PRICE or below=PRICE, with commas between")
        sides[side.strip()].append(level)
    return sides
