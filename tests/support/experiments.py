"""Made-up experiments ready to run: a configuration's windows, its engine, a training without the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from builders import make_bars, make_config

from nextbar.bars.bars import Bars
from nextbar.bars.series import series_tickers
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.engine.engine import COMPILING, Engine
from nextbar.runs.folder import RunFolder
from nextbar.train.cohort import Cohort
from nextbar.train.training import Training

GRID = (-np.inf, -0.5, 0.0, 0.5, np.inf)
"""bin edges in percent for ``discrete_grid``"""

COMPILED = "/jax/core/compile/backend_compile_duration"


def series(config: ExperimentConfig, n: int = 150, **options: Any) -> list[Bars]:
    """Bars of every series of the experiment, each another random walk."""
    pairs = [(r, t) for r in config.dataset_config.resolutions for t in series_tickers(config)]
    return [make_bars(t, r, n, seed=i, **options) for i, (r, t) in enumerate(pairs)]


def make_dataset(n: int = 150, price: float = 100.0, **overrides: Any) -> tuple[ExperimentConfig, Dataset]:
    """A small experiment (fields as in ``make_config``) and its windows: 90 of training, 24 and 30 scored."""
    config = make_config(**overrides)
    return config, build_dataset(config, series(config, n, price=price))


def make_engine(n: int = 150, price: float = 100.0, **overrides: Any) -> Engine:
    """The engine of a small experiment."""
    return Engine(*make_dataset(n, price, **overrides))


def leaves(tree: Any) -> list[np.ndarray]:
    """Copies of all arrays of a tree."""
    return [np.array(leaf, copy=True) for leaf in jax.tree.leaves(tree)]


def assert_bit_equal(first: Any, second: Any) -> None:
    """Same structure, same bits."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(leaves(first), leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the functions that are compiled within the block."""
    names: list[str] = []

    def listen(event: str, _seconds: float, **facts: Any) -> None:
        if event == COMPILED:
            names.append(str(facts.get("fun_name")))

    for thread in threading.enumerate():  # of trainings before, which ended without a call
        if thread.name.startswith(COMPILING):
            thread.join()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def make_cohort(configs: Sequence[ExperimentConfig], dataset: Dataset, folder: Path) -> Cohort:
    """Trainings that begin, and keep nothing: their folders are never made."""
    runs = [RunFolder(replace(config, log_dir=str(folder), save_weights=False), "f" * 64) for config in configs]
    return Cohort([Training(run, len(dataset.origins["training"])) for run in runs], dataset)
