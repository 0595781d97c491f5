"""``nextbar search``: what reaches the library, what is shown once more, and what is refused in one message."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from bar_files import bars_table
from builders import make_config
from refusals import on_disk, save
from searches import Pretender
from typer.testing import CliRunner, Result

from nextbar.cli.app import app
from nextbar.errors import OutOfMemory, RunError, TrainingInterrupted

cli = CliRunner()
SEEDS = {"seed": {"low": 0, "high": 30}}


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """--quiet sets a level, which is the process's in real life."""
    log = logging.getLogger("nextbar")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture
def pretender(monkeypatch: pytest.MonkeyPatch) -> Pretender:
    return Pretender(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Bars of one ticker, and a space."""
    save(tmp_path, bars_table(150))
    write(tmp_path)
    return tmp_path


def write(folder: Path, search: Any = None, **base: Any) -> None:
    config = make_config(datapath=str(folder / "bars"), log_dir=str(folder / "runs"), tickers="abc", **base)
    space = {"base": config.to_dict(), "search": SEEDS if search is None else search}
    (folder / "space.yaml").write_text(yaml.safe_dump(space))


def command(folder: Path, *arguments: str) -> Result:
    return cli.invoke(app, ["search", str(folder / "space.yaml"), *arguments])


def refusal(folder: Path, *arguments: str) -> str:
    """The one message of a command that does nothing else."""
    before = on_disk(folder)
    result = command(folder, *arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stdout == "" and "Traceback" not in result.stderr and "Warning" not in result.stderr
    assert on_disk(folder) == before
    lines = result.stderr.splitlines()
    assert 0 < len(lines) <= 12 and len(set(lines)) == len(lines)
    return result.stderr


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Notes how the search was called, and does what a test tells it to."""
    seen = SimpleNamespace(error=None)

    def stand_in(space: Path, **options: Any) -> SimpleNamespace:
        seen.space, seen.options = space, options
        if seen.error:
            raise seen.error
        return SimpleNamespace(best=Path("runs/test/best"))

    monkeypatch.setattr(sys.modules["nextbar.searching"], "search", stand_in)
    return seen


def test_settings_are_told_from_fields_of_the_base(folder: Path, seen: SimpleNamespace) -> None:
    settings = ["n_trials=7", "num_epochs=3", "sampler=grid", "pruner=median", "storage=sqlite:///x.db", "seed=5"]
    options = ["--workers", "3", "--on", "dask://lead:8786", "--quiet"]
    result = command(folder, *settings, "study_name=x", "model_config.d_model=16", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "runs/test/best\n", "")
    assert seen.space == folder / "space.yaml"
    assert seen.options == {
        "n_trials": 7, "sampler": "grid", "pruner": "median", "storage": "sqlite:///x.db", "seed": 5,
        "study_name": "x", "workers": 3, "on": "dask://lead:8786", "show": False,
        "overrides": ["num_epochs=3", "model_config.d_model=16"],
    }  # fmt: skip


def test_without_settings_the_library_decides(folder: Path, seen: SimpleNamespace) -> None:
    assert command(folder).exit_code == 0
    assert seen.options == {"workers": None, "on": "local", "overrides": [], "show": None}


def test_errors_and_ctrl_c_end_it_in_words(
    folder: Path, seen: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.error = RunError("the storage of the study has failed")
    result = command(folder)
    assert (result.exit_code, result.stderr) == (1, "the storage of the study has failed\n")
    monkeypatch.setattr("os._exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    seen.error = TrainingInterrupted("interrupted; 3 of 20 trials have ended")
    result = command(folder)
    assert result.exit_code == 130 and result.stderr.endswith("interrupted; 3 of 20 trials have ended\n")


def test_it_prints_the_best_run_and_shows_it_once_more(folder: Path, pretender: Pretender) -> None:
    done = command(folder, "n_trials=3")
    assert done.exit_code == 0, done.stderr
    best = Path(done.stdout.strip())
    assert best.is_dir() and best.parent == folder / "runs" / "test" and done.stdout.count("\n") == 1
    shown = cli.invoke(app, ["search", str(folder / "runs" / "test"), "--show"])
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0 and lines[0].split()[:3] == ["rank", "trial", "status"]
    assert lines[-1] == str(best) and "3 configurations were tried (3 finished)" in shown.stdout
    assert len(pretender.configs) == 3
    more = command(folder, "n_trials=4", "--quiet")
    assert (more.exit_code, more.stderr) == (0, "") and len(pretender.configs) == 4


def test_a_search_of_which_nothing_came_says_why_and_exits_with_1(folder: Path, pretender: Pretender) -> None:
    def score(config: Any, epoch: int) -> float:
        raise OutOfMemory("too large")

    pretender.score = score
    done = command(folder, "n_trials=2", "--quiet")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has finished:\n  too large\n" in done.stderr and "Traceback" not in done.stderr
    shown = cli.invoke(app, ["search", str(folder / "runs" / "test"), "--show"])
    assert shown.exit_code == 1 and "failed" in shown.stdout and "too large" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["n_trials=0"], ["n_trials: found 0, should be a whole number >= 1"]),
        (["n_trials=many"], ["n_trials: found 'many'"]),
        (["n_trial=3"], ["'n_trial=3': neither a search nor an experiment has 'n_trial'; did you mean n_trials?"]),
        (["num_epoch=3"], ["did you mean num_epochs?"]),
        (["n_trials"], ["override 'n_trials': should be name=value"]),
        (["sampler=best"], ["sampler: found 'best', should be one of 'tpe', 'random', 'grid'"]),
        (["pruner=median5"], ["pruner: found 'median5', should be one of 'none', 'median', 'hyperband'"]),
        (["--workers", "0"], ["workers: found 0"]),
        (["storage=postgresql+psycopg2://me:secret@127.0.0.1:1/x"], ["storage postgresql", "cannot be reached"]),
        (["storage=/proc/x/y.log"], ["storage /proc/x/y.log cannot be written"]),
        (["storage=space.yaml"], ["cannot be", "space.yaml"]),
        (["dataset_config.datapath=nowhere"], ["no folder 'nowhere'"]),
        (["dataset_config.tickers=[abd]"], ["no ticker 'abd' at 1h", "Did you mean 'abc'?"]),
        (["log_dir=/proc/x"], ["cannot write to the log folder /proc/x", "choose another log_dir"]),
        (["learning_rate=-1"], ["learning_rate: found -1"]),
        (["seed=x"], ["seed: found 'x'"]),
    ],
    ids=lambda part: part[0] if part and ("=" in part[0] or part[0].startswith("--")) else "",
)
def test_a_bad_setting(folder: Path, arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if arguments == ["storage=space.yaml"]:
        arguments, words = [f"storage={folder / 'space.yaml'}"], [f"{folder / 'space.yaml'} is no journal of a study"]
    message = refusal(folder, *arguments)
    assert [word for word in words if word not in message] == [], message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"d_modl": [8]}, "search: no field 'd_modl'; did you mean d_model?"),
        ({"d_model": []}, "search: model_config.d_model: the list of choices is empty"),
        ({"learning_rate": {"low": 1, "high": 0.1}}, "the range is upside down: low 1 is above high 0.1"),
        ({"d_model": "[2, 4] * d_modle"}, "did you mean d_model?"),
        ({"d_model": "__import__('os').getcwd()"}, "is no expression"),
        ({"n_heads": [2, 3]}, "model_config.n_heads: 3 is refused whatever the other fields are"),
        ({"test_split": [0.1, 0.2]}, "decides what is scored"),
        ({}, "there is no field to vary"),
    ],
    ids=str,
)
def test_a_bad_space(folder: Path, search: dict[str, Any], words: str) -> None:
    write(folder, search)
    message = refusal(folder)
    assert words in message, message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot read the configuration", "No such file"]),
        ("", ["the file is empty"]),
        ("base: {}", ["a space has the keys base (an experiment) and search (fields to vary); found base"]),
        ("base: {}\nsearch: [1]", ["search: found [1], should be a mapping of fields"]),
        ("base: {\n", ["not valid YAML"]),
    ],
)
def test_a_bad_file(folder: Path, content: str | None, words: list[str]) -> None:
    path = folder / "space.yaml"
    path.write_text(content or "")
    if content is None:
        path.unlink()
    message = refusal(folder)
    assert all(word in message for word in [*words, str(path)]), message


def test_a_study_of_that_name_with_another_space(folder: Path, pretender: Pretender) -> None:
    assert command(folder, "n_trials=1", "--quiet").exit_code == 0
    write(folder, {"seed": {"low": 0, "high": 31}}, batch_size=8)
    message = refusal(folder, "n_trials=1")
    assert "the study 'test' has another space:" in message
    assert "  base batch_size: 16 in the study, 8 here" in message and "30" in message and "31" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--show"], "nowhere is no study: it has no study.yaml"),
        (["nowhere", "n_trials=3", "--show"], "--show takes storage=… and nothing else; found n_trials=3"),
        (["nowhere", "num_epochs=3", "--show"], "--show takes storage=… and nothing else"),
        (["nowhere", "--show", "--on", "dask://lead:8786"], "nothing else; found --on dask://lead:8786"),
    ],
)
def test_what_cannot_be_shown(arguments: list[str], words: str) -> None:
    result = cli.invoke(app, ["search", *arguments])
    assert (result.exit_code, result.stdout) == (1, "") and words in result.stderr
