"""Forecasts by workers that outlive commands; on a cluster of Dask's see ``tests/laws/test_clusters.py``."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import made_runs
import pandas as pd
import pytest
from cluster_here import ClusterHere
from made_runs import MadeRun, make_run

from nextbar.errors import RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.machine import clusters
from nextbar.machine.interruptible import stopped_by

ON = "dask://here:1"


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clusters.CLUSTERS, "dask", (ClusterHere, 1))


def train_anew(run: MadeRun, monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...], log_dir: Path) -> None:
    """Other weights in the same folder."""
    random = made_runs.random_parameters
    monkeypatch.setattr(made_runs, "random_parameters", lambda config, dataset, seed: random(config, dataset, seed + 9))
    shutil.rmtree(run.run_dir)
    assert make_run(log_dir, losses=losses).run_dir == run.run_dir


@pytest.mark.parametrize("losses", [(0.2, 0.1), (0.2, 0.1, 0.05)], ids=["overwritten", "another best epoch"])
def test_a_worker_forecasts_with_the_weights_that_the_command_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...]
) -> None:
    run = make_run(tmp_path)
    before = Forecaster.load(run.run_dir)
    stale = before.predict(run.frame, on=ON)
    pd.testing.assert_frame_equal(stale, before.predict(run.frame), check_exact=True)
    train_anew(run, monkeypatch, losses, tmp_path)
    forecaster = Forecaster.load(run.run_dir)
    found = forecaster.predict(run.frame, on=ON)
    pd.testing.assert_frame_equal(found, forecaster.predict(run.frame), check_exact=True)
    assert (found["close"] != stale["close"]).all()


def test_weights_that_changed_after_the_command_loaded_them_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    forecaster = run.load()
    train_anew(run, monkeypatch, (0.2, 0.1), tmp_path)
    with pytest.raises(RunError, match=f"{run.run_dir}: other weights lie there .* Load it once more"):
        forecaster.predict(run.frame, on=ON)


def test_a_forecast_stops_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    forecaster, stopped = run.load(), threading.Event()
    stopped.set()
    with pytest.raises(KeyboardInterrupt), stopped_by(stopped):
        forecaster.predict(run.frame)
