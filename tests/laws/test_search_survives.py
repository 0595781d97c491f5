"""A search killed at any moment and started again comes out as one that nobody disturbed."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from search_processes import finish, prepare, require_whole, start

from nextbar.searching import Study
from nextbar.searching.trials import FACTS

TRIALS, EPOCHS = 8, 9


@pytest.mark.slow
@pytest.mark.parametrize(("pruner", "kills"), [("none", 10), ("median", 6), ("hyperband", 8)])
def test_killed_and_started_again(pruner: str, kills: int, tmp_path: Path) -> None:
    """Kills fall at random moments between the first sign of life and the end; the first before any trial."""
    plain = prepare(tmp_path, name="plain.yaml", num_epochs=EPOCHS, log_dir=str(tmp_path / "plain"))
    killed = prepare(tmp_path, name="killed.yaml", num_epochs=EPOCHS, log_dir=str(tmp_path / "killed"))
    command = (f"n_trials={TRIALS}", f"pruner={pruner}", "seed=5", "population=1")
    finish(start(plain, *command), plain)
    undisturbed = Study.load(tmp_path / "plain" / "test")
    require_whole(undisturbed, TRIALS, EPOCHS)
    pruned = sum(trial.state == TrialState.PRUNED for trial in undisturbed.trials)
    assert 0 < pruned < TRIALS or pruner == "none"
    total = epochs_done(undisturbed.path)

    moment = random.Random(0)
    folder = tmp_path / "killed" / "test"
    reached = []
    for kill in range(kills):
        process = start(killed, *command)
        # up to an epoch of its own, in rising order, and then some milliseconds more
        goal = max(1, kill * total // (kills + 1) + moment.randrange(3)) if kill else 0
        while process.poll() is None and epochs_done(folder) < goal:
            time.sleep(0.005)
        time.sleep(moment.uniform(0, 0.1 if kill else 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(epochs_done(folder))
    within = sum(0 < epochs < total for epochs in reached)
    assert reached[0] == 0 and within >= kills // 2, reached  # the kills fell into the search
    finish(start(killed, *command), killed)

    study = Study.load(folder)
    require_whole(study, TRIALS, EPOCHS)
    for one, two in zip(by_run(study), by_run(undisturbed), strict=True):
        assert one == two
        assert (folder / one[0] / "metrics.csv").read_bytes() == (
            undisturbed.path / two[0] / "metrics.csv"
        ).read_bytes()
    assert study.best.name == undisturbed.best.name


def by_run(study: Study) -> list[tuple[Any, ...]]:
    """Run, number, state, ranking score and best scores so far of each trial."""
    return sorted(
        (one.user_attrs[FACTS]["run"], one.number, one.state, one.value, one.intermediate_values)
        for one in study.trials
    )


def epochs_done(folder: Path) -> int:
    """Rows of all ``metrics.csv``."""
    return sum(max(path.read_text().count("\n") - 1, 0) for path in folder.glob("*/metrics.csv"))
