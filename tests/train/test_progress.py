"""The progress bar: what it shows of a training that goes on, and where it is shown at all."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nextbar.train import progress
from nextbar.train.progress import ProgressBar

STEPS = 7


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 100 columns."""
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "console", lambda: terminal)
    return text


@pytest.mark.parametrize(
    ("show", "level", "shown"), [(None, "INFO", True), (None, "ERROR", False), (False, "INFO", False)]
)
def test_the_bar_is_on_a_terminal_unless_it_is_not_wanted(
    screen: io.StringIO, caplog: pytest.LogCaptureFixture, show: bool | None, level: str, shown: bool
) -> None:
    caplog.set_level(level, "nextbar")
    with ProgressBar(2, 4, STEPS, show) as bar:
        assert bar._bar.tasks[0].completed == 2 * STEPS  # those of the epochs before
        bar.progress(5)
        bar._bar.refresh()
        overall, part = bar._bar.tasks
        assert (overall.completed, overall.total) == (2 * STEPS + 5, 4 * STEPS)
        assert (part.completed, part.total) == (5, STEPS)
    assert (f"{2 * STEPS + 5}/{4 * STEPS}" in screen.getvalue()) == shown
    assert ("epoch 3/4" in screen.getvalue()) == shown


def test_an_epoch_that_is_done_begins_the_next() -> None:
    with ProgressBar(0, 5, STEPS, show=False) as bar:
        bar.progress(STEPS)
        bar.epoch(1, 3)  # those with five have ended
        overall, part = bar._bar.tasks
        assert (overall.completed, overall.total, part.completed) == (STEPS, 3 * STEPS, 0)
        assert part.description == "epoch 2/3"
        bar.epoch(3, 3)
        assert overall.completed == overall.total and part.completed == STEPS


def test_time_left_follows_from_the_pace_of_this_process() -> None:
    clock = iter(range(100))
    bar = ProgressBar(4, 6, 10, show=True)
    bar._bar.get_time = lambda: float(next(clock) * 2)  # two seconds between any two looks
    bar._bar.start_task(bar._whole)
    for step in (1, 2, 3, 4, 5):
        bar._bar.update(bar._whole, completed=40 + step)
    overall = bar._bar.tasks[0]
    assert overall.speed == pytest.approx(0.5, rel=0.1)  # the forty steps before count for nothing
    assert overall.time_remaining == pytest.approx(30, rel=0.1)
