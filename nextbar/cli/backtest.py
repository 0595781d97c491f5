"""``nextbar backtest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nextbar.cli.leaving import at_once, told
from nextbar.cli.options import Debug, Quiet
from nextbar.cli.train import set_level, watch_nans
from nextbar.errors import ConfigError

INTERRUPTED = "interrupted; folds that were trained are kept, and the same command goes on with the others"


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
    with told(debug, INTERRUPTED):
        set_level(quiet)
        with at_once():
            watch_nans(debug)
            from nextbar.backtesting import backtest as run_backtest
            from nextbar.config import ExperimentConfig

        own, overrides = split_settings(settings or [])
        config = ExperimentConfig.load(experiment, overrides)
        result = run_backtest(config, overwrite=overwrite, show=False if quiet else None, **own)
        typer.echo(result.path)


def split_settings(settings: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Options of the backtest, their values read as in YAML, and the overrides of the experiment.

    Raises:
        ConfigError: no ``=``, a value that is not YAML, or a name that neither of the two has (the nearest is told).
    """
    from nextbar.backtesting import BacktestOptions
    from nextbar.config import ExperimentConfig
    from nextbar.config_check import field_names, nearest
    from nextbar.config_file import override

    names = {text: text.partition("=")[0].strip() for text in settings}
    options = field_names(BacktestOptions)
    known = (*options, *field_names(ExperimentConfig))
    for text, name in names.items():
        if "=" in text and name not in known:
            raise ConfigError(f"{text!r}: neither a backtest nor an experiment has {name!r}{nearest(name, known)}")
    own = [text for text, name in names.items() if name in options]
    return override({}, own, options), [text for text in settings if text not in own]
