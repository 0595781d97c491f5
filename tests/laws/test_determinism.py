"""The same configuration on the same machine, in another process: every file is the same, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_bars, make_config, make_frame
from trainings import assert_same_training, parameters

RUN = """
import os, sys
if cores := int(sys.argv[2]):  # XLA has as many threads as it sees cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
from nextbar.cli.app import run
sys.argv = ["nextbar", "train", sys.argv[1]]
run()
"""

THREADS = 1e-4
"""of parameters and metrics, relative: what another number of threads may make of a short training"""


def train(folder: Path, config: Path, cores: int = 0, **environment: str) -> Path:
    """Train in a process that starts in a folder of its own; the run's folder."""
    folder.mkdir()
    command = [sys.executable, "-c", RUN, str(config), str(cores)]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | paths | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (found,) = (folder / "runs" / "test").glob("*/summary.json")
    return found.parent


def files(run_dir: Path) -> dict[str, bytes]:
    """All files by their names, but for TensorBoard's, which hold the time of day, and the checkpoints'."""
    names = [path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*") if path.is_file()]
    return {name: (run_dir / name).read_bytes() for name in names if not name.startswith(("events", "checkpoints/"))}


def assert_same_files(one: Path, other: Path) -> None:
    mine, others = files(one), files(other)
    assert mine.keys() == others.keys() and {"summary.json", "metrics.csv", "rival.json", "conformal.json"} <= set(mine)
    assert [name for name in mine if mine[name] != others[name]] == []
    for which in ("last", "best"):
        for a, b in zip(parameters(one, which), parameters(other, which), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.optimized
def test_two_processes_write_the_same_files(tmp_path: Path) -> None:
    """Whatever the seed of hashes, the folder, the compilers' cache and the threads of linear algebra.

    With XLA on one core as well; from several cores it differs by rounding.
    """
    bars = tmp_path / "bars" / "1h"
    bars.mkdir(parents=True)
    for seed, ticker in enumerate(("aaa", "bbb")):
        frame = make_frame(make_bars(ticker, n=600, seed=seed)).drop(columns=["ticker", "resolution"])
        frame.to_csv(bars / f"{ticker}_1h.csv", index=False)
    config = make_config(
        datapath=str(bars.parent), log_dir="runs", tickers=["aaa", "bbb"], d_model=32, n_heads=4, num_layers=2,
        dim_feedforward=64, seq_len=24, batch_size=64, dropout=0.1, learning_rate=3e-3, num_epochs=2,
        output_mode="distribution", tail="student_t", target="log_return",
    )  # fmt: skip
    config.save(tmp_path / "config.yaml")

    def process(name: str, cores: int = 0, cache: str = "cache", **environment: str) -> Path:
        environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / cache)}
        return train(tmp_path / name, tmp_path / "config.yaml", cores, **environment)

    first = process("first", PYTHONHASHSEED="1")
    assert_same_files(first, process("warm", PYTHONHASHSEED="2", OPENBLAS_NUM_THREADS="1"))
    assert_same_files(first, process("cold", PYTHONHASHSEED="3", cache="other", TZ="Asia/Tokyo", LC_ALL="C"))
    if hasattr(os, "sched_setaffinity"):
        one_core = process("one core", cores=1)
        assert_same_files(one_core, process("one core, cold", cores=1, cache="third", PYTHONHASHSEED="4"))
        assert_same_training(one_core, first, THREADS)
        assert files(one_core)["rival.json"] == files(first)["rival.json"]
