"""The command ``nextbar runs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import called
from nextbar.errors import RunError
from nextbar.tables import byte_size, plain_table, print_line, print_whole, stdout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from nextbar.runs.choice import Purpose
    from nextbar.runs.info import RunInfo

PURPOSES: tuple[Purpose, Purpose] = ("use", "scores")


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="LOG_DIR", help="Folder or address that holds runs, at any depth.")
    ] = Path("runs"),
) -> None:
    """List the runs in a folder: status, epochs, skill on the test span, size.

    A star marks the run that an experiment stands for: its latest refit, else the best by validation on the newest
    bars. Where forecasts are made with one run and scores are of another, it says which. A question mark: the best of
    each kind that cannot be ranked together; name one. Skill is that of the leading metric (mae, nll or log_loss):
    above 0 is better than the strongest simple rival (runs of earlier versions: than the plain baseline).
    """
    with clean_exit():
        with immediate_interrupt():
            from nextbar.runs.copies import local_cards
            from nextbar.runs.listing import nearby, runs_in

        cards = local_cards(folder)
        infos = runs_in(cards)
        if not infos:
            raise RunError(f"{called([folder])} holds no run" + (nearby(folder) if cards.sizes is None else ""))
        marks: dict[Path, str] = {}
        for experiment in {info.path.parent for info in infos}:
            marks |= _marks(experiment, [info for info in infos if info.path.parent == experiment])
        console = stdout()
        print_whole(console, _table(infos, cards.folder, marks), keys=2)
        for info in infos:
            if info.problem:
                print_line(console, info.problem, "red")


def _marks(experiment: Path, runs: list[RunInfo]) -> dict[Path, str]:
    """Marks in the last column, of the runs that an experiment stands for."""
    from nextbar.runs.choice import choose
    from nextbar.runs.listing import leaders

    try:
        used, scored = (choose(experiment, runs, purpose).path for purpose in PURPOSES)
    except RunError:
        best = leaders(runs)
        return {info.path: "?" for info in best}
    return {used: "*"} if used == scored else {used: "* predict", scored: "* evaluate"}


def _table(infos: list[RunInfo], folder: Path, marks: Mapping[Path, str]) -> Table:
    from rich.text import Text

    names = ("experiment", "run", "status", "epochs", "best epoch", "output mode", "skill", "size", "best")
    table = plain_table(names, right=("epochs", "best epoch", "skill", "size"))
    for info in infos:
        parent = info.path.parent
        is_inside = parent != folder and parent.is_relative_to(folder)
        experiment = str(parent.relative_to(folder)) if is_inside else info.experiment
        status = f"{info.status}, refit of {info.refit_of}" if info.refit_of else info.status
        status += ", final fit" if info.final_fit else ""
        epochs, best_epoch = ("" if n is None else str(n) for n in (info.epochs, info.best_epoch))
        skill = "" if info.skill is None else f"{info.skill:+.4f}"
        mark = marks.get(info.path, "")
        cells = [experiment, info.path.name, status, epochs, best_epoch, info.output_mode, skill]
        cells += [byte_size(info.bytes), mark]
        table.add_row(*map(Text, cells), style="red" if info.problem else "bold" if "*" in mark else None)
    return table
