"""Every fault of a run folder is found, whichever file it is in; a whole one has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_runs import MadeRun, make_run

from nextbar.folders import claim, lock_of
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.timeline import Timeline
from nextbar.runs.faults import READERS, Fault, run_faults
from nextbar.runs.folder import RunFolder
from nextbar.runs.forecast_log import LogWriter, log_of
from nextbar.runs.metrics_csv import MetricsCsv
from nextbar.runs.records import FILES, checksums, write_conformal, write_losses


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    """A run that has ended, with every file that a run can have."""
    run = make_run(tmp_path_factory.mktemp("logs"))
    residuals = {"count": 2, "rank": [1, 2], "value": [[0.5], [0.75]]}
    write_conformal(run.run_dir, 2, Conformal.from_dict({"series": {"made_up": residuals}, "pooled": residuals}))
    table = MetricsCsv(run.run_dir, 1)
    table.append(1, 6, {"train/loss": 0.25})
    write_losses(run.run_dir, Timeline(np.arange(5), {"model": np.ones(5), "baseline": np.ones(5)}))
    folder = RunFolder(run.config, run.dataset.fingerprint)
    folder.update(**{FILES: checksums(run.run_dir)})
    return run


@pytest.fixture
def run(made: MadeRun, tmp_path: Path) -> Path:
    return shutil.copytree(made.run_dir, tmp_path / made.run_dir.name)


def harmful(run: Path) -> list[Fault]:
    return [fault for fault in run_faults(run) if fault.harmful]


def test_a_whole_run_has_no_fault(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {*READERS, "checkpoints"}, "all there is, is looked at below"
    assert list(run_faults(run)) == []


@pytest.mark.parametrize("name", READERS)
def test_a_file_flipped_cut_or_missing_is_named(name: str, run: Path) -> None:
    data = (run / name).read_bytes()
    for place in (0, len(data) // 3, len(data) // 2, len(data) - 2):
        changed = bytearray(data)
        changed[place] ^= 1
        (run / name).write_bytes(changed)
        assert {fault.path for fault in harmful(run)} >= {run / name}, place
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        (run / name).write_bytes(data[:cut])
        assert {fault.path for fault in harmful(run)} >= {run / name}, cut
    (run / name).unlink()
    assert Fault(run / name, "is missing") in harmful(run)


def test_the_forecast_log_beside_it_is_looked_through(run: Path) -> None:
    path = log_of(run)
    LogWriter(path).append([{"kind": "log"}, {"kind": "bars"}])
    assert list(run_faults(run)) == []
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    (fault,) = run_faults(run)
    assert fault.path == path and not fault.harmful and "half a line" in fault.text
    path.write_bytes(data.replace(b"log", b"lag"))
    (fault,) = run_faults(run)
    assert fault.path == path and fault.harmful and "line 1" in fault.text


def test_a_file_of_a_checkpoint_changed_missing_or_added_is_named(run: Path) -> None:
    path = run / "checkpoints" / "best" / "2"
    files = [file for file in path.rglob("*") if file.is_file()]
    assert len(files) > 8
    for file in files:
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 4]))
        (fault,) = (fault for fault in harmful(run) if fault.path == path)
        assert file.relative_to(path).as_posix() in fault.text
        file.unlink()
        assert any(fault.path == path for fault in harmful(run))
        file.write_bytes(data)
    (path / "state" / "new").touch()
    assert harmful(run) == [Fault(path / "state/new", "does not belong to the checkpoint")]
    shutil.rmtree(run / "checkpoints" / "best")
    assert harmful(run) == [], "the last epoch, which is the best as well, is still there"
    shutil.rmtree(run / "checkpoints" / "last" / "2")
    assert harmful(run) == [Fault(run / "checkpoints", "holds no whole checkpoint of the best epoch, 2")]


def test_a_whole_file_of_another_run_is_told_from_the_own(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", seed=1, losses=(0.1,))
    shutil.copy(other.run_dir / "reference.json", run)
    assert harmful(run) == []  # the same bars, hence the same bytes
    shutil.copy(other.run_dir / "config.yaml", run)
    (fault,) = harmful(run)
    assert fault.path == run / "config.yaml" and "that of another run" in fault.text


def test_what_a_kill_or_a_user_left_does_no_harm(run: Path) -> None:
    (run / ".summary.json.abc123").touch()
    (run / "notes.txt").touch()
    (run / "events.out.tfevents.1.host.000001").touch()
    (run / "report.html").touch()
    (run / "checkpoints" / "best" / "3-new.orbax-checkpoint-tmp").mkdir()
    faults = list(run_faults(run))
    assert [fault.path.name for fault in faults] == [".summary.json.abc123", "notes.txt", "3-new.orbax-checkpoint-tmp"]
    assert not any(fault.harmful for fault in faults)


def test_of_a_run_that_is_being_written_that_is_said(run: Path) -> None:
    with claim(run, AssertionError("busy")):
        (fault,) = run_faults(run)
    assert fault.path == run and "a process may be writing here" in fault.text and not fault.harmful
    lock_of(run).unlink()


def test_the_final_fit_is_looked_at_too(run: Path) -> None:
    shutil.copytree(run, run / "final")
    assert harmful(run) == []
    text = (run / "final" / "normalisation.json").read_text()
    (run / "final" / "normalisation.json").write_text(text.replace("1", "2", 1))
    assert {fault.path for fault in harmful(run)} == {run / "final" / "normalisation.json"}


def test_a_run_without_checksums_is_read_and_that_is_said(run: Path) -> None:
    for path in run.glob("*.json"):
        values = json.loads(path.read_text())
        del values["sha256"]
        path.write_text(json.dumps(values | ({"format": 2} if path.name == "summary.json" else {})))
    (fault,) = (fault for fault in run_faults(run) if fault.path == run)
    assert not fault.harmful and "carries no checksums" in fault.text
    (run / "bars.json").write_text("{}")
    assert run / "bars.json" in {fault.path for fault in harmful(run)}
