"""The commands: arguments in, the library's answer out. No logic of its own.

Exit codes: 0 done; 1 something the user can mend, said in one message; 2 a command that cannot be understood;
130 interrupted. What a script may want goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from nextbar.errors import NextbarError, RunError, TrainingInterrupted

if TYPE_CHECKING:
    from rich.table import Table

    from nextbar.data.inventory import Holding

INTERRUPTED = 130
NOTHING_BEGUN = "interrupted; the same command starts again"

app = typer.Typer(
    help="Train transformers that predict the next bar of a market series, and see how much they learnt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(help="Bars on disk.", no_args_is_help=True)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line."""
    sys.unraisablehook = hear_again
    app(prog_name="nextbar")


def hear_again(swallowed: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came inside a finaliser or a callback of the garbage collector, where it gets lost.

    JAX has such a callback, and it runs all the time while bars are read.
    """
    if swallowed.exc_type is KeyboardInterrupt:
        # a moment later: here it would be swallowed once more
        threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,)).start()
    else:
        sys.__unraisablehook__(swallowed)


def _version(wanted: bool) -> None:
    if wanted:
        from nextbar import __version__

        typer.echo(f"nextbar {__version__}")
        raise typer.Exit


@app.callback()
def _nextbar(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="Experiment, a YAML file.", metavar="CONFIG.yaml", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Fields to change, e.g. num_epochs=3 model_config.d_model=64.", metavar="NAME=VALUE"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw an earlier run of this experiment away first.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Stop at the first NaN; show tracebacks. Slower.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show warnings and errors only.")] = False,
) -> None:
    """Train and score an experiment, or go on with one that was interrupted.

    Prints the run's folder; everything else goes to standard error.
    """
    with _told(debug):
        if quiet:
            logging.getLogger("nextbar").setLevel(logging.WARNING)
        with _loading():
            from nextbar.config import ExperimentConfig

        experiment = ExperimentConfig.load(config, overrides or [])
        with _loading():
            if debug:
                import jax

                jax.config.update("jax_debug_nans", True)
            from nextbar.train.trainer import Trainer

        result = Trainer(config=experiment, show=False if quiet else None).train_and_evaluate(overwrite=overwrite)
        typer.echo(result.run_dir)
        if result.status == "diverged":
            raise RunError(f"The training diverged: {result.message}")


@data.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if need be.")],
) -> None:
    """Write daily bars of the S&P 500 and the Nasdaq, 1999 to 2018, which come with a dependency."""
    with _told():
        from nextbar.data.samples import write_samples

        for path in write_samples(folder):
            typer.echo(path)


@data.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds <resolution>/<ticker>_<resolution>.*")],
) -> None:
    """List the series in a folder: rows, span, holes, calendar, problems. Exit code 1 where there are any."""
    with _told():
        from nextbar.data.inventory import take_inventory

        holdings = take_inventory(folder)
        _show(holdings)
        bad = [holding for holding in holdings if holding.problems]
        if bad:
            raise NextbarError(f"{len(bad)} of {len(holdings)} series cannot be used as they are.")


def _show(holdings: list[Holding]) -> None:
    from rich.console import Console

    # where nobody watches, lines are as long as they have to be
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    console.print(_table(holdings))
    for holding in holdings:
        for problem in holding.problems:
            console.print(f"{holding.path}: {problem}", style="red", markup=False, highlight=False)
        for notice in holding.notices:
            console.print(f"{holding.path}: {notice}", markup=False, highlight=False)


def _table(holdings: list[Holding]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("ticker", "resolution", "rows", "first", "last", "holes", "missing", "calendar", "problems"):
        table.add_column(name, justify="right" if name in ("rows", "holes", "missing") else "left")
    for one in holdings:
        rows, holes, missing = ("" if n is None else f"{n:,}" for n in (one.rows, one.holes, one.missing))
        cells = [one.ticker, one.resolution, rows, _date(one.first), _date(one.last), holes, missing]
        cells += [one.calendar or "", str(len(one.problems)) if one.problems else "none"]
        table.add_row(*map(Text, cells))
    return table


def _date(time: int | None) -> str:
    from datetime import UTC, datetime

    return "" if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


@contextmanager
def _told(debug: bool = False) -> Iterator[None]:
    """Turn what a user can mend into one message and an exit code."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has left (| head): typer ends quietly
    except (NextbarError, OSError) as error:
        if debug:
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except TrainingInterrupted as interruption:
        _leave(str(interruption))
    except KeyboardInterrupt:
        _leave(NOTHING_BEGUN)


@contextmanager
def _loading() -> Iterator[None]:
    """Ctrl-C ends the process at once: as an exception it may get lost in a module that is being imported."""
    before = signal.signal(signal.SIGINT, lambda *_: _leave(NOTHING_BEGUN))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(message: str) -> NoReturn:
    """End at once: an ordinary exit would wait for compiled code that still runs in a thread."""
    typer.echo(f"\n{message}", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
