"""Searches in processes of their own, as a user starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from bar_files import bars_table
from builders import make_config
from optuna.trial import TrialState
from refusals import save

from nextbar.searching import Study
from nextbar.searching.trials import CONFIGURATION, FACTS

SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_decay": [0.0, 1e-4, 1e-2],
}
"""varies nothing that is compiled"""


def prepare(folder: Path, search: Any = None, name: str = "space.yaml", **base: Any) -> Path:
    """Bars in files, and a space of the small experiment."""
    if not (folder / "bars").is_dir():
        save(folder, bars_table(150))
    base = {"log_dir": str(folder / "runs"), "num_epochs": 2, **base}
    config = make_config(datapath=str(folder / "bars"), tickers="abc", **base)
    path = folder / name
    path.write_text(yaml.safe_dump({"base": config.to_dict(), "search": search or SPACE}))
    return path


def start(space: Path, *arguments: str, group: bool = False) -> subprocess.Popen[bytes]:
    """``nextbar search``, on its own, what it says in ``<space>.log``; ``group``: at the head of a process group."""
    command = [sys.executable, "-m", "nextbar", "search", str(space), *arguments]
    with space.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0 if group else None
        )


def finish(process: subprocess.Popen[bytes], space: Path) -> None:
    code = process.wait(timeout=580)
    assert code == 0, space.with_suffix(".log").read_text()[-3000:]


def require_whole(study: Study, n: int, epochs: int = 2) -> None:
    """As many trials as asked, none that failed, no experiment twice, no epoch twice, by the rows of their metrics."""
    digests = [one.user_attrs[CONFIGURATION] for one in study.trials]
    assert len(digests) == len(set(digests)) == n
    assert {row["status"] for row in study.leaderboard} <= {"finished", "pruned"}
    runs = {one.user_attrs[FACTS]["run"]: epochs for one in study.trials}
    runs |= {one.user_attrs[FACTS]["run"]: max(one.intermediate_values) for one in study.trials
             if one.state == TrialState.PRUNED}  # fmt: skip
    there = {path.parent.name for path in study.path.glob("*/metrics.csv")}
    assert len(runs) == n and set(runs) == there
    for name, trained in runs.items():
        rows = (study.path / name / "metrics.csv").read_text().splitlines()[1:]
        assert len(rows) == trained, name
    assert (study.path / "leaderboard.csv").read_text().count("\n") == n + 1
    assert study.best.is_dir()
