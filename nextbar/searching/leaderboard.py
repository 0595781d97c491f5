"""The leaderboard of a study: a row for each trial with ranking score, test scores, values drawn, and faults."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from nextbar.errors import ConfigError
from nextbar.files import write_whole
from nextbar.searching.outcome import best_so_far
from nextbar.searching.space.space import Space
from nextbar.searching.trials import FACTS, LEASED
from nextbar.tables import plain_table, rounded, signed

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]

SCORES = ("ranking_score", "validation", "validation_baseline", "validation_strongest", "validation_skill", "test",
          "test_baseline", "test_strongest", "test_skill", "test_p_value", "strongest")  # fmt: skip
COLUMNS = ("rank", "trial", "status", *SCORES)
"""columns before the fields; the scores are of the leading metric (mae, nll, log_loss), skills and p-value those over
the strongest simple rival, which ``strongest`` names, or else the baseline; the ranking score goes by the baseline"""
END = ("epochs", "best_epoch", "seconds", "run", "reason")
"""columns after the fields; the ranking score is that of ``best_epoch``"""
SHOWN = 30
"""rows on a terminal"""

_STATES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.COMPLETE: "finished",
}


def best_of(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The finished trial with the lowest ranking score, the earlier of two equals; None where none has finished."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(done, key=lambda trial: (trial.value, trial.number), default=None)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted field, where it is the only one of its name."""
    leaves = [name.rpartition(".")[2] for name in names]
    return {name: leaf if leaves.count(leaf) == 1 else name for name, leaf in zip(names, leaves, strict=True)}


def leaderboard(trials: Sequence[FrozenTrial], space: Space) -> list[Row]:
    """A row for each trial that counts: finished ones by ranking score, then pruned, failed and running ones.

    Two trials of one score stand in the order in which they were drawn. Only finished ones have a rank: a pruned trial
    has a score, the best of its epochs, but was not trained to its end.
    """
    order = {TrialState.COMPLETE: 0, TrialState.PRUNED: 1, TrialState.FAIL: 2}

    def place(trial: FrozenTrial) -> tuple[int, float, int]:
        score = trial.value if trial.value is not None and trial.state in order else 0.0
        return order.get(trial.state, 3), score, trial.number

    rows = []
    for rank, trial in enumerate(sorted(trials, key=place), 1):
        row = row_of(trial, space)
        rows.append(row | {"rank": rank if trial.state == TrialState.COMPLETE else None})
    return rows


def row_of(trial: FrozenTrial, space: Space) -> Row:
    """The row of a trial; None in columns that it has no value for."""
    facts: dict[str, Any] = trial.user_attrs.get(FACTS, {})
    row: Row = dict.fromkeys((*COLUMNS, *space.fields, *END))
    row |= {"trial": trial.number, "status": facts.get("status", _STATES[trial.state])}
    row["ranking_score"] = facts.get("ranking")
    for span in ("validation", "test"):
        row[span] = facts.get(span, {}).get("model")
        row |= {f"{span}_{kind}": facts.get(span, {}).get(kind) for kind in ("baseline", "strongest", "skill")}
        row["strongest"] = row["strongest"] or facts.get(span, {}).get("strongest_name")
    row["test_p_value"] = facts.get("test", {}).get("p_value")
    try:
        row |= space.values(trial.params)
    except ConfigError:
        row |= {name: dimension.value(trial.params[name]) for name, dimension in space.dimensions.items()}
    row |= {name: facts.get(name) for name in END}
    if trial.state == TrialState.RUNNING and (so_far := best_so_far(trial.intermediate_values)):
        row |= {"ranking_score": so_far.score, "best_epoch": so_far.epoch, "epochs": max(trial.intermediate_values)}
    if row["seconds"] is None:
        row["seconds"] = trial.user_attrs.get(LEASED, {}).get("seconds")
    return row


def write_leaderboard(path: Path, trials: Sequence[FrozenTrial], space: Space) -> None:
    """Write the table as CSV, whole or not at all."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*COLUMNS, *space.fields, *END], restval="", lineterminator="\n")
    writer.writeheader()
    for row in leaderboard(trials, space):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_whole(path, buffer.getvalue())


def leaderboard_table(rows: Sequence[Row], space: Space, most: int = SHOWN) -> Table:
    """The table for a terminal, the best first, ``most`` rows at most."""
    from rich.text import Text

    head, cells = leaderboard_cells(rows, space, most)
    names = {*space.dimensions, *short_names(list(space.dimensions)).values()}
    table = plain_table(head, right=[name for name in head if name not in (*names, "status", "reason")])
    for row, texts in zip(rows, cells, strict=False):
        style = "bold" if row["rank"] == 1 else "red" if row["status"] in ("failed", "diverged") else None
        table.add_row(*map(Text, texts), style=style)
    return table


def leaderboard_cells(rows: Sequence[Row], space: Space, most: int) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table for people, the best first, ``most`` rows at most."""
    fields = short_names(list(space.dimensions))
    scores = ("ranking_score", "test", "test_baseline", "test_strongest", "test_skill")
    with_reason = any(row["reason"] for row in rows[:most])
    head = ["rank", "trial", "status", scores[0], "best_epoch", *scores[1:], *fields.values(), "seconds",
            *(["reason"] if with_reason else [])]  # fmt: skip
    shown = []
    for row in rows[:most]:
        cells = [row["rank"], row["trial"], row["status"], _rounded(row["ranking_score"]), row["best_epoch"]]
        cells += [_rounded(row[name]) for name in scores[1:4]]
        cells += [signed(row["test_skill"])]
        cells += [_rounded(row[name]) for name in fields]
        cells += ["" if row["seconds"] is None else f"{row['seconds']:.1f}", *([row["reason"]] if with_reason else [])]
        shown.append(list(map(_cell, cells)))
    return head, shown


def _rounded(value: Any) -> Any:
    return rounded(value) if isinstance(value, float) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return repr(value) if isinstance(value, bool | int | float) else json.dumps(value)
