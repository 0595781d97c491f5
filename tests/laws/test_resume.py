"""A training killed at any moment and started again ends as one that nobody disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_bars, make_config, make_frame
from experiments import leaves

from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import read_summary

TRAIN = """
import sys
import pandas as pd
from nextbar.config import ExperimentConfig
from nextbar.train.seeds import train_seeds
from nextbar.train.trainer import Trainer

config = ExperimentConfig.load(sys.argv[1], ["log_dir=" + sys.argv[3]])
bars, seeds = pd.read_parquet(sys.argv[2]), int(sys.argv[4])
if seeds > 1:
    train_seeds(config, seeds, bars, show=False)
else:
    Trainer(config, bars, show=False).train_and_evaluate()
"""


def start(folder: Path, logs: Path, seeds: int) -> subprocess.Popen[bytes]:
    files = [str(folder / "config.yaml"), str(folder / "bars.parquet"), str(logs)]
    command = [sys.executable, "-c", TRAIN, *files, str(seeds)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()[-2000:]


def run_dirs(logs: Path) -> list[Path]:
    return sorted(path for path in (logs / "test").iterdir() if path.is_dir())


def parameters(folder: Path, epoch: int | None) -> list[np.ndarray]:
    checkpoints = Checkpoints(folder / "checkpoints")
    try:
        return leaves(checkpoints.restore_raw(epoch))
    finally:
        checkpoints.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "seeds", "final"), [(10, 1, False), (5, 3, False), (5, 1, True)], ids=["alone", "population", "final fit"]
)
def test_killed_and_started_again(kills: int, seeds: int, final: bool, tmp_path: Path) -> None:
    """Kills fall at random moments between the first sign of life and the end."""
    epochs, bars = 60, make_frame(make_bars(n=400))
    config = make_config(num_epochs=epochs, dropout=0.1, learning_rate=1e-2, early_stopper=0)
    if final:  # on a wave, which can be learnt: the best epoch is a late one
        epochs = 10
        config = replace(config, num_epochs=epochs, final_fit=True)
        bars["close"] = 100 + np.sin(np.arange(400) / 4)
        bars["low"], bars["high"] = bars["close"] - 5, bars["close"] + 5
        bars["open"] = bars["close"]
    config.save(tmp_path / "config.yaml")
    bars.to_parquet(tmp_path / "bars.parquet")
    finish(start(tmp_path, tmp_path / "undisturbed", seeds))
    plain = run_dirs(tmp_path / "undisturbed")
    epochs_of_all = epochs + (len(read_metrics(plain[0] / "final")) if final else 0)
    assert not final or epochs_of_all > epochs + 2

    moment = random.Random(0)
    logs = tmp_path / "killed"
    reached = []
    for kill in range(kills):
        process = start(tmp_path, logs, seeds)
        # up to an epoch of its own, in rising order, and then some milliseconds more; the first kill comes before any
        goal = kill * epochs // (kills + 1) + moment.randrange(3) if kill else 0
        if final and kill >= kills - 3:  # between the fits, when the final one has begun, and a little later
            goal = epochs + kill - (kills - 3)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline and epochs_done(logs) < goal:
            time.sleep(0.005)
        time.sleep(moment.uniform(0, 2.0 if not kill else 0.01 if final else 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        reached.append(epochs_done(logs))
    finish(start(tmp_path, logs, seeds))
    killed = run_dirs(logs)

    assert 0 < reached[-1] < epochs_of_all, reached  # the kills fell into the training
    assert not final or reached[-1] > epochs, reached
    assert [path.name for path in killed] == [path.name for path in plain] and len(killed) == seeds
    for one, other in zip(killed, plain, strict=True):
        assert read_summary(one)["status"] == "finished"
        rows, wanted = ((path / "metrics.csv").read_text().splitlines() for path in (one, other))
        behind = kills if seeds > 1 else 0
        assert rows[: len(rows) - behind] == wanted[: len(wanted) - behind]
        if seeds == 1:
            assert rows == wanted and read_summary(one)["metrics"] == read_summary(other)["metrics"]
            compare = np.testing.assert_array_equal
        else:
            assert_close_records(one, other)
            compare = assert_close
        for epoch in (epochs, None):  # the last, and the best
            for a, b in zip(parameters(one, epoch), parameters(other, epoch), strict=True):
                compare(a, b)
    if final:
        one, other = killed[0] / "final", plain[0] / "final"
        assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
        for a, b in zip(parameters(one, None), parameters(other, None), strict=True):
            np.testing.assert_array_equal(a, b)


def assert_close(a: np.ndarray, b: np.ndarray) -> None:
    """Each kill between two members' commits may leave one a further epoch behind: its last are computed in a smaller
    program, which rounds differently."""
    assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(b)


def assert_close_records(one: Path, other: Path) -> None:
    for row, wanted in zip(*map(read_metrics, (one, other)), strict=True):
        assert row == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    metrics, plain = (read_summary(path)["metrics"] for path in (one, other))
    assert metrics.keys() == plain.keys()
    for span in plain:
        assert metrics[span]["model"] == pytest.approx(plain[span]["model"], rel=1e-5, abs=1e-5)
        assert metrics[span]["baseline"] == plain[span]["baseline"]


def epochs_done(logs: Path) -> int:
    """Rows of ``metrics.csv``, that of a final fit added."""
    found = list(logs.glob("test/*/metrics.csv"))[:1] + list(logs.glob("test/*/final/metrics.csv"))
    return sum(max(path.read_text().count("\n") - 1, 0) for path in found)
