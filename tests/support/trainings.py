"""Whole trainings of made-up bars, and what their folders hold."""

from __future__ import annotations

import _thread
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame
from builders import make_config as builders_config
from experiments import leaves

from nextbar.config import ExperimentConfig
from nextbar.engine.engine import Engine
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.metrics_csv import read_metrics
from nextbar.train.cohort import Cohort
from nextbar.train.trainer import Result, Trainer

BARS = make_frame(make_bars(n=150))


def make_config(log_dir: Path, **overrides: Any) -> ExperimentConfig:
    return builders_config(log_dir=str(log_dir), dropout=0.1, **overrides)


def train(log_dir: Path, bars: pd.DataFrame = BARS, *, overwrite: bool = False, **overrides: Any) -> Result:
    return Trainer(make_config(log_dir, **overrides), bars, show=False).train_and_evaluate(overwrite=overwrite)


def parameters(run_dir: Path, which: str = "last") -> list[np.ndarray]:
    """All parameters of the last or the best epoch, in one order."""
    checkpoints = Checkpoints(run_dir / "checkpoints")
    try:
        epochs = [int(p.name) for p in (run_dir / "checkpoints" / which).iterdir() if p.name.isdecimal()]
        return leaves(checkpoints.restore_raw(max(epochs) if which == "last" else None))
    finally:
        checkpoints.close()


def assert_same_run(first: Path, second: Path) -> None:
    """The same metrics.csv, bytes and all, and the same parameters."""
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    for which in ("last", "best"):
        for a, b in zip(parameters(first, which), parameters(second, which), strict=True):
            np.testing.assert_array_equal(a, b)


RELATIVE = 1e-5
"""of parameters and metrics, by which devices round differently"""


def assert_same_training(found: Path, wanted: Path, relative: float = RELATIVE) -> None:
    """The same run, losses, metrics and parameters, up to rounding."""
    assert found.name == wanted.name
    rows, others = read_metrics(found), read_metrics(wanted)
    assert len(rows) == len(others) > 0
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=relative, abs=relative)
    for which in ("last", "best"):
        for a, b in zip(parameters(found, which), parameters(wanted, which), strict=True):
            assert np.linalg.norm(a - b) <= relative * np.linalg.norm(b)


def assert_another_training(found: Path, other: Path) -> None:
    pairs = zip(parameters(found), parameters(other), strict=True)
    assert max(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1) for a, b in pairs) > 1_000 * RELATIVE


def interrupt(patch: pytest.MonkeyPatch, epoch: int, after: str = "training", *, time: int = 1) -> None:
    """Have Ctrl-C pressed in an epoch, after its training part or after its evaluation, just before it is written.

    ``time`` 2: in the final fit, the second time that there is such an epoch.
    """
    passed = 0

    def press(engine: Engine, number: int) -> None:
        nonlocal passed
        passed += number == epoch
        if number == epoch and passed == time:
            _thread.interrupt_main()
            assert engine.cancelled.wait(10)

    train, evaluate = Engine.train_each, Cohort.evaluate

    def train_then_press(engine: Engine, state: Any, numbers: Any, *rest: Any) -> Any:
        answer = train(engine, state, numbers, *rest)
        press(engine, max(numbers))
        return answer

    def evaluate_then_press(cohort: Cohort) -> Any:
        answer = evaluate(cohort)
        press(cohort.engine, max(training.epoch for training in cohort.live) + 1)
        return answer

    if after == "training":
        patch.setattr(Engine, "train_each", train_then_press)
    else:
        patch.setattr(Cohort, "evaluate", evaluate_then_press)
