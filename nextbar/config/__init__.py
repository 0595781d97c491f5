"""Configurations: every hyper-parameter with its meaning, default and allowed values; YAML in and out."""

from nextbar.config.dataset import DatasetConfig
from nextbar.config.experiment import ExperimentConfig
from nextbar.config.model import ModelConfig

__all__ = ["DatasetConfig", "ExperimentConfig", "ModelConfig"]
