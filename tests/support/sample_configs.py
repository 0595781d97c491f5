"""A valid configuration to vary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig

DATA: dict[str, Any] = {"datapath": "data", "tickers": ["btc_usd"], "resolution": "4h"}


def experiment(model: Mapping[str, Any] = {}, data: Mapping[str, Any] = {}, **fields: Any) -> ExperimentConfig:
    """All defaults but for what is given: fields of the model, of the dataset, of the experiment."""
    given = {
        "model_config": ModelConfig(**model),
        "dataset_config": DatasetConfig(**{**DATA, **data}),
        "log_dir": "runs",
        "experiment_name": "first",
    }
    return ExperimentConfig(**{**given, **fields})
