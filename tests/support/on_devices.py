"""Whole trainings on a number of virtual CPU devices, each number in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import GRID

TESTS = Path(__file__).resolve().parent

ALONE: dict[str, dict[str, Any]] = {
    "mean": {"batch_size": 30, "horizon": 2},
    "distribution": {
        "output_mode": "distribution",
        "tail": "student_t",
        "gradient_clip": 0.5,
        "num_layers": 2,
        "use_extra_tokens": True,
        "time_feature": "span",
    },
    "discrete_grid": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "features": "returns"},
    "few": {"batch_size": 5, "num_epochs": 1},
    "host": {"batch_size": 3, "seq_len": 3, "num_epochs": 1, "max_device_bytes": 9_000},
}
"""trainings of 90 windows with dropout, by name: batches of 16, of 30 that no number of devices divides, of 5, fewer
than devices, and of 3 with bars that stay on the host"""

POPULATIONS = {"population": 4, "uneven": 6}
"""members by name"""


def folder_of(logs: Path, name: str, member: int = 0) -> Path:
    """The run's folder."""
    (found,) = (path for path in (logs / f"{name}_{member}").iterdir() if path.is_dir())
    return found


def environment(devices: int) -> dict[str, str]:
    """Of a process that sees so many CPU devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}".strip()
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": f"{TESTS.parents[1]}:{TESTS}"}


def train_on(devices: int, logs: Path, *names: str) -> None:
    """Train the named ones, a population's members side by side where there are several devices, else apart."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), str(devices), str(logs), *names],
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def _train(devices: int, logs: Path, name: str) -> None:
    from trainings import BARS, make_config

    from nextbar.train.population import train_population
    from nextbar.train.trainer import Trainer

    config = make_config(logs, experiment_name=f"{name}_0", **ALONE.get(name, {}))
    configs = [
        replace(config, experiment_name=f"{name}_{i}", seed=i, learning_rate=1e-3 * (i + 1))
        for i in range(POPULATIONS.get(name, 1))
    ]
    if devices > 1 and len(configs) > 1:
        train_population(configs, BARS, show=False)
    else:
        for one in configs:
            Trainer(one, BARS, show=False).train_and_evaluate()


if __name__ == "__main__":
    import jax

    assert jax.device_count() == int(sys.argv[1])
    for wanted in sys.argv[3:]:
        _train(int(sys.argv[1]), Path(sys.argv[2]), wanted)
