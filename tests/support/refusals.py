"""A small experiment on disk, and the one message the real command refuses it with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from bar_files import bars_table, write
from builders import make_config
from typer.testing import CliRunner, Result

from nextbar.cli.app import app

BARS = bars_table(60)
LONGEST = 12
"""lines of a message: a heading, ten problems and how many more there are"""

GRID = ["model_config.output_mode=discrete_grid", "dataset_config.output_mode=discrete_grid"]


def save(folder: Path, content: pd.DataFrame | str | bytes = BARS, extension: str = "csv", name: str = "abc") -> Path:
    bars = folder / "bars"
    bars.mkdir(exist_ok=True)
    return write(bars, content, extension, name)


def experiment(folder: Path) -> Path:
    path = folder / "experiment.yaml"
    config = make_config(datapath=str(folder / "bars"), log_dir=str(folder / "runs"), tickers="abc", num_epochs=1)
    config.save(path)
    return path


def command(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", str(folder / "experiment.yaml"), *arguments])


def on_disk(folder: Path) -> dict[str, bytes | None]:
    """Every folder and file with its content; a lock is empty and may stay."""
    paths = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def refusal(folder: Path, *arguments: str) -> str:
    """The one message of a command that does nothing else."""
    before = on_disk(folder)
    result = command(folder, *arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stdout == "" and "Traceback" not in result.stderr and "Warning" not in result.stderr
    assert on_disk(folder) == before
    lines = result.stderr.splitlines()
    assert 0 < len(lines) <= LONGEST and len(set(lines)) == len(lines)
    return result.stderr


def require(message: str, *words: str) -> None:
    assert [word for word in words if word not in message] == [], message
