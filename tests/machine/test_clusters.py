"""Addresses of clusters, folders of jobs, and units whose answers come as they are done."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cluster_units as work
import pytest
from cluster_here import ClusterHere

from nextbar.errors import ConfigError, DataError
from nextbar.machine import clusters
from nextbar.machine.clusters import answers_of, job_folder, joined, require_place
from nextbar.machine.units import Unit


def test_local_is_no_cluster() -> None:
    with joined("local") as cluster:
        assert cluster is None


@pytest.mark.parametrize("on", ["here", "dask://", "dask://host", "dask://host:port", "slurm://a:1", "", None, 5])
def test_what_is_no_address_is_refused_before_anything_is_done(on: object) -> None:
    with pytest.raises(ConfigError, match="should be local, or the address of a cluster: dask://HOST:8786 or ray://"):
        require_place(on)


def test_answers_come_as_they_are_done_with_their_number_and_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[None] = []
    cluster = ClusterHere()
    with job_folder(tmp_path / "log") as job, caplog.at_level(logging.INFO, "nextbar"):
        units = [Unit(f"unit {i}", work.square, (i,)) for i in range(3)]
        assert list(answers_of(cluster, units, job, lambda: looks.append(None))) == [(2, 4), (1, 1), (0, 0)]
        assert not (job / "alive").exists() and cluster.closed
    assert len(looks) == 6 and list((tmp_path / "log").iterdir()) == []
    told = [record.getMessage() for record in caplog.records if record.name == "nextbar"]
    assert told[0] == "here: 1 worker, 3 parts of the work" and told.count("squares are large (unit 2)") == 1
    assert not any("squares are large (unit" in line for line in told if "unit 2" not in line)


def test_an_error_of_a_unit_ends_the_others_and_its_warnings_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, begun = ClusterHere(), tmp_path / "begun"
    units = [Unit("other", work.wait_until_stopped, (str(begun), str(begun))), Unit("bad", work.refuse, ("no bars",))]
    with job_folder(tmp_path) as job, pytest.raises(DataError, match="no bars"):
        list(answers_of(cluster, units, job))
    assert cluster.closed and not begun.exists()
    assert "no bars are few (bad)" in [record.getMessage() for record in caplog.records]


def test_what_a_killed_command_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, new, alive = (tmp_path / f"{clusters.JOB}{name}" for name in ("old", "new", "alive"))
    for folder in (old, new, alive):
        folder.mkdir()
    (alive / clusters.ALIVE).touch()
    for folder in (old, alive):
        os.utime(folder, (0, 0))
    with job_folder(tmp_path):
        assert not old.exists() and new.exists() and alive.exists()
