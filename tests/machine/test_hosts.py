"""Two processes of four devices, each in a folder of its own as on two hosts, do together what one does alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import pytest
from builders import make_bars, make_config, make_frame
from on_devices import environment
from ports import free_port
from trainings import assert_another_training, assert_same_training

import nextbar
from nextbar.errors import ConfigError, RunError
from nextbar.machine import hosts
from nextbar.machine.hosts import by_first, from_first, join_hosts, leads, require_same
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary

EPOCHS = 8
MINUTES = 5

TRAIN = """
import jax
jax.config.update("jax_platforms", "cpu")
from nextbar.machine import hosts
hosts.SILENCE = 10  # a killed process is missed in seconds
from nextbar.cli import main
main()
"""

POPULATION = """
import json
import sys
from dataclasses import replace
from pathlib import Path
import jax
jax.config.update("jax_platforms", "cpu")
from nextbar.config import ExperimentConfig
from nextbar.machine.hosts import join_hosts, leads
from nextbar.train.population import train_population

if len(sys.argv) > 1:
    join_hosts(sys.argv[1], 2, int(sys.argv[2]))
config = ExperimentConfig.load("config.yaml", ["num_epochs=3"])
configs = [replace(config, seed=i, experiment_name=f"test{i}") for i in range(2)]

def watch(epoch, ranking):
    assert leads()
    return "enough" if epoch == 2 else ""

results = train_population(configs, watches=[None, watch], show=False)
told = {
    "ends": [(result.status, result.best_epoch) for result in results],
    "metrics": results[0].metrics["test"]["model"],
}
Path("told.json").write_text(json.dumps(told))  # Gloo writes on the standard output, also within a line
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, bars it knows by an absolute path, and the programs."""
    folder = tmp_path_factory.mktemp("hosts")
    for name, text in {"train.py": TRAIN, "population.py": POPULATION}.items():
        (folder / name).write_text(text)
    (folder / "bars" / "1h").mkdir(parents=True)
    frame = make_frame(make_bars(n=300)).drop(columns=["ticker", "resolution"])
    frame.to_parquet(folder / "bars" / "1h" / "made_up_1h.parquet")
    config = make_config(
        dropout=0.1, output_mode="distribution", datapath=str(folder / "bars"), num_epochs=EPOCHS, batch_size=48
    )
    config.save(folder / "config.yaml")
    return folder


def copies(host: Path, folder: Path) -> list[Path]:
    """The folders that the two processes run in; they share no disk but for the bars."""
    made = [folder / f"host{i}" for i in range(2)]
    for one in made:
        one.mkdir()
        (one / "config.yaml").write_bytes((host / "config.yaml").read_bytes())
    return made


def begin(host: Path, folder: Path, program: str, *arguments: str, devices: int = 4) -> subprocess.Popen[str]:
    """A program in a folder."""
    return subprocess.Popen(
        [sys.executable, str(host / program), *arguments],
        cwd=folder,
        env=environment(devices),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin_two(host: Path, folders: Sequence[Path], *changes: Sequence[str]) -> list[subprocess.Popen[str]]:
    """``nextbar train`` in both folders, each with its changes."""
    joined = ["--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", "2", "--process-id"]
    command = ["train.py", "train", "config.yaml"]
    return [begin(host, folder, *command, *changes[i], *joined, str(i)) for i, folder in enumerate(folders)]


def end(processes: Sequence[subprocess.Popen[str]], codes: Sequence[int] = (0, 0)) -> list[tuple[str, str]]:
    """What each of them said."""
    try:
        said = [process.communicate(timeout=60 * MINUTES) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, streams in zip(processes, said, strict=True):
        print(f"ended with {process.returncode}:", *streams, sep="\n")  # whole, where pytest shortens what it compares
    assert [process.returncode for process in processes] == list(codes)
    return said


def run_of(folder: Path, experiment: str = "test") -> Path:
    (found,) = (path for path in (folder / "runs" / experiment).iterdir() if path.is_dir())
    return found


@pytest.fixture(scope="module")
def alone(host: Path) -> Path:
    """The run of one process with one device."""
    end([begin(host, host, "train.py", "train", "config.yaml", "--quiet", devices=1)], [0])
    return run_of(host)


@pytest.mark.slow
def test_two_processes_train_as_one_does(host: Path, alone: Path, tmp_path: Path) -> None:
    """The first alone writes and speaks; the second hears that the training has ended, without a folder of its own."""
    folders = copies(host, tmp_path)
    (out, errors), (other_out, other_errors) = end(begin_two(host, folders, [], []))
    run = run_of(folders[0])
    assert_same_training(run, alone)
    assert len(read_metrics(run)) == EPOCHS and len(list(run.glob("events*"))) == 1
    assert out.splitlines()[-1] == str(run.relative_to(folders[0])) and f"epoch {EPOCHS}/{EPOCHS}" in errors
    assert "runs" not in other_out and other_errors == ""
    assert [path.name for path in folders[1].iterdir()] == ["config.yaml"]

    before = (run / "summary.json").read_bytes()
    (_, errors), _ = end(begin_two(host, folders, [], []))
    assert "has ended before" in errors and (run / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_a_killed_process_ends_the_other_and_both_go_on(host: Path, alone: Path, tmp_path: Path) -> None:
    """The second process has no disk to read the state from: it gets it from the first."""
    folders = copies(host, tmp_path)
    processes = begin_two(host, folders, [], [])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not rows_of(folders[0]) >= 3:
        time.sleep(0.05)
    processes[1].kill()
    said = processes[0].communicate(timeout=60 * MINUTES)
    assert processes[0].returncode != 0 and 3 <= rows_of(folders[0]) < EPOCHS, said
    end(processes[1:], [-9])

    (_, errors), (_, other_errors) = end(begin_two(host, folders, [], []))
    assert "going on after epoch" in errors and other_errors == ""
    run = run_of(folders[0])
    assert_same_training(run, alone)
    assert read_summary(run)["status"] == "finished" and len(read_metrics(run)) == EPOCHS
    assert [path.name for path in folders[1].iterdir()] == ["config.yaml"]


def rows_of(folder: Path) -> int:
    found = list(folder.glob("runs/test/*/metrics.csv"))
    return found[0].read_text().count("\n") - 1 if found else 0


@pytest.mark.slow
def test_processes_with_different_experiments_are_refused(host: Path, tmp_path: Path) -> None:
    folders = copies(host, tmp_path)
    said = end(begin_two(host, folders, ["seed=1"], ["seed=2"]), [1, 1])
    assert all("of 2 processes, [1] found another configuration" in errors for _, errors in said)
    assert not (folders[0] / "runs").exists()


@pytest.mark.slow
def test_what_stops_the_first_stops_all(host: Path, tmp_path: Path) -> None:
    folders = copies(host, tmp_path)
    (folders[0] / "runs").write_text("a file")
    said = end(begin_two(host, folders, [], []), [1, 1])
    assert all("cannot write to the log folder" in errors for _, errors in said)


@pytest.mark.slow
def test_a_population_of_two_processes_is_as_its_members_alone(host: Path, tmp_path: Path) -> None:
    """Also where a watch, which the first process asks, ends one of them."""
    folders = copies(host, tmp_path)
    address = f"localhost:{free_port()}"
    end([begin(host, folder, "population.py", address, str(i)) for i, folder in enumerate(folders)])
    single = tmp_path / "single"
    single.mkdir()
    (single / "config.yaml").write_bytes((host / "config.yaml").read_bytes())
    end([begin(host, single, "population.py", devices=1)], [0])
    first, second, wanted = (json.loads((folder / "told.json").read_text()) for folder in (*folders, single))
    assert first == second and first["ends"] == wanted["ends"]
    assert [status for status, _ in wanted["ends"]] == ["finished", "pruned"]
    for i, epochs in enumerate((3, 2)):
        found, other = run_of(folders[0], f"test{i}"), run_of(single, f"test{i}")
        assert_same_training(found, other)
        assert len(read_metrics(found)) == epochs
    assert_another_training(run_of(folders[0], "test0"), run_of(single, "test1"))
    assert not (folders[1] / "runs").exists()


@pytest.mark.parametrize(
    "work",
    [
        lambda: nextbar.refit("run"),
        lambda: nextbar.backtest(make_config()),
        lambda: nextbar.search({}),
        lambda: nextbar.Forecaster.load("run"),
        lambda: nextbar.evaluate(["run", "other"]),
    ],
)
def test_what_one_process_does_is_refused_among_several(
    work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "several", lambda: True)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(RunError, match="is done by one process, and 2 have joined here"):
        work()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("somewhere", 2, 0), "the coordinator is 'somewhere'; give HOST:PORT"),
        (("somewhere:x", 2, 0), "the coordinator is 'somewhere:x'; give HOST:PORT"),
        (("localhost:1", 2, 2), "the process is number 2 of 2; give 0 to 1"),
        (("localhost:1", 2, -1), "the process is number -1 of 2; give 0 to 1"),
    ],
)
def test_an_impossible_place_among_processes_is_refused(arguments: tuple[str, int, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        join_hosts(*arguments)


def test_a_process_alone_leads_and_asks_nobody() -> None:
    assert leads()
    assert from_first(lambda: 3) == by_first(lambda: 3) == 3
    require_same("anything")
    with pytest.raises(ZeroDivisionError):
        from_first(lambda: 1 // 0)


def test_options_of_several_processes_want_to_be_asked_for(host: Path) -> None:
    (said,) = end([begin(host, host, "train.py", "train", "config.yaml", "--processes", "2")], [1])
    assert "go with --distributed" in said[1]
