"""The commands ``nextbar train`` and ``nextbar refit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Config, Data, Debug, Named, On, Quiet, Run, set_level, watch_nans
from nextbar.errors import ConfigError, RunError

if TYPE_CHECKING:
    from nextbar.train.trainer import Result


def train(
    config: Config,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Fields to change, e.g. num_epochs=3 model_config.d_model=64.", metavar="NAME=VALUE"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw an earlier run of this experiment away first.")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            metavar="K",
            help="Train K seeds side by side, from the experiment's on.",
            show_default="1",
        ),
    ] = None,
    on: On = "local",
    distributed: Annotated[
        bool,
        typer.Option("--distributed", help="Train with other processes, on this host or others; see the three below."),
    ] = False,
    coordinator: Annotated[
        str | None,
        typer.Option("--coordinator", metavar="HOST:PORT", help="Of the first process.", show_default="the launcher's"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", help="How many.", show_default="the launcher's")
    ] = None,
    process_id: Annotated[
        int | None, typer.Option("--process-id", metavar="I", help="This one, from 0.", show_default="the launcher's")
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train and score an experiment, or go on with one that was interrupted.

    Prints the run's folder, with --seeds one for each seed; everything else goes to standard error. Of several
    processes the first one does.
    """
    with clean_exit(debug):
        set_level(quiet)
        with immediate_interrupt():
            from nextbar.config import ExperimentConfig

        if not distributed and (coordinator, processes, process_id) != (None, None, None):
            raise ConfigError("--coordinator, --processes and --process-id go with --distributed; add it")
        if on != "local" and (seeds is None or distributed):
            raise ConfigError(
                f"--on {on} trains several seeds, one on each worker: add --seeds K, without --distributed, with which "
                "several hosts train one model"
            )
        experiment = ExperimentConfig.load(config, overrides or [])
        with immediate_interrupt():
            watch_nans(debug)
            from nextbar.machine.hosts import join_hosts, leads

            if seeds is None:
                from nextbar.train.trainer import Trainer
            else:
                from nextbar.train.seeds import train_seeds

            if distributed:
                join_hosts(coordinator, processes, process_id)
        if not leads():
            set_level(quiet=True)
        show = False if quiet else None
        if seeds is None:
            _conclude(Trainer(config=experiment, show=show).train_and_evaluate(overwrite=overwrite))
        else:
            _conclude(*train_seeds(experiment, seeds, on=on, show=show, overwrite=overwrite).results)


def refit(
    path: Run,
    run: Named = None,
    data: Data = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw an earlier refit on these bars away first.")
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train a run's configuration once more on all bars, for use; as many epochs as its best checkpoint had.

    Prints the new run's folder. Nothing is left to score it on: the original run's test is the estimate of its error.
    """
    with clean_exit(debug):
        set_level(quiet)
        with immediate_interrupt():
            watch_nans(debug)
            from nextbar.bars.new_bars import read_new_bars
            from nextbar.runs.choice import chosen_run
            from nextbar.runs.records import read_config
            from nextbar.train.refit import refit as refit_run

        source, bars, folder = chosen_run(path, run, "scores"), None, data
        if data is not None and not data.is_dir():
            bars, folder = read_new_bars(read_config(source), data=data), None
        _conclude(refit_run(source, bars, data=folder, overwrite=overwrite, show=False if quiet else None))


def _conclude(*results: Result) -> None:
    """Print the folders of the runs; a training that diverged is an error."""
    from nextbar.machine.hosts import leads

    for result in results:
        if leads():
            answer(result.place)
    for result in results:
        if result.status == "diverged":
            raise RunError(f"The training diverged: {result.message}")
