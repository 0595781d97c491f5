"""The examples run as they stand, twice: a second call finds what the first has made."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from doc_pages import ROOT
from forked_commands import forked_commands

EXAMPLES = {
    "train_on_a_frame.py": ["run folder", "nll", "close-lo-95"],
    "search_in_a_loop.py": ["validation mae skill", "best: runs"],
    "rival_in_a_backtest.py": ["rolling_20", "ewma_normal", "persistence"],
    "forecast_every_day.py": ["1 new forecast in forecasts.csv"],
}
ARGUMENTS = {"forecast_every_day.py": ["demo/data", "forecasts.csv"]}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What runs a program with all modules loaded."""
    with forked_commands(tmp_path_factory.mktemp("bin")) as commands:
        yield commands / "program"


def run(program: Path, name: str, folder: Path) -> str:
    command = [program, str(ROOT / "examples" / name), *ARGUMENTS.get(name, [])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == EXAMPLES.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: name a folder of bars and a file"),
        (["demo/dta", "forecasts.csv"], "error: demo/dta holds no 1d/spx_1d.csv"),
    ],
)
def test_the_job_refuses_what_it_cannot_use_in_a_sentence_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["forecast_every_day.py", *arguments])
    with pytest.raises(SystemExit, match=message):
        runpy.run_path(str(ROOT / "examples" / "forecast_every_day.py"), run_name="__main__")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, program: Path, tmp_path: Path) -> None:
    output = run(program, name, tmp_path)
    for text in EXAMPLES[name]:
        assert text in output
    again = run(program, name, tmp_path)
    if name == "forecast_every_day.py":
        assert "0 new forecasts" in again and len(pd.read_csv(tmp_path / "forecasts.csv")) == 1
    else:
        assert again == output
