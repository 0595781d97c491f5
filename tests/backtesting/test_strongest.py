"""The strongest baseline of a backtest is what validation chose before its first fold."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbar.backtesting.participants import participants
from nextbar.backtesting.strongest import strongest_of
from nextbar.metrics.task import Task
from nextbar.runs.records import write_rival

TASK = Task(output_mode="distribution")
SCORES = {name: {"nll": score, "ranking_score": score and score - 1}
          for name, score in (("range_har_t", 0.5), ("garch_t", 0.4), ("ewma_t", 0.7), ("drift", None))}  # fmt: skip


def record(path: Path, validation: dict[str, dict[str, float | None]], left_out: dict[str, str] | None = None) -> Path:
    write_rival(path, {"name": "garch_t", "fitted": None, "validation": validation, "left_out": left_out or {}})
    return path


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(True, "garch_t"), (["range_har_t", "ewma_t"], "range_har_t"), (["drift", "ewma_t"], "ewma_t"), (False, None)],
)
def test_it_is_the_best_of_those_that_take_part(tmp_path: Path, chosen: bool | list[str], expected: str | None) -> None:
    assert strongest_of(participants(TASK, chosen, [], "model"), record(tmp_path, SCORES)) == expected


def test_directions_and_a_users_own_are_none(tmp_path: Path) -> None:
    class Own:
        name = "own"

        def fit(self, frame: object) -> None: ...
        def predict(self, frame: object) -> object: ...

    scores = SCORES | {name: {"nll": 0.0, "ranking_score": -9.0} for name in ("own", "always_up")}
    others = participants(TASK, ["always_up", "ewma_t"], [Own()], "model")
    assert strongest_of(others, record(tmp_path, scores)) == "ewma_t"
    assert strongest_of(participants(TASK, ["always_up"], [], "model"), record(tmp_path, scores)) is None


def test_without_validation_it_is_the_first_of_the_order_that_could_be_fitted(tmp_path: Path) -> None:
    others = participants(TASK, ["ewma_t", "garch_t", "range_har_t"], [], "model")
    assert strongest_of(others, record(tmp_path, {}, {"range_har_t": "no ranges"})) == "garch_t"
    assert strongest_of(others, record(tmp_path, {})) == "range_har_t"


def test_none_for_a_run_of_a_version_without_rivals(tmp_path: Path) -> None:
    assert strongest_of(participants(TASK, True, [], "model"), tmp_path) is None
