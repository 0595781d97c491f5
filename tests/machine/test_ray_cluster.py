"""Units on a cluster of Ray's, where that package is installed; and what is said where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cluster_units as work
import pytest
from ports import free_port

from nextbar.errors import ConfigError, DataError
from nextbar.machine.clusters import Cluster, answers_of, job_folder, joined
from nextbar.machine.units import Unit

SUPPORT = Path(work.__file__).parent


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    pytest.importorskip("ray")
    port = free_port()
    paths = os.pathsep.join([str(SUPPORT.parents[1]), str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    start = ("start", "--head", "--num-cpus", "2", "--port", str(free_port()), "--include-dashboard", "false",
             "--ray-client-server-port", str(port), "--disable-usage-stats")  # fmt: skip
    program = [sys.executable, "-m", "ray.scripts.scripts"]
    subprocess.run([*program, *start], env=environment, check=True, capture_output=True)
    try:
        with joined(f"ray://127.0.0.1:{port}") as cluster:
            assert cluster is not None
            yield cluster
    finally:
        subprocess.run([*program, "stop"], env=environment, check=True, capture_output=True)


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'ray\[client\]', here and on the workers"), joined("ray://a:1"):
        pass


def test_units_are_done_and_those_of_dead_workers_done_again(ray: Cluster, tmp_path: Path) -> None:
    units = [Unit(f"unit {i}", work.square, (i,)) for i in range(3)]
    units.append(Unit("dies", work.die_once, (str(tmp_path / "died"), 0.25)))
    with job_folder(tmp_path) as job:
        assert dict(answers_of(ray, units, job)) == {0: 0, 1: 1, 2: 4, 3: 0.25}
    assert (tmp_path / "died").exists() and ray.workers == 2


def test_an_error_comes_back_as_it_was_raised(ray: Cluster, tmp_path: Path) -> None:
    with job_folder(tmp_path) as job, pytest.raises(DataError, match="no bars"):
        list(answers_of(ray, [Unit("refuse", work.refuse, ("no bars",))], job))


def test_ctrl_c_stops_the_units(ray: Cluster, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"

    def interrupt() -> None:
        if begun.exists():
            raise KeyboardInterrupt

    unit = Unit("long", work.wait_until_stopped, (str(begun), str(ended)))
    with job_folder(tmp_path) as job, pytest.raises(KeyboardInterrupt):
        list(answers_of(ray, [unit], job, interrupt))
    deadline = time.monotonic() + 60
    while not ended.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
