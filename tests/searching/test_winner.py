"""The winner's luck, from the losses that runs keep."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from nextbar.metrics.luck import Luck, luck
from nextbar.metrics.timeline import Timeline
from nextbar.runs.records import LOSSES, read_losses, write_losses
from nextbar.searching.trials import FACTS
from nextbar.searching.winner import winner_luck

PLAIN = "persistence with a constant spread"


def timeline(seed: int) -> Timeline:
    rng = np.random.default_rng(seed)
    losses = {name: rng.exponential(size=200).astype(np.float32).astype(np.float64) for name in ("model", PLAIN)}
    losses["model"] -= np.float32(0.2)
    return Timeline(np.arange(200) * 3600, losses)


def trial(number: int, value: float | None, state: TrialState = TrialState.COMPLETE) -> Any:
    return SimpleNamespace(number=number, value=value, state=state, user_attrs={FACTS: {"run": f"run-{number}"}})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"run-{number}").mkdir()
        write_losses(tmp_path / f"run-{number}", timeline(number))
    return tmp_path


TRIALS = [
    trial(0, 0.3),
    trial(1, 0.1),
    trial(2, 0.2),
    trial(3, 0.5, TrialState.PRUNED),
    trial(4, None, TrialState.FAIL),
]


def test_losses_come_back_from_their_file(study: Path) -> None:
    stored, kept = read_losses(study / "run-1"), timeline(1)
    assert (
        stored is not None
        and stored.time_T.tolist() == kept.time_T.tolist()
        and list(stored.losses) == list(kept.losses)
    )
    np.testing.assert_allclose(stored.losses["model"], kept.losses["model"], rtol=1e-6)
    assert read_losses(study) is None
    assert (study / "run-1" / LOSSES).stat().st_size < 4000


def test_finished_and_pruned_trials_count_as_tries(study: Path) -> None:
    """The pruned one kept no losses; the failed one was never in the running."""
    result = winner_luck(study, TRIALS, 1)
    timelines = [read_losses(study / f"run-{number}") for number in range(3)]
    expected = luck([t for t in timelines if t], 1, 1, ("model", PLAIN), 1)
    assert isinstance(result, Luck) and result == expected
    assert (result.tried, result.unknown, result.benchmark) == (4, 1, PLAIN)


def test_a_damaged_or_absent_file_is_a_try_without_losses(study: Path) -> None:
    (study / "run-0" / LOSSES).write_bytes(b"damaged")
    (study / "run-2" / LOSSES).unlink()
    result = winner_luck(study, TRIALS, 1)
    assert isinstance(result, Luck) and (result.tried, result.unknown) == (4, 3)


def test_why_nothing_can_be_said(study: Path) -> None:
    assert winner_luck(study, TRIALS[3:], 1) == "no trial has finished"
    (study / "run-1" / LOSSES).write_bytes(b"damaged")
    assert "cannot be read" in str(winner_luck(study, TRIALS, 1))
    (study / "run-1" / LOSSES).unlink()
    assert str(winner_luck(study, TRIALS, 1)).startswith("the winner's run kept no validation losses")
