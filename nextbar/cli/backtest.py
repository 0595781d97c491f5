"""The command ``nextbar backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import As, Debug, On, Quiet, set_level, split_settings, watch_nans
from nextbar.errors import ConfigError

FOLDS_KEPT = "interrupted; folds that were trained are kept, and the same command goes on with the others"


def backtest(
    experiment: Annotated[
        Path, typer.Argument(help="Experiment, a YAML file.", metavar="CONFIG.yaml", show_default=False)
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="folds=5, window=expanding or sliding, refit_every=1, embargo=0, baselines=false or a list of names, "
            "conformal=true, levels=[0.5,0.9], positions.rule=sign, kelly, volatility or none, positions.cost_bps=5; "
            "and fields of the experiment to change, e.g. num_epochs=3.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    rivals: Annotated[
        str | None,
        typer.Option(
            "--rivals",
            metavar="NAME,…",
            help="Forecasters of other libraries, e.g. statsforecast:AutoETS, neuralforecast:NHITS(input_size=48), "
            "darts:LinearRegressionModel(lags=24), chronos:FOLDER, timesfm:FOLDER, kronos:FOLDER(tokenizer=FOLDER).",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw an earlier backtest of this experiment away first.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write all forecasts there too: .csv, .parquet, .jsonl, .feather …"),
    ] = None,
    as_format: As = "table",
    on: On = "local",
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train and score an experiment fold by fold through time, beside every baseline on the same bars.

    Prints the backtest's folder, and the file with its forecasts where one is asked for; everything else goes to
    standard error.
    """
    with clean_exit(debug, FOLDS_KEPT):
        set_level(quiet)
        with immediate_interrupt():
            watch_nans(debug)
            from nextbar.backtesting import BacktestOptions
            from nextbar.backtesting import backtest as run_backtest
            from nextbar.config import ExperimentConfig
            from nextbar.forecasts.formats import format_called, write_forecasts

        form = format_called(as_format)
        if out is not None:
            form.check_out(out, on_terminal=False)
        elif as_format != "table":
            raise ConfigError(f"--as {as_format}: where to? Name a file with --out; the folder has them as a table")
        own, overrides = split_settings(settings or [], BacktestOptions, "backtest")
        config = ExperimentConfig.load(experiment, overrides)
        if rivals is not None:
            from nextbar.rivals.names import split_rivals

            own["rivals"] = [*own.get("rivals", ()), *split_rivals(rivals)]
        result = run_backtest(config, on=on, overwrite=overwrite, show=False if quiet else None, **own)
        answer(result.path)
        if out is not None:
            write_forecasts(out, result.forecasts, as_format)
            answer(out)
