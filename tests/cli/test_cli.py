"""The command line: the library's answers on standard output, one message and an exit code otherwise."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import nextbar
from nextbar.cli.app import app
from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.errors import DataError, TrainingInterrupted
from nextbar.train.result import Result

run = CliRunner()


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "nextbar", *arguments], capture_output=True, text=True)


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    ExperimentConfig(
        model_config=ModelConfig(),
        dataset_config=DatasetConfig(datapath=str(tmp_path), tickers=["spx"], resolution="1d"),
        log_dir=str(tmp_path / "runs"),
        experiment_name="test",
    ).save(path)
    return path


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """--quiet sets a level, which is the process's in real life."""
    log = logging.getLogger("nextbar")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for the trainer: notes how it was called, does what a test tells it to."""
    seen = SimpleNamespace(outcome=Result(Path("runs/test/abc"), 1, "finished", {}))

    class Trainer:
        def __init__(self, config: ExperimentConfig, show: bool | None = None) -> None:
            seen.config, seen.show = config, show

        def train_and_evaluate(self, overwrite: bool = False) -> Any:
            seen.overwrite = overwrite
            if isinstance(seen.outcome, BaseException):
                raise seen.outcome
            return seen.outcome

    module = types.ModuleType("nextbar.train.trainer")
    module.Trainer = Trainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nextbar.train.trainer", module)
    return seen


def test_train_prints_the_run_folder(experiment: Path, trainer: SimpleNamespace) -> None:
    result = run.invoke(app, ["train", str(experiment)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "runs/test/abc\n", "")
    assert trainer.config == ExperimentConfig.load(experiment)
    assert (trainer.overwrite, trainer.show) == (False, None)


def test_train_hands_overrides_and_options_on(experiment: Path, trainer: SimpleNamespace) -> None:
    arguments = ["model_config.d_model=64", "num_epochs=3", "--overwrite", "--quiet", "learning_rate=1e-4"]
    assert run.invoke(app, ["train", str(experiment), *arguments]).exit_code == 0
    config = trainer.config
    assert (config.model_config.d_model, config.num_epochs, config.learning_rate) == (64, 3, 1e-4)
    assert (trainer.overwrite, trainer.show) == (True, False)
    assert logging.getLogger("nextbar").level == logging.WARNING


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (DataError("no ticker 'x'; there are: spx"), 1, "no ticker 'x'; there are: spx\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/logs"), 1, "Permission denied: '/logs'\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device\n"),
        (
            TrainingInterrupted("state saved; the same command goes on"),
            130,
            "\nstate saved; the same command goes on\n",
        ),
        (KeyboardInterrupt(), 130, "\ninterrupted; the same command starts again\n"),
    ],
)
def test_what_a_user_can_mend_is_one_message_and_no_traceback(
    experiment: Path,
    trainer: SimpleNamespace,
    outcome: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os._exit", sys.exit)  # an interrupted process ends without any ado, this one should not
    trainer.outcome = outcome
    result = run.invoke(app, ["train", str(experiment)])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.endswith(message)
    assert "Traceback" not in result.stderr


def test_a_diverged_training_is_the_users_to_mend(experiment: Path, trainer: SimpleNamespace) -> None:
    trainer.outcome = Result(Path("runs/d"), None, "diverged", {}, "the loss at step 7 is nan")
    result = run.invoke(app, ["train", str(experiment)])
    assert (result.exit_code, result.stdout) == (1, "runs/d\n")
    assert result.stderr == "The training diverged: the loss at step 7 is nan\n"


def test_debug_checks_for_nans_and_shows_the_traceback(
    experiment: Path, trainer: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: dict[str, Any] = {}
    monkeypatch.setattr("jax.config.update", lambda name, value: changed.update({name: value}))
    trainer.outcome = DataError("bad bars")
    result = run.invoke(app, ["train", str(experiment), "--debug"])
    assert result.exit_code == 1
    assert result.exception is trainer.outcome  # which the interpreter prints with its traceback
    assert changed == {"jax_debug_nans": True}


def test_a_configuration_that_is_not_there_or_wrong_is_told(tmp_path: Path, experiment: Path) -> None:
    missing = run.invoke(app, ["train", str(tmp_path / "none.yaml")])
    assert missing.exit_code == 1 and "none.yaml" in missing.stderr
    wrong = run.invoke(app, ["train", str(experiment), "model_config.d_modl=64"])
    assert wrong.exit_code == 1 and "d_modl" in wrong.stderr and "d_model" in wrong.stderr
    assert "Traceback" not in missing.stderr + wrong.stderr


def test_sample_and_check(tmp_path: Path) -> None:
    written = run.invoke(app, ["data", "sample", str(tmp_path)])
    assert written.stdout.splitlines() == [str(tmp_path / "1d" / f"{name}_1d.csv") for name in ("spx", "nasdaq")]
    checked = run.invoke(app, ["data", "check", str(tmp_path)])
    assert checked.exit_code == 0
    lines = [line.split() for line in checked.stdout.splitlines()]
    spx = "spx 1d 5,031 1999-01-04 00:00 2018-12-31 00:00 0 0 sessions UTC none"
    # which exchange the dates are of is told where the package that knows is installed
    assert spx.split() in lines and len([line for line in lines if not line[0].startswith(str(tmp_path))]) == 4


def test_check_shows_every_problem_and_exits_with_1(tmp_path: Path) -> None:
    run.invoke(app, ["data", "sample", str(tmp_path)])
    (tmp_path / "1d" / "bad_1d.csv").write_text("date,open,high,low,close\n2020-01-01,1,2,[0.5],0\n")
    checked = run.invoke(app, ["data", "check", str(tmp_path)])
    assert checked.exit_code == 1
    assert "bad_1d.csv: " in checked.stdout and "[0.5]" in checked.stdout
    assert checked.stderr == "1 of 3 series cannot be used as they are.\n"


def test_check_of_no_folder(tmp_path: Path) -> None:
    result = run.invoke(app, ["data", "check", str(tmp_path / "none")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none" in result.stderr and "Traceback" not in result.stderr


def test_version() -> None:
    assert shell("--version").stdout == f"nextbar {nextbar.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["data", "check", "-h"]])
def test_help_is_light(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom nextbar.cli.app import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        "print([m for m in ('jax', 'pandas', 'numpy', 'rich.progress', 'arch') if m in sys.modules])"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "Usage:" in output
    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["train", "a.yaml", "--no"], ["data", "check"]])
def test_a_command_that_cannot_be_understood(arguments: list[str]) -> None:
    result = shell(*arguments)
    assert result.returncode == 1 and result.stdout == "" and "Usage:" in result.stderr


@pytest.mark.parametrize("command", [lambda folder: ["--help"], lambda folder: ["data", "sample", str(folder)]])
def test_a_closed_pipe_is_no_traceback(tmp_path: Path, command: Callable[[Path], list[str]]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nextbar", *command(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # nobody reads
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
