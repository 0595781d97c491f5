"""``nextbar runs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextbar.cli.leaving import at_once, told
from nextbar.errors import RunError
from nextbar.tables import plain_table, print_whole, stdout

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.table import Table

    from nextbar.runs import RunInfo


def runs(
    folder: Annotated[Path, typer.Argument(metavar="LOG_DIR", help="Holds runs, at any depth.")] = Path("runs"),
) -> None:
    """List the runs in a folder: status, epochs, skill on the test span, size.

    A star marks the best of those in one experiment that can be ranked together, chosen by validation. Skill is that of
    the leading metric (mae, nll or log_loss): above 0 is better than the baseline.
    """
    with told():
        with at_once():
            from nextbar.runs import leaders, list_runs, nearby

        found = list_runs(folder)
        if not found:
            raise RunError(f"{folder} holds no run{nearby(folder)}")
        experiments = {info.path.parent for info in found}
        best = {info.path for at in experiments for info in leaders([one for one in found if one.path.parent == at])}
        console = stdout()
        print_whole(console, _table(found, folder, best))
        for info in found:
            if info.problem:
                console.print(info.problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _table(found: list[RunInfo], folder: Path, best: Collection[Path]) -> Table:
    from rich.text import Text

    names = ("experiment", "run", "status", "epochs", "best epoch", "output mode", "skill", "size", "best")
    table = plain_table(names, right=("epochs", "best epoch", "skill", "size"))
    for info in found:
        at = info.path.parent
        experiment = str(at.relative_to(folder)) if at != folder and at.is_relative_to(folder) else info.experiment
        status = f"{info.status}, refit of {info.refit_of}" if info.refit_of else info.status
        epochs, best_epoch = ("" if n is None else str(n) for n in (info.epochs, info.best_epoch))
        skill = "" if info.skill is None else f"{info.skill:+.4f}"
        star = "*" if info.path in best else ""
        cells = [
            experiment,
            info.path.name,
            status,
            epochs,
            best_epoch,
            info.output_mode,
            skill,
            _size(info.bytes),
            star,
        ]
        table.add_row(*map(Text, cells), style="red" if info.problem else "bold" if star else None)
    return table


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
