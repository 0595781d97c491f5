"""Ctrl-C at any moment: the process ends within two seconds, says how to go on, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from bar_files import bars_table
from builders import make_config
from processes import interrupt, wait_for

from nextbar.cli.exits import repeat_lost_interrupt

if sys.platform == "win32":
    pytest.skip("no SIGINT for a single process", allow_module_level=True)

CACHE_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}
"""so that a second process of a test need not compile"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bars" / "1h").mkdir(parents=True)
    bars_table(400).to_csv(tmp_path / "bars" / "1h" / "abc_1h.csv", index=False)
    make_config(datapath="bars", log_dir="runs", tickers="abc", num_epochs=40).save(tmp_path / "experiment.yaml")
    return tmp_path


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "nextbar", "train", "experiment.yaml", *overrides]


@contextmanager
def started(folder: Path, *overrides: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(*overrides),
        cwd=folder,
        env=os.environ | CACHE_ALL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def summary(folder: Path) -> dict:
    (path,) = folder.glob("runs/test/*/summary.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize("module", ["pandas", "jax._src.config", "jax", "flax.linen"])
def test_while_modules_are_loaded_nothing_is_written(folder: Path, module: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # names each module when it is loaded
    with started(folder) as process:
        wait_for(process, f" {module}\n")
        assert interrupt(process).endswith("\ninterrupted; the same command starts again\n")
    assert not (folder / "runs").exists()


def test_while_the_commands_are_loaded():
    code = (
        "import os, signal, sys\n"
        "class Halt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Halt())\n"
        "from nextbar.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


def test_during_compilation(folder: Path):
    with started(folder, "model_config.num_layers=12") as process:  # takes many seconds
        wait_for(process, "windows:")
        time.sleep(0.5)
        assert "the same command" in interrupt(process).splitlines()[-1]
    assert summary(folder)["status"] == "interrupted"


@pytest.mark.slow
def test_between_epochs_and_on_from_there(folder: Path):
    with started(folder, "num_epochs=100000") as process:
        wait_for(process, "epoch 3/")
        last = interrupt(process).splitlines()[-1]
    assert summary(folder)["message"] == last
    done = int(last.split("interrupted after ")[1].split()[0])
    assert done >= 3 and "the same command goes on from there" in last
    with started(folder, "num_epochs=100000") as process:
        assert f"going on after epoch {done} of" in wait_for(process, "going on")
        assert f"epoch {done + 1}/" in wait_for(process, "train/loss")
        interrupt(process)


@pytest.mark.slow
def test_an_interrupted_training_ends_like_an_undisturbed_one(folder: Path):
    for _ in range(3):
        with started(folder) as process:
            if "epoch" in wait_for(process, "epoch "):
                interrupt(process)
    done, calm = (
        subprocess.run(command(*where), cwd=folder, env=os.environ | CACHE_ALL, capture_output=True, text=True)
        for where in ([], ["log_dir=calm"])
    )
    assert done.returncode == 0 and summary(folder)["status"] == "finished"
    again, once = (pd.read_csv(folder / run.stdout.strip() / "metrics.csv", dtype=str) for run in (done, calm))
    pd.testing.assert_frame_equal(again, once)


class Finalised:
    """Is interrupted while it is thrown away, as JAX's callback of the garbage collector may be."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)


def test_an_interrupt_inside_a_finaliser_is_not_lost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "unraisablehook", repeat_lost_interrupt)
    with pytest.raises(KeyboardInterrupt):
        Finalised()
        for _ in range(100):
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("broken"), "ValueError: broken"),
        (RuntimeError("broken"), "RuntimeError: broken"),
        (RuntimeError("Event loop is closed"), ""),  # of arrays nobody waits for any more
    ],
)
def test_other_errors_in_a_finaliser_are_told_as_ever(error: Exception, told: str, capfd: pytest.CaptureFixture[str]):
    class Broken:
        def __del__(self) -> None:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", repeat_lost_interrupt)
        Broken()
    said = capfd.readouterr().err
    assert told in said if told else said == ""
