"""What the measurements share: bars to work on, the shapes, and what they ran on."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nextbar import ExperimentConfig
from nextbar.bars.bars import frame_bars
from nextbar.data.dataset import Dataset, build_dataset

TICKERS = 3
DROPOUT = 0.05

SHAPES: dict[str, dict[str, int]] = {
    "A": {
        "seq_len": 24,
        "d_model": 128,
        "num_layers": 2,
        "n_heads": 4,
        "dim_feedforward": 512,
        "batch_size": 128,
    },
    "B": {
        "seq_len": 100,
        "d_model": 128,
        "num_layers": 4,
        "n_heads": 2,
        "dim_feedforward": 512,
        "batch_size": 256,
    },
    "C": {
        "seq_len": 128,
        "d_model": 512,
        "num_layers": 6,
        "n_heads": 8,
        "dim_feedforward": 2048,
        "batch_size": 256,
    },
}


def random_bars(tickers: int, bars: int, seed: int = 0) -> pd.DataFrame:
    """Hourly random walks, long format; speed does not depend on what they say."""
    frames = []
    for i in range(tickers):
        rng = np.random.default_rng(seed + i)
        close = 100 * np.exp(np.cumsum(rng.standard_normal(bars) * 0.005))
        open_ = np.concatenate([[100.0], close[:-1]])
        wick = np.abs(rng.standard_normal((2, bars))) * 0.002
        frames.append(
            pd.DataFrame(
                {
                    "ticker": f"walk_{i}",
                    "date": pd.date_range("2015-01-01", periods=bars, freq="h", tz="UTC"),
                    "open": open_,
                    "high": np.maximum(open_, close) * (1 + wick[0]),
                    "low": np.minimum(open_, close) * (1 - wick[1]),
                    "close": close,
                    "volume": np.exp(rng.standard_normal(bars)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def experiment(shape: str, tickers: int, log_dir: str, **changes: Any) -> ExperimentConfig:
    """An experiment of one of the ``SHAPES`` on ``random_bars``; 1 % test and 1 % validation."""
    sizes = dict(SHAPES[shape])
    seq_len, batch_size = sizes.pop("seq_len"), sizes.pop("batch_size")
    return ExperimentConfig.from_dict(
        {
            "model_config": {
                **sizes,
                "max_seq_len": seq_len,
                "dropout": DROPOUT,
                "use_extra_tokens": True,
                "precision": changes.pop("precision", "fp32"),
            },
            "dataset_config": {
                "datapath": ".",
                "tickers": [f"walk_{i}" for i in range(tickers)],
                "resolution": "1h",
                "seq_len": seq_len,
            },
            "log_dir": log_dir,
            "experiment_name": f"bench_{shape}",
            "batch_size": batch_size,
            "num_epochs": 1,
            "test_split": 0.01,
            "validation_split": 0.01,
            "save_weights": False,
            **changes,
        }
    )


def dataset_of(config: ExperimentConfig, bars: int) -> Dataset:
    """The windows of an experiment on so many bars of each of its ``random_bars``."""
    tickers = config.dataset_config.tickers
    return build_dataset(config, frame_bars(random_bars(len(tickers), bars), "1h", tickers=tickers))


def hardware() -> dict[str, Any]:
    """What the figures hold for."""
    import jax

    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
    }


def peak_mb() -> float:
    """The most memory this process has held so far.

    Linux counts what the parent held at the start of a process into ``ru_maxrss``, not into this.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and greatest of repeated measurements."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def show(result: dict[str, Any]) -> None:
    """Print a result as JSON."""
    print(json.dumps(result, indent=2))
