"""The program ``nextbar``: all commands, by their names."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nextbar.cli.audit import audit
from nextbar.cli.backtest import backtest
from nextbar.cli.data import data
from nextbar.cli.evaluate import evaluate
from nextbar.cli.exit_codes import MENDABLE, MISUSED
from nextbar.cli.exits import repeat_lost_interrupt
from nextbar.cli.export import export
from nextbar.cli.predict import predict
from nextbar.cli.recipe import recipe
from nextbar.cli.report import report
from nextbar.cli.runs import runs
from nextbar.cli.search import search
from nextbar.cli.settings import SettingsCommand
from nextbar.cli.train import refit, train
from nextbar.cli.try_ import try_
from nextbar.cli.update import update, watch
from nextbar.cli.verify import verify

app = typer.Typer(
    help="Train transformers that predict the next bar of a market series, and see how much they learnt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data, name="data")
for _command in (
    try_, train, search, runs, evaluate, report, backtest, audit, refit, predict, update, watch, export, verify, recipe,
):  # fmt: skip
    app.command(
        _command.__name__.rstrip("_"),
        cls=SettingsCommand if _command in (train, search, backtest, audit) else None,
        # typer keeps line breaks after the first paragraph, however wide the terminal is
        help="\n\n".join(" ".join(paragraph.split()) for paragraph in (_command.__doc__ or "").split("\n\n")),
    )(_command)


def run() -> None:
    """Run the command line; exits as after a mendable error where it cannot be understood."""
    sys.unraisablehook = repeat_lost_interrupt
    try:
        app(prog_name="nextbar")
    except SystemExit as end:
        raise SystemExit(MENDABLE if end.code == MISUSED else end.code) from None


def _show_version(requested: bool) -> None:
    """Print the version and end."""
    if requested:
        from nextbar import __version__

        typer.echo(f"nextbar {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
