"""Configurations: every hyper-parameter with its meaning, default and allowed values; YAML in and out."""

from nextbar.config.experiment import DatasetConfig, ExperimentConfig, ModelConfig

__all__ = ["DatasetConfig", "ExperimentConfig", "ModelConfig"]
