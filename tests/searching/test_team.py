"""One study, several processes: on a PostgreSQL, on a journal file, and the workers of one command."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from postgres import postgres
from search_processes import finish, prepare, require_whole, start
from searches import searched

from nextbar.errors import RunError
from nextbar.searching import Study, team, worker_process
from nextbar.searching.shares import cores, shares
from nextbar.searching.trials import OWNER

N = 6


def together(folder: Path, storage: str) -> Study:
    """Three processes that begin at once and share a study."""
    space = prepare(folder)
    processes = [start(space, f"n_trials={N}", f"storage={storage}") for _ in range(3)]
    for process in processes:
        finish(process, space)
    study = Study.load(folder / "runs" / "test")
    require_whole(study, N)
    return study


@pytest.mark.slow
def test_three_processes_share_a_journal_file(tmp_path: Path) -> None:
    study = together(tmp_path, str(tmp_path / "shared.log"))
    assert len({one.user_attrs[OWNER]["token"] for one in study.trials}) > 1


@pytest.mark.slow
def test_three_processes_share_a_postgresql(tmp_path: Path) -> None:
    with postgres() as url:
        study = together(tmp_path, url)
        assert len({one.user_attrs[OWNER]["token"] for one in study.trials}) > 1
        assert study.optuna.best_trial.params == study.best_trial.params


@pytest.mark.slow
def test_workers_of_one_command_share_the_machine(tmp_path: Path) -> None:
    """One of them is killed; another takes its place, and its trial is gone on with."""
    space = prepare(tmp_path)
    process = start(space, "n_trials=5", "--workers", "2")
    members = workers_of(process)
    assert len(members) == 2
    while not list((tmp_path / "runs" / "test").glob("*/metrics.csv")) and process.poll() is None:
        time.sleep(0.02)
    members[0].kill()
    finish(process, space)
    assert "was killed (signal 9): another takes its place" in space.with_suffix(".log").read_text()
    require_whole(Study.load(tmp_path / "runs" / "test"), 5)
    assert not any(worker.is_running() for worker in members)


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """However early: here while they are still being loaded."""
    space = prepare(tmp_path)
    process = start(space, "n_trials=99", "--workers", "2")
    members = workers_of(process)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(members, timeout=120)
    assert len(gone) == 2 and not alive


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of its workers, once they are there."""
    while process.poll() is None:
        found = psutil.Process(process.pid).children()
        members = [child for child in found if "nextbar.searching.worker_process" in " ".join(child.cmdline())]
        if len(members) == 2:
            return members
        time.sleep(0.02)
    return []


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_too_and_nothing_is_lost(tmp_path: Path) -> None:
    """A terminal sends it to all of them."""
    space = prepare(tmp_path)
    process = start(space, "n_trials=4", "--workers", "2", group=True)
    members = workers_of(process)
    while not list((tmp_path / "runs" / "test").glob("*/metrics.csv")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) == 130
    assert "of 4 trials have ended and are kept" in space.with_suffix(".log").read_text()
    assert not any(worker.is_running() for worker in members)
    finish(start(space, "n_trials=4"), space)
    require_whole(Study.load(tmp_path / "runs" / "test"), 4)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('the disk is full')", "^the disk is full$"),
        ("raise SystemExit(3)", "a worker has ended with code 3"),
        ("import os; os.kill(os.getpid(), 9)", "a worker has ended with code -9"),
    ],
)
def test_a_worker_that_cannot_go_on_ends_the_search(
    tmp_path: Path, code: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(self: team.Team, task: Path, temporary: Path, index: int) -> subprocess.Popen[bytes]:
        started.append(index)
        with (temporary / f"{index}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)

    monkeypatch.setattr(team.Team, "_start", start)
    monkeypatch.setattr(team, "MOST_RESTARTS", 2)
    with pytest.raises(RunError, match=message):
        searched(tmp_path, n_trials=2, workers=2)
    assert len(started) == (4 if "kill" in code else 2)


def test_where_one_worker_cannot_be_started_those_before_it_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(self: team.Team, task: Path, temporary: Path, index: int) -> subprocess.Popen[bytes]:
        if index == 1:
            raise OSError("no more processes")
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return started[0]

    monkeypatch.setattr(team.Team, "_start", start)
    with pytest.raises(OSError, match="no more processes"):
        searched(tmp_path, n_trials=2, workers=2)
    try:
        assert started[0].poll() is not None
    finally:
        started[0].kill()


def test_what_a_worker_cannot_read_or_write_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here its task, a folder."""
    monkeypatch.setattr(sys, "argv", ["worker_process", str(tmp_path), "0", "1"])
    with pytest.raises(SystemExit, match="1"):
        runpy.run_path(worker_process.__file__, run_name="__main__")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(tmp_path) in said


def test_the_shares_of_workers_are_apart_and_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3, 14)), raising=False)
    for workers in (1, 2, 3, 11):
        parts = [cores(i, workers) or [] for i in range(workers)]
        assert sorted(core for part in parts for core in part) == list(range(3, 14))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [cores(i, 13) for i in (0, 11)] == [[3], [3]]
    assert shares(0, 2, {})["NPROC"] == "5"
    one_gpu, two = {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "4,5"}
    assert float(shares(0, 3, one_gpu)["XLA_PYTHON_CLIENT_MEM_FRACTION"]) == pytest.approx(0.3)
    assert [shares(i, 3, two)["CUDA_VISIBLE_DEVICES"] for i in range(3)] == ["4", "5", "4"]
    assert float(shares(0, 3, two)["XLA_PYTHON_CLIENT_MEM_FRACTION"]) == pytest.approx(0.45)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in shares(0, 2, two)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in shares(0, 2, {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.2"})
