"""The command ``nextbar verify``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.errors import NextbarError
from nextbar.tables import print_line, stdout


def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder or address of a run, a backtest, a study, or several.")
    ],
) -> None:
    """Compare the files of runs, backtests, studies and exports with the checksums that were written with them.

    A line for each fault: damaged, missing or foreign files. Exit code 1 where there are any.
    """
    with clean_exit():
        with immediate_interrupt():
            from nextbar.storage.address import named
            from nextbar.verification import verify as verified

        results = verified(folder)
        console = stdout()
        for fault in (fault for result in results for fault in result.faults):
            place = named(fault.path)
            text = fault.text if place in fault.text else f"{place}: {fault.text}"
            style = "red" if fault.harmful else None
            print_line(console, text, style)
        damaged = [result for result in results if not result.whole]
        if damaged:
            raise NextbarError(f"{len(damaged)} of {_counted([result.kind for result in results])} damaged")
        console.print(f"{_counted([result.kind for result in results])} whole", markup=False, highlight=False)


def _counted(kinds: list[str]) -> str:
    """How many there are of each kind, such as ``3 runs, 1 study``."""
    plural = {"run": "runs", "backtest": "backtests", "study": "studies"}
    return ", ".join(f"{count} {kind if count == 1 else plural[kind]}" for kind, count in Counter(kinds).items())
