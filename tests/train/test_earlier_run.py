"""What a training takes over from an earlier run: weights that fit, and the rival that was chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from experiments import leaves, make_engine
from made_runs import make_run
from trainings import parameters

from nextbar.errors import RunError
from nextbar.train.earlier_run import begun_with, rival_in


def test_weights_are_those_that_the_run_forecasts_with(tmp_path: Path) -> None:
    run = make_run(tmp_path, losses=(0.2, 0.1, 0.3))
    start = make_engine().start(None)
    state = begun_with(run.run_dir, start)
    assert int(state.step) == 0 and state.opt_state is start.opt_state
    for a, b in zip(leaves(state.params), parameters(run.run_dir, "best"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, d_model=16)
    with pytest.raises(RunError, match="do not fit"):
        begun_with(run.run_dir, make_engine().start(None))


def test_a_rival_is_read_where_there_is_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rival = rival_in(run.run_dir, run.config)
    assert rival is not None and rival.baseline is not None
    (run.run_dir / "rival.json").unlink()
    assert rival_in(run.run_dir, run.config) is None
