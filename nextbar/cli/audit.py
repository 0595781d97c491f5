"""The command ``nextbar audit``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Config, Debug, watch_nans
from nextbar.errors import DataError
from nextbar.tables import plain_table, print_line, print_whole, stdout

if TYPE_CHECKING:
    from rich.table import Table

    from nextbar.auditing import Audit

NOTHING_CHANGED = "interrupted; an audit changes nothing, the same command starts again"


def audit(
    config: Config,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Fields to change, e.g. dataset_config.datapath=data.", metavar="NAME=VALUE"),
    ] = None,
    cuts: Annotated[int, typer.Option("--cuts", metavar="N", help="Dates after which the bars are replaced.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the dates, and of what comes after them.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Look for leaks: does anything in an experiment know bars that had not closed yet?

    All bars after some dates are replaced, every stage from the indicators to the forecasts is run again with a short
    training, and what was known before must not move. The values of own columns, the dates and earlier runs are
    searched too. Writes nothing. Exit code 1 where there is a leak.
    """
    with clean_exit(debug, NOTHING_CHANGED):
        with immediate_interrupt(NOTHING_CHANGED):
            watch_nans(debug)
            from nextbar.auditing import audit as run_audit
            from nextbar.config import ExperimentConfig
            from nextbar.machine.interruptible import run_interruptible

        experiment = ExperimentConfig.load(config, overrides or [])
        result = run_interruptible(lambda: run_audit(experiment, cuts=cuts, seed=seed), lambda: None)
        if as_json:
            typer.echo(json.dumps(result.to_dict(), indent=2))
        else:
            _show(result)
        if not result.clean:
            n = len(result.leaks)
            raise DataError(f"{n} finding{'s' if n > 1 else ''}: what is scored on these bars may know later ones.")


def _show(result: Audit) -> None:
    from nextbar.bars.dates import iso

    console = stdout()
    print_whole(console, _table(result))
    for leak in result.leaks:
        print_line(console, f"{leak.stage}: {leak.text}.", "red")
    replaced = f"replaced: the bars of {', '.join(result.series)} after {', '.join(map(iso, result.cuts))}"
    columns = f"searched: {', '.join(result.columns) or 'no own column'}"
    for line in (replaced, columns, *result.left_out):
        print_line(console, line)


def _table(result: Audit) -> Table:
    from rich.text import Text

    from nextbar.auditing.result import STAGES

    table = plain_table(("stage", "looked at", "verdict", "findings"), right=("findings",))
    for stage, verdict in result.verdicts.items():
        cells = [stage, STAGES[stage], verdict, str(len(result.of(stage)) or "none")]
        table.add_row(*map(Text, cells), style=None if verdict == "clean" else "red")
    return table
