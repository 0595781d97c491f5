"""Tracking: what is written is what was measured, once per epoch, however often the run was interrupted."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nextbar.errors import RunError
from nextbar.runs.metrics_csv import read_metrics
from nextbar.train.tracking import Tracker

STEPS = 7


def row_of(epoch: int) -> dict[str, float]:
    return {"learning_rate": 1e-3 / epoch, "train/loss": 1 / 3 / epoch, "validation/mae": math.pi * epoch}


def track(run_dir: Path, first: int, last: int, num_epochs: int = 5) -> None:
    with Tracker(run_dir, first, num_epochs, STEPS) as tracker:
        for epoch in range(first, last + 1):
            tracker.epoch(epoch, epoch * STEPS, row_of(epoch), {"windows_per_second": 100.0 * epoch})


def scalars(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run_dir))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_metrics_read_back_as_the_very_floats(tmp_path: Path) -> None:
    track(tmp_path, 1, 5)
    assert read_metrics(tmp_path) == [{"epoch": n, "step": n * STEPS, **row_of(n)} for n in range(1, 6)]


def test_an_interrupted_run_leaves_the_same_file(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    track(tmp_path / "whole", 1, 5)
    track(tmp_path / "parts", 1, 3)
    with (tmp_path / "parts" / "metrics.csv").open("a") as file:
        file.write("4,28,0.00")  # killed in the middle of a row
    track(tmp_path / "parts", 3, 4)  # the third was written but its checkpoint was not
    track(tmp_path / "parts", 5, 5)
    whole, parts = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    assert b"windows_per_second" not in whole


def test_tensorboard_shows_every_epoch_once(tmp_path: Path) -> None:
    track(tmp_path, 1, 4)
    track(tmp_path, 3, 5)
    for tag in ("train/loss", "validation/mae", "learning_rate"):
        expected = [(n * STEPS, pytest.approx(row_of(n)[tag], rel=1e-6)) for n in range(1, 6)]
        assert scalars(tmp_path, tag) == expected
    assert [step for step, _ in scalars(tmp_path, "windows_per_second")] == [n * STEPS for n in range(1, 6)]


def test_events_are_on_the_disk_when_an_epoch_is_recorded(tmp_path: Path) -> None:
    with Tracker(tmp_path, 1, 3, STEPS) as tracker:
        tracker.epoch(1, STEPS, {f"train/{n}": 1.0 for n in range(100)}, {})
        assert scalars(tmp_path, "train/99") == [(STEPS, 1.0)]


def test_tensorboard_reads_on_after_a_torn_event(tmp_path: Path) -> None:
    track(tmp_path, 1, 2)
    (events,) = tmp_path.glob("events.*")
    events.write_bytes(events.read_bytes()[:-5])
    track(tmp_path, 2, 3)
    assert [step for step, _ in scalars(tmp_path, "train/loss")] == [STEPS, 2 * STEPS, 3 * STEPS]


def test_what_is_not_finite_stands_in_the_file_only(tmp_path: Path) -> None:
    with Tracker(tmp_path, 1, 1, 1) as tracker:
        tracker.epoch(1, 1, {"a": math.nan, "b": math.inf, "c": 1.0}, {})
    (row,) = read_metrics(tmp_path)
    assert math.isnan(row["a"]) and row["b"] == math.inf
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Tags()["scalars"] == ["c"]


def test_a_metric_may_come_and_go(tmp_path: Path) -> None:
    with Tracker(tmp_path, 1, 3, 1) as tracker:
        tracker.epoch(1, 1, {"a": 1.0}, {})
        tracker.epoch(2, 2, {"b": 2.0, "a": 2.0}, {})
        tracker.epoch(3, 3, {"b": 3.0}, {})
    assert read_metrics(tmp_path) == [
        {"epoch": 1, "step": 1, "a": 1.0},
        {"epoch": 2, "step": 2, "a": 2.0, "b": 2.0},
        {"epoch": 3, "step": 3, "b": 3.0},
    ]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "epoch,step,x\n1,2\n", "epoch,step,x\n1,2,three\n"])
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(RunError, match=r"metrics\.csv is no list of epochs"):
        Tracker(tmp_path, 2, 5, STEPS)
    with pytest.raises(RunError, match=r"metrics\.csv is no list of epochs"):
        read_metrics(tmp_path)


def test_rows_that_a_checkpoint_stands_for_must_be_there(tmp_path: Path) -> None:
    track(tmp_path, 1, 2)
    with pytest.raises(RunError, match="has 2 of the 3 epochs"):
        Tracker(tmp_path, 4, 5, STEPS)


def test_no_file_says_that_this_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        read_metrics(tmp_path)


def test_one_line_per_epoch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nextbar")
    track(tmp_path, 1, 3, num_epochs=50)
    assert caplog.messages[1:] == [
        "epoch 2/50  train/loss 0.16667  validation/mae 6.2832  200 windows per second",
        "epoch 3/50  train/loss 0.11111  validation/mae 9.4248  300 windows per second",
    ]


def test_lines_of_several_trainings_say_whose_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nextbar")
    with Tracker(tmp_path, 1, 5, STEPS, "first-run") as tracker:
        tracker.epoch(1, STEPS, row_of(1), {})
    assert caplog.messages[0].startswith("first-run  epoch 1/5  train/loss")
