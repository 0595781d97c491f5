"""What identifies a configuration."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sample_configs import experiment

from nextbar.config import ExperimentConfig
from nextbar.config.base import field_names

# for each field that is no number or flag, another value
OTHER: dict[str, Any] = {
    "model_config.n_heads": 2,
    "model_config.tail": "student_t",
    "model_config.start": "constant",
    "model_config.precision": "bf16",
    "dataset_config.datapath": "x",
    "dataset_config.tickers": ["x"],
    "dataset_config.resolution": "1h",
    "dataset_config.seq_len": 12,
    "dataset_config.context_resolutions": ["1d"],
    "dataset_config.norm_mode": "none",
    "dataset_config.target": "log_return",
    "dataset_config.discrete_grid_levels": [-1, 0, 1],
    "dataset_config.initial_date": "2018-01-01",
    "dataset_config.final_date": "2018-01-01",
    "dataset_config.indicators": ["rsi"],
    "dataset_config.empty_values": "mean",
    "dataset_config.features": "close",
    "dataset_config.price": "adjusted",
    "dataset_config.time_feature": "span",
    "dataset_config.calendar": "24/7",
    "dataset_config.timezone": "UTC",
    "log_dir": "x",
    "experiment_name": "x",
    "lr_mode": "linear",
    "gradient_clip": 1.0,
    "test_tickers": ["x"],
}
PLACE = {"log_dir", "experiment_name", "dataset_config.datapath", "max_device_bytes"}
PAIRED = {
    "model_config", "dataset_config", "model_config.output_mode", "dataset_config.output_mode", "range_loss",
    "dataset_config.unscaled", "dataset_config.known_ahead",
    "dataset_config.context_len",
}  # fmt: skip
"""fields that need others to change with them"""


def test_digest_knows_every_field_but_those_of_place() -> None:
    grid = {"output_mode": "discrete_grid"}
    base = experiment(model=grid, data={**grid, "discrete_grid_levels": [-1, 1]})
    digests = {base.digest(), experiment().digest()}
    for name in sorted({*field_names(ExperimentConfig)} - PAIRED):
        data = base.to_dict()
        section, _, leaf = name.rpartition(".")
        inside = data[section] if section else data
        old = inside[leaf]
        inside[leaf] = OTHER.get(name, (not old) if isinstance(old, bool) else old * 2 if old else 1)
        changed = ExperimentConfig.from_dict(data)
        assert changed != base
        assert (changed.digest() in digests) == (name in PLACE), name
        digests.add(changed.digest())


def test_digest_knows_the_loss_of_ranges() -> None:
    law = {"output_mode": "distribution"}
    plain, ranged = (experiment(model=law, data=law, range_loss=weight) for weight in (0.0, 1.0))
    assert plain.digest() != ranged.digest()


def test_digest_knows_how_many_longer_bars_there_are() -> None:
    kinds = ({}, *({"context_resolutions": ["1d"], "context_len": n} for n in (5, 20)))
    assert len({experiment(data=kind).digest() for kind in kinds}) == 3


def test_digest_knows_what_is_said_of_own_columns() -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {"unscaled": ["x"]}, {"known_ahead": ["x"]})
    assert len({experiment(data={"indicators": ["x"], **kind}).digest() for kind in kinds}) == 3


def test_digest_is_the_same_however_it_is_spelt() -> None:
    assert (
        experiment(learning_rate=1, weight_decay=0).digest()
        == experiment(learning_rate=1.0, weight_decay=-0.0).digest()
    )
    assert experiment(data={"resolution": ["4h"]}).digest() == experiment(data={"resolution": "4h"}).digest()
    assert experiment(data={"tickers": ["b", "a"]}).digest() != experiment(data={"tickers": ["a", "b"]}).digest()
    assert re.fullmatch("[0-9a-f]{64}", experiment().digest())


def test_digest_is_the_same_in_another_process() -> None:
    code = f"from nextbar.config import *;print(ExperimentConfig.from_dict({experiment().to_dict()!r}).digest())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.stdout.strip() == experiment().digest()
