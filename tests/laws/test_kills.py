"""Whatever is killed at any moment and started again ends, bit by bit, like what nobody disturbed.

A few kills of each command; `make kills` does many.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import orbax.checkpoint as ocp
import pytest
from killing import TARGETS, disturb
from same_folders import differences, state_in

RUNS = Path(__file__).parents[1] / "runs" / "runs_format_3.zip"


@pytest.mark.parametrize(
    ("name", "kills"),
    [pytest.param("train", 3, marks=pytest.mark.optimized),  # as users compile it
     *(pytest.param(name, kills, marks=pytest.mark.slow) for name, kills in
       {"population": 3, "ensemble": 2, "final": 3, "search-median": 2, "search-hyperband": 2, "backtest": 2,
        "refit": 2, "update": 2}.items())],
)  # fmt: skip
def test_killed_and_started_again(name: str, kills: int, tmp_path: Path) -> None:
    tally = disturb(TARGETS[name], kills, tmp_path)
    assert tally.kills.total() == kills and not tally.differences


def _digit(path: Path) -> None:
    path.write_text(path.read_text().replace("1", "2", 1))


def _other_epoch(path: Path) -> None:
    shutil.copytree(path, path.with_name("4"))


def _other_array(path: Path) -> None:
    """The parameters of another run."""
    state = state_in(path)
    shutil.rmtree(path / "state")
    with ocp.PyTreeCheckpointer() as writer:
        writer.save(path.absolute() / "state", jax.tree.map(lambda leaf: leaf + 1, state))


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("metrics.csv", _digit),
        ("metrics.csv", Path.unlink),
        (".summary.json.abc.part", Path.touch),
        ("checkpoints/best/3", _other_epoch),
        ("checkpoints/best/3", _other_array),
    ],
)
def test_what_differs_is_found(path: str, change: Callable[[Path], object], tmp_path: Path) -> None:
    with zipfile.ZipFile(RUNS) as archive:
        for name in ("one", "other"):
            archive.extractall(tmp_path / name)
    one, other = tmp_path / "one", tmp_path / "other"
    assert list(differences(one, other)) == []
    change(one / "distribution" / path)
    found = list(differences(one, other))
    assert len(found) == 1 and path.rpartition("/")[0] in found[0]
