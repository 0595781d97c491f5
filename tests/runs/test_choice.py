"""Which run an experiment stands for: the latest refit, else the best by validation on the newest bars."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from summaries import make_run
from typer.testing import CliRunner

from nextbar.cli.app import app
from nextbar.errors import RunError
from nextbar.runs.choice import chosen_run
from nextbar.runs.info import describe
from nextbar.runs.listing import best_run

MONDAY, NEXT, THIRD = (f"2024-01-{day:02}T00:00:00Z" for day in (8, 15, 22))


def run(path: Path, gain: float | None = 0.1, until: str = MONDAY, **facts: Any) -> Path:
    """A run on bars until a day, and scored on those."""
    return make_run(path, gain, bars=until, data={"until": until}, **facts)


def refit(path: Path, original: str, until: str = MONDAY, **facts: Any) -> Path:
    return make_run(path, metrics={}, bars=None, data={"until": until}, refit_of=original, **facts)


def test_without_a_refit_it_is_the_best_on_the_newest_bars(tmp_path: Path) -> None:
    run(tmp_path / "a", 0.9)
    run(tmp_path / "b", 0.1, NEXT)
    best = run(tmp_path / "c", 0.2, NEXT)
    run(tmp_path / "d", None, THIRD, metrics={}, status="interrupted")
    assert chosen_run(tmp_path) == chosen_run(tmp_path, purpose="scores") == best_run(tmp_path) == best


def test_the_latest_refit_is_used_and_the_run_it_repeats_is_scored(tmp_path: Path) -> None:
    run(tmp_path / "a", 0.9)
    refit(tmp_path / "r1", "a")
    original = run(tmp_path / "b", 0.1, NEXT)
    run(tmp_path / "c", 0.2, NEXT)
    latest = refit(tmp_path / "r2", "b", NEXT)
    refit(tmp_path / "r3", "c", THIRD, status="interrupted")
    refit(tmp_path / "r4", "c", THIRD, status="diverged")
    assert chosen_run(tmp_path) == latest
    assert chosen_run(tmp_path, purpose="scores") == original


def test_a_refit_of_last_week_is_used_until_there_is_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said that there are newer bars, and those who ask for scores get the newest run's."""
    run(tmp_path / "a", 0.9)
    old = refit(tmp_path / "r", "a")
    new = run(tmp_path / "b", 0.1, NEXT)
    with caplog.at_level(logging.INFO, "nextbar"):
        assert chosen_run(tmp_path) == old
        assert chosen_run(tmp_path, purpose="scores") == new
    first, second = (record.getMessage() for record in caplog.records)
    assert first == (
        f"{tmp_path}: run r, the latest refit, of a, on bars until {MONDAY}; another run is on bars until {NEXT}: "
        "refit it, or name it (run=, --run)"
    )
    assert second == f"{tmp_path}: run b, the best by validation of those on the newest bars, until {NEXT}"


def test_of_refits_on_the_same_bars_that_of_the_better_run_is_used(tmp_path: Path) -> None:
    for name, gain in (("a", 0.1), ("b", 0.3)):
        run(tmp_path / name, gain)
        refit(tmp_path / f"refit-{name}", name, NEXT)
    assert chosen_run(tmp_path).name == "refit-b"
    assert chosen_run(tmp_path, purpose="scores").name == "b"


def test_a_run_can_be_named(tmp_path: Path) -> None:
    for name in ("ab1", "ab2", "c"):
        run(tmp_path / name)
    assert chosen_run(tmp_path, "ab1") == tmp_path / "ab1" and chosen_run(tmp_path, "c") == tmp_path / "c"
    with pytest.raises(RunError, match=r"2 runs of .* begin with 'ab'; there are ab1, ab2$"):
        chosen_run(tmp_path, "ab")
    with pytest.raises(RunError, match=r"no run 'x' in .*; there are ab1, ab2, c$"):
        chosen_run(tmp_path, "x")
    with pytest.raises(RunError, match="is a run itself"):
        chosen_run(tmp_path / "c", "c")
    assert chosen_run(tmp_path / "c") == tmp_path / "c"


def test_other_output_modes_and_other_scores_are_still_not_ranked_together(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", mode="distribution")
    with pytest.raises(RunError, match="cannot be ranked together"):
        chosen_run(tmp_path)
    refit(tmp_path / "r", "a")  # is meant by whoever made it
    assert chosen_run(tmp_path).name == "r" and chosen_run(tmp_path, purpose="scores").name == "a"


def test_runs_of_earlier_versions_say_when_their_last_bar_opened(tmp_path: Path) -> None:
    series = {"series": [{"last": "2024-01-14T22:00:00Z"}, {"last": "2024-01-14T23:00:00Z"}]}
    old = make_run(tmp_path / "old", data=series, bars="old")
    assert describe(old).until == NEXT
    run(tmp_path / "new", 0.9, MONDAY)
    assert chosen_run(tmp_path) == old
    assert describe(make_run(tmp_path / "none")).until is None


def test_runs_marks_what_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(tmp_path / "one" / "a")
    run(tmp_path / "one" / "b", 0.2, NEXT)
    run(tmp_path / "two" / "c")
    refit(tmp_path / "two" / "d", "c")
    run(tmp_path / "three" / "e")
    run(tmp_path / "three" / "f", mode="distribution")
    shown = CliRunner().invoke(app, ["runs", str(tmp_path)]).stdout
    ends = {line.split()[1]: line.rstrip()[-10:].split("B")[-1].strip() for line in shown.splitlines() if "kB" in line}
    assert ends == {"a": "", "b": "*", "c": "* evaluate", "d": "* predict", "e": "?", "f": "?"}
