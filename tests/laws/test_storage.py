"""Storage that misbehaves: a sentence, nothing half written, and the same command ends as if nothing had been."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.event_file_writer import EventsWriter
from trainings import assert_same_run, interrupt, train

from nextbar.errors import Damaged, NextbarError, RunBusy, RunError, TrainingInterrupted
from nextbar.folders import claim
from nextbar.runs.faults import run_faults
from nextbar.runs.summary import read_summary
from nextbar.train.cohort import Cohort
from nextbar.train.trainer import Result

EPOCHS = 4


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("undisturbed"), num_epochs=EPOCHS)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, undisturbed: Result) -> Path:
    """Logs of a run that was interrupted after three epochs."""
    logs = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, EPOCHS)
        with pytest.raises(TrainingInterrupted):
            train(logs, num_epochs=EPOCHS)
    return logs


def run_dir(logs: Path) -> Path:
    (path,) = (path for path in (logs / "test").iterdir() if path.is_dir())
    return path


def state_file(epoch: Path) -> Path:
    return max((epoch / "state").rglob("d/*"), key=lambda path: path.stat().st_size)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped": lambda epoch: flip(state_file(epoch)),
    "cut": lambda epoch: os.truncate(state_file(epoch), 10),
    "missing": lambda epoch: state_file(epoch).unlink(),
    "notes": lambda epoch: flip(epoch / "notes" / "metadata"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["last", "best"])
def test_a_damaged_checkpoint_is_trained_anew_to_the_same_bits(
    which: str, damage: str, cut: Path, undisturbed: Result, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last one, and the one that was the best so far."""
    logs = shutil.copytree(cut, tmp_path / "logs")
    kept = run_dir(logs) / "checkpoints"
    notes = json.loads((kept / "last" / "3" / "notes" / "metadata").read_text())["notes"]
    epoch = 3 if which == "last" else notes["best_epoch"]
    for path in (kept / "last" / str(epoch), kept / "best" / str(epoch)):
        if path.is_dir():
            DAMAGES[damage](path)
    if epoch == 1:  # nothing is older
        with pytest.raises(Damaged, match=r"no checkpoint in .* is whole"):
            train(logs, num_epochs=EPOCHS)
        return
    resumed = train(logs, num_epochs=EPOCHS)
    assert "is damaged" in caplog.text and f"going on from epoch {epoch - 1} instead" in caplog.text
    assert resumed.metrics == undisturbed.metrics
    assert_same_run(resumed.run_dir, undisturbed.run_dir)
    assert list(run_faults(resumed.run_dir)) == []


@pytest.mark.parametrize("name", ["metrics.csv", "summary.json"])
def test_a_damaged_file_that_is_needed_to_go_on_is_refused(name: str, cut: Path, tmp_path: Path) -> None:
    logs = shutil.copytree(cut, tmp_path / "logs")
    flip(run_dir(logs) / name)
    with pytest.raises(RunError, match=name):
        train(logs, num_epochs=EPOCHS)


def failing(patch: pytest.MonkeyPatch, where: Any, name: str, at: int) -> None:
    """Have a call of something that writes fail as on a full disk, once."""
    usual, calls = getattr(where, name), 0

    def write(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return usual(*args)

    patch.setattr(where, name, write)


@pytest.mark.parametrize(
    ("writer", "at"),
    [
        *(("file", at) for at in (1, 4, 8, 20)),
        *(pytest.param("file", at, marks=pytest.mark.slow) for at in (2, 6, 11, 15)),
        ("events", 1),
        pytest.param("events", 4, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_at_any_write_is_a_sentence_and_the_same_command_goes_on(
    writer: str, at: int, undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, *((os, "fsync") if writer == "file" else (EventsWriter, "flush")), at)
        with pytest.raises(NextbarError, match=r"^cannot write (to|the configuration) .*(N|n)o space left on device"):
            train(tmp_path, num_epochs=EPOCHS)
    path = run_dir(tmp_path)
    summary = read_summary(path)
    assert summary.get("status") == ("failed" if summary else None)
    assert json.loads((path / "summary.json").read_text())["status"] == "failed" if summary else at <= 5
    assert not [entry for entry in path.rglob("*") if entry.name.startswith(".") or "tmp" in entry.name]
    resumed = train(tmp_path, num_epochs=EPOCHS)
    assert resumed.status == "finished" and resumed.metrics == undisturbed.metrics
    assert_same_run(resumed.run_dir, undisturbed.run_dir)


def at_epoch(patch: pytest.MonkeyPatch, epoch: int, act: Callable[[], object]) -> None:
    """Do something in the middle of an epoch, when the checkpoint of the one before is written."""
    usual = Cohort.evaluate

    def evaluate(cohort: Cohort) -> Any:
        if max(training.epoch for training in cohort.live) + 1 == epoch:
            for training in cohort.live:
                training.checkpoints.wait()
            act()
        return usual(cohort)

    patch.setattr(Cohort, "evaluate", evaluate)


def test_a_folder_deleted_while_it_is_trained_is_a_sentence_and_not_made_anew(
    undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete() -> None:
        shutil.rmtree(run_dir(tmp_path))

    with monkeypatch.context() as patch:
        at_epoch(patch, 2, delete)
        with pytest.raises(RunError, match=r"has gone, deleted or moved while it was written"):
            train(tmp_path, num_epochs=EPOCHS)
    assert not [path for path in (tmp_path / "test").iterdir() if path.is_dir()]
    assert_same_run(train(tmp_path, num_epochs=EPOCHS).run_dir, undisturbed.run_dir)


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_copy_made_while_it_is_trained_goes_on_to_the_same_end(
    epoch: int, undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy() -> None:
        with suppress(shutil.Error):  # files that went meanwhile
            shutil.copytree(tmp_path / "logs", tmp_path / "copy")

    with monkeypatch.context() as patch:
        at_epoch(patch, epoch, copy)
        train(tmp_path / "logs", num_epochs=EPOCHS)
    copied = run_dir(tmp_path / "copy")
    assert read_summary(copied)["status"] == "interrupted", "no process trains in the copy"
    assert_same_run(train(tmp_path / "copy", num_epochs=EPOCHS).run_dir, undisturbed.run_dir)


def test_a_second_process_is_refused_and_the_first_goes_on(undisturbed: Result, tmp_path: Path) -> None:
    logs = tmp_path / "test" / undisturbed.run_dir.name
    with claim(logs, RunBusy("busy")), pytest.raises(RunBusy, match=r"is being trained by another process; wait"):
        train(tmp_path, num_epochs=EPOCHS)
    assert not logs.exists()


def test_a_folder_that_may_not_be_written_is_named(cut: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind the superuser")
    logs = shutil.copytree(cut, tmp_path / "logs")
    path = run_dir(logs)
    path.chmod(0o555)
    with pytest.raises(RunError, match=rf"^cannot write .*{path}.*Permission denied"):
        train(logs, num_epochs=EPOCHS)
    path.chmod(0o755)
