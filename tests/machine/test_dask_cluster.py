"""What is said where there is no Dask, and no scheduler; with them see ``tests/laws/test_clusters.py``."""

from __future__ import annotations

import sys

import pytest
from ports import free_port

from nextbar.errors import ConfigError, RunError
from nextbar.machine import dask_cluster
from nextbar.machine.clusters import joined


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(
            ConfigError, match=r"pip install 'nextbar\[cluster\]', here, for the scheduler and on the workers"
        ),
        joined("dask://localhost:8786"),
    ):
        pass


def test_a_scheduler_that_does_not_answer_is_named_with_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "CONNECT", 0.3)
    address = f"127.0.0.1:{free_port()}"
    said = rf"no Dask scheduler answers at {address}, tried for 0\.3 s .*dask scheduler"
    with pytest.raises(RunError, match=said), joined(f"dask://{address}"):
        pass
