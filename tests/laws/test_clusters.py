"""On a cluster of Dask's a search, seeds, a backtest and forecasts are what they are here, bit by bit, although workers
die."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cluster_units as work
import pandas as pd
import pytest
from backtests import make_experiment, make_market, run
from dask_processes import DaskProcesses, dask_processes
from same_folders import differences
from searches import searched

from nextbar.errors import DataError, RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.machine import workforce
from nextbar.machine.clusters import answers_of, job_folder, joined
from nextbar.machine.units import Unit
from nextbar.searching.trials import CONFIGURATION
from nextbar.train.seeds import train_seeds
from nextbar.train.trainer import Trainer

pytestmark = pytest.mark.slow  # each worker of the cluster is a process that loads everything


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path_factory.mktemp("dask")) as processes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(workforce, "SETTLED", 0.0)  # its workers need not all be there
        yield processes


InTurn = Callable[[Callable[[str], object]], tuple[Path, Path]]


@pytest.fixture
def in_turn(dask: DaskProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InTurn:
    """Does something on the cluster, then here, by relative paths in a folder each; gives the folders."""

    def both(do: Callable[[str], object]) -> tuple[Path, Path]:
        folder = tmp_path / "work"  # one name for both, since summaries hold it
        for name, on in (("there", dask.on), ("here", "local")):
            folder.mkdir()
            monkeypatch.chdir(folder)
            do(on)
            folder.rename(tmp_path / name)
        return tmp_path / "there", tmp_path / "here"

    return both


def done(dask: DaskProcesses, folder: Path, *units: Unit) -> list[Any]:
    with joined(dask.on) as cluster, job_folder(folder) as job:
        assert cluster is not None
        found = dict(answers_of(cluster, units, job))
    return [found[n] for n in range(len(units))]


def test_an_error_comes_back_as_it_was_raised(dask: DaskProcesses, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no bars"):
        done(dask, tmp_path, Unit("refuse", work.refuse, ("no bars",)))


def test_ctrl_c_stops_the_units(dask: DaskProcesses, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"

    def interrupt() -> None:
        wait_for(begun.exists)
        raise KeyboardInterrupt

    with joined(dask.on) as cluster, job_folder(tmp_path) as job:
        assert cluster is not None
        unit = Unit("long", work.wait_until_stopped, (str(begun), str(ended)))
        with pytest.raises(KeyboardInterrupt):
            list(answers_of(cluster, [unit], job, interrupt))
        wait_for(ended.exists)


def test_seeds_and_forecasts_are_those_of_each_alone(in_turn: InTurn, dask: DaskProcesses) -> None:
    experiment, market = make_experiment(Path("runs")), make_market()

    def train(on: str) -> None:
        if on == "local":
            for seed in range(2):
                Trainer(replace(experiment, seed=seed), market, show=False).train_and_evaluate()
        else:
            train_seeds(experiment, 2, market, on=on, show=False)

    there, here = in_turn(train)
    assert list(differences(there, here)) == []
    runs = sorted(path.parent for path in there.rglob("summary.json"))
    for models, options in ((runs[0], {"last_only": False}), (runs, {})):
        forecaster = Forecaster.load(models)
        found, wanted = (forecaster.predict(market, on=on, **options) for on in (dask.on, "local"))
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)


def test_a_backtest_is_the_same_although_a_worker_dies(dask: DaskProcesses, in_turn: InTurn, tmp_path: Path) -> None:
    died = tmp_path / "died"
    there, here = in_turn(lambda on: run(Path("runs"), predictors=[work.DiesOnce(str(died))], on=on))
    assert died.exists() and len(dask.living) == 1
    assert list(differences(there, here)) == []


def test_a_search_is_the_same_although_a_worker_is_killed(dask: DaskProcesses, in_turn: InTurn) -> None:
    """Its trial is gone on with at once by whoever is given its post, and no lease has to run out."""
    victim = dask.living[0]
    dask.add(2 - len(dask.living))

    def search(on: str) -> dict[str, Any]:
        if on != "local":
            threading.Thread(target=kill, args=(victim, Path("runs").absolute())).start()
        study = searched(Path("runs"), n_trials=4, sampler="random", base={"num_epochs": 3}, on=on)
        return {t.user_attrs[CONFIGURATION]: (t.state, t.value, t.intermediate_values) for t in study.trials}

    ends: list[Any] = []
    there, here = in_turn(lambda on: ends.append(search(on)))
    assert ends[0] == ends[1] and len(ends[0]) == 4 and victim.poll() is not None
    runs = [path.parent.relative_to(here) for path in here.rglob("summary.json")]
    assert len(runs) == 4 and not [one for path in runs for one in differences(there / path, here / path)]


def test_without_workers_it_says_what_to_start(
    dask: DaskProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of them has died, and nobody comes."""
    monkeypatch.setattr(workforce, "ALONE", 0.5)
    units = [Unit(f"dies {i}", work.die, ()) for i in range(len(dask.living))]
    with pytest.raises(RunError, match=r"has had no worker for 0\.5 s; start some \(dask worker 127\.0\.0\.1:"):
        done(dask, tmp_path, *units)


def kill(victim: subprocess.Popen[bytes], folder: Path) -> None:
    """When an epoch of some trial is done."""
    wait_for(lambda: any(folder.rglob("metrics.csv")))
    victim.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
