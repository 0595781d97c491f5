"""Finding runs, saying what became of them, and choosing the best among those that can be compared."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from builders import make_config
from filelock import FileLock
from summaries import make_run
from trainings import train

from nextbar.checksums import write_text
from nextbar.errors import RunError
from nextbar.folders import is_claimed, lock_of
from nextbar.metrics.comparison import ranking_score
from nextbar.runs import info as info_module
from nextbar.runs.folder import RunFolder
from nextbar.runs.info import RunInfo, describe
from nextbar.runs.kinds import is_backtest, is_run
from nextbar.runs.listing import best_run, leaders, list_runs
from nextbar.runs.summary import read_summary


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run."""
    return train(tmp_path_factory.mktemp("runs"), num_epochs=1).run_dir


def test_a_real_run_is_described_as_its_summary_says(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    info = describe(trained)
    assert info == list_runs(trained.parents[1])[0] == list_runs(trained)[0]
    assert (info.experiment, info.status, info.output_mode, info.problem) == ("test", "finished", "mean", "")
    assert (info.epochs, info.best_epoch) == (1, 1)
    assert info.ranking == ranking_score(summary["metrics"]["validation"], "mean")
    assert info.skill == summary["metrics"]["test"]["skill"]["mae"]
    assert info.scored_bars == summary["scored_bars"]
    assert info.bytes == sum(file.stat().st_size for file in trained.rglob("*") if file.is_file())


def test_what_is_deleted_while_sizes_are_summed_is_no_damage(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As former checkpoints are, in a run that is being trained."""
    real, whole = info_module.os.lstat, describe(trained)

    def lstat(path: str | Path) -> os.stat_result:
        if "checkpoints" in str(path):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(info_module.os, "lstat", lstat)
    info = describe(trained)
    assert info.status == "finished" and 0 < info.bytes < whole.bytes


def test_runs_are_found_at_any_depth_and_nothing_else_is(tmp_path: Path, trained: Path) -> None:
    shutil.copytree(trained, tmp_path / "logs" / "b" / "copy")
    made = [make_run(tmp_path / "logs" / name) for name in ("a/1", "a/2", "c/backtest/fold-1")]
    make_run(tmp_path / "logs" / ".hidden" / "x")
    (tmp_path / "logs" / "project").mkdir()
    make_config().save(tmp_path / "logs" / "project" / "config.yaml")  # an experiment to be trained, no run
    found = [info.path for info in list_runs(tmp_path / "logs")]
    assert found == [made[0], made[1], tmp_path / "logs" / "b" / "copy", made[2]]
    assert not is_run(tmp_path / "logs") and not is_run(tmp_path / "none") and is_run(made[0])


@pytest.mark.parametrize("lost", ["config.yaml", "summary.json", "normalisation.json", "checkpoints"])
def test_half_a_copy_is_still_taken_for_a_run(tmp_path: Path, trained: Path, lost: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy, ignore=shutil.ignore_patterns(lost))
    assert is_run(copy)
    assert best_run(copy) == copy  # what it lacks is for its reader to say
    if lost in ("config.yaml", "summary.json"):
        info = describe(copy)
        assert info.status == "damaged" and lost in info.problem and str(copy) in info.problem


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    good, bad, old = (make_run(tmp_path / name) for name in ("a", "b", "c"))
    (bad / "summary.json").write_text('{"status": "fin')
    write_text(old / "config.yaml", "d_model: 3\n")
    infos = list_runs(tmp_path)
    assert [info.status for info in infos] == ["finished", "damaged", "damaged"]
    assert "summary.json" in infos[1].problem and "model_config" in infos[2].problem
    assert best_run(tmp_path) == good


def test_the_best_is_chosen_by_validation(tmp_path: Path) -> None:
    make_run(tmp_path / "a", 0.10)
    best = make_run(tmp_path / "b", 0.30, best_epoch=1)
    make_run(tmp_path / "c", 0.20)
    make_run(tmp_path / "d", -0.5)
    assert best_run(tmp_path) == best
    assert [describe(path).ranking for path in sorted(tmp_path.iterdir())] == pytest.approx([0.9, 0.7, 0.8, 1.5])


def test_of_two_equals_the_first_is_the_best(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        make_run(tmp_path / name, 0.2)
    assert best_run(tmp_path) == tmp_path / "a"


def test_runs_without_metrics_are_passed_over(tmp_path: Path) -> None:
    make_run(tmp_path / "a", status="running", metrics={})
    make_run(tmp_path / "b", status="failed", metrics={}, scored_bars="other")
    make_run(tmp_path / "c", metrics={}, refit_of="d", scored_bars=None)
    only = make_run(tmp_path / "d", -0.1)
    assert best_run(tmp_path) == only
    assert describe(tmp_path / "c").refit_of == "d"


def test_an_undefined_score_ranks_last(tmp_path: Path) -> None:
    make_run(tmp_path / "a", None)
    assert describe(tmp_path / "a").ranking == math.inf
    assert best_run(tmp_path) == tmp_path / "a"
    assert best_run(make_run(tmp_path / "b", -9.0).parent) == tmp_path / "b"


def test_runs_that_cannot_be_compared_are_not(tmp_path: Path) -> None:
    make_run(tmp_path / "a", 0.1)
    make_run(tmp_path / "b", 0.3)
    make_run(tmp_path / "c", 0.9, mode="distribution")
    make_run(tmp_path / "d", 0.2, bars="bb")
    make_run(tmp_path / "e", 0.2, bars=None)
    with pytest.raises(RunError) as error:
        best_run(tmp_path)
    lines = str(error.value).splitlines()
    assert "cannot be ranked together" in lines[0]
    assert lines[1:] == [
        f"  {tmp_path / 'b'}: mean, scored bars aa, best of 2",
        f"  {tmp_path / 'c'}: distribution, scored bars aa, best of 1",
        f"  {tmp_path / 'd'}: mean, scored bars bb, best of 1",
        f"  {tmp_path / 'e'}: mean, scored bars unknown, best of 1",
    ]


def test_an_experiments_own_runs_come_before_those_of_folders_inside_it(tmp_path: Path) -> None:
    own = make_run(tmp_path / "experiment" / "a", 0.1)
    make_run(tmp_path / "experiment" / "backtest" / "fold-1", 0.5, bars="fold")
    assert best_run(tmp_path / "experiment") == own
    assert best_run(tmp_path / "experiment" / "backtest").name == "fold-1"


def test_a_backtest_is_no_run_and_its_folds_are_not_those_of_the_experiment(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "backtest", kind="backtest")
    fold = make_run(folder / "folds" / "1" / "a")
    assert not is_run(folder) and is_backtest(folder) and not is_backtest(fold)
    assert list_runs(tmp_path) == [] and [info.path for info in list_runs(folder)] == [fold]


def test_a_backtest_is_not_asked_for_its_best_run(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"kind": "backtest"}')
    with pytest.raises(RunError, match="is a backtest and not a run"):
        best_run(tmp_path)


def test_leaders_are_the_best_of_each_kind() -> None:
    infos = [
        RunInfo(Path(name), "finished", mode, ranking=ranking, scored_bars="x")
        for name, mode, ranking in [
            ("a", "mean", 0.9),
            ("b", "mean", 0.8),
            ("c", "distribution", 0.1),
            ("d", "x", None),
        ]
    ]
    assert [info.path.name for info in leaders(infos)] == ["b", "c"]


def test_a_wrong_path_names_the_runs_nearby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x", "y"):
        make_run(tmp_path / "runs" / "exp" / name)
    for wrong in ("runs/exp/z", "run/exp/x", "nothing"):
        with pytest.raises(RunError, match=f"no run {wrong}; runs nearby:\n  runs/exp/x\n  runs/exp/y$"):
            best_run(wrong)
    with pytest.raises(RunError, match="no folder run; runs nearby:\n  runs/exp/x"):
        list_runs("run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="empty is no run folder and holds none; runs nearby:\n  runs/exp/x"):
        best_run("empty")


def test_where_there_is_no_run_at_all_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"no run {tmp_path / 'a'}; there is no run in {tmp_path} either"):
        best_run(tmp_path / "a")
    make_run(tmp_path / "b", status="interrupted", metrics={})
    with pytest.raises(
        RunError, match=rf"no run with metrics to choose by; there are\n  {tmp_path / 'b'}: interrupted"
    ):
        best_run(tmp_path)


def status(run: Path) -> tuple[str, ...]:
    """What every reader of a run says of it: the list, the best-run error, the summary."""
    with pytest.raises(RunError) as error:
        best_run(run.parent)
    said = {describe(run).status, list_runs(run.parent)[0].status, read_summary(run)["status"]}
    return (*said, *[name for name in ("running", "interrupted") if f"{run}: {name}" in str(error.value)])


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", status="running", metrics={}, best_epoch=None)
    code = (
        "import time\nfrom filelock import FileLock\nfrom nextbar.folders import lock_of\nfrom pathlib import Path\n"
        f"lock = FileLock(lock_of(Path({str(run)!r})))\nlock.acquire()\nprint('here', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline()
        assert status(run) == ("running", "running")
    finally:
        process.kill()
        process.communicate()
    assert status(run) == ("interrupted", "interrupted")
    assert "goes on from its last whole epoch" in read_summary(run)["message"]
    assert json.loads((run / "summary.json").read_text())["status"] == "running"  # reading writes nothing
    with FileLock(lock_of(run)):
        assert status(run) == ("running", "running")
    assert status(run) == ("interrupted", "interrupted")


def test_asking_for_the_lock_does_not_keep_a_training_out(tmp_path: Path) -> None:
    """Somebody lists runs again and again while another takes one up."""
    run = RunFolder(make_config(log_dir=str(tmp_path)), "f" * 64)
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            is_claimed(run.path)
            time.sleep(0.001)

    with run.claimed(overwrite=False):
        pass
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            with run.claimed(overwrite=False):
                assert is_claimed(run.path)
    finally:
        ended.set()
        asking.join()


def test_a_file_is_no_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("date,close\n" * 50_000)
    for call in (best_run, list_runs):
        with pytest.raises(RunError, match=r"bars\.csv is a file, should be") as error:
            call(tmp_path / "bars.csv")
        assert len(str(error.value)) < 500
