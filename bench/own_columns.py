"""What own columns are worth, raw and standardised, known ahead or not, with and without empty values.

    python bench/own_columns.py
    python bench/own_columns.py --seeds 5 --bars 20000 --cells raw standardised

Hourly bars whose percent log return is 0.4 f(t) + 0.3 w(t - 1) + e(t): f and e are white noise, w has an
autocorrelation of 0.9, all three have variance 1. Own columns are ``funding``, 1e-4 (1 + f), known ahead, and ``vix``,
20 + 5 w. The best share of the return's variance that can be forecast is 0.09 / 1.25 = 0.072 without the funding of the
predicted bar, and 0.25 / 1.25 = 0.2 with it. The figures are that share on the test span (``r2_return``), a small model
trained from each seed on a series of that seed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from common import hardware, show, spread

from nextbar import ExperimentConfig, Trainer

BOTH: dict[str, Any] = {"indicators": ["vix", "funding"]}
KNOWN: dict[str, Any] = BOTH | {"known_ahead": ["funding"]}
GAPS: dict[str, Any] = {"indicators": ["vix_gaps", "funding"], "known_ahead": ["funding"]}
CELLS: dict[str, dict[str, Any]] = {
    "no own columns": {},
    "raw": BOTH | {"unscaled": ["vix", "funding"]},
    "standardised": BOTH,
    "raw, known ahead": KNOWN | {"unscaled": ["vix", "funding"]},
    "standardised, known ahead": KNOWN,
    "two bars in five empty: last": GAPS,
    "two bars in five empty: mean": GAPS | {"empty_values": "mean"},
    "one bar in 50 empty: last": GAPS | {"indicators": ["vix_few", "funding"]},
    "one bar in 50 empty: drop": GAPS | {"indicators": ["vix_few", "funding"], "empty_values": "drop"},
}


def series(bars: int, seed: int) -> pd.DataFrame:
    """The bars of one seed."""
    rng = np.random.default_rng(seed)
    funding_N, noise_N, shock_N = rng.standard_normal((3, bars))
    level_N = np.empty(bars)
    level_N[0] = shock_N[0]
    for t in range(1, bars):
        level_N[t] = 0.9 * level_N[t - 1] + np.sqrt(1 - 0.9**2) * shock_N[t]
    return_N = 0.4 * funding_N + 0.3 * np.r_[0.0, level_N[:-1]] + noise_N
    close_N = 100 * np.exp(np.cumsum(return_N) / 100)
    open_N = np.r_[100.0, close_N[:-1]]
    width_N = np.exp(np.abs(rng.standard_normal((2, bars))) / 200)
    vix_N = 20 + 5 * level_N
    many_N, few_N = rng.random((2, bars)) < np.array([[0.4], [0.02]])
    return pd.DataFrame(
        {
            "date": pd.date_range("2020-01-01", periods=bars, freq="h", tz="UTC"),
            "open": open_N,
            "high": np.maximum(open_N, close_N) * width_N[0],
            "low": np.minimum(open_N, close_N) / width_N[1],
            "close": close_N,
            "vix": vix_N,
            "vix_gaps": np.where(many_N, np.nan, vix_N),
            "vix_few": np.where(few_N, np.nan, vix_N),
            "funding": 1e-4 * (1 + funding_N),
        }
    )


def measure(cell: str, bars: int, seed: int, epochs: int, folder: str) -> float:
    """``r2_return`` of the test span."""
    config = ExperimentConfig.from_dict(
        {
            "model_config": {"d_model": 32, "dim_feedforward": 64, "head_layers": 1, "dropout": 0.05},
            "dataset_config": {
                "datapath": ".",
                "tickers": ["series"],
                "resolution": "1h",
                "norm_mode": "window_meanstd",
                "target": "log_return",
                "features": "returns",
                **CELLS[cell],
            },
            "log_dir": folder,
            "experiment_name": f"{list(CELLS).index(cell)}",
            "num_epochs": epochs,
            "learning_rate": 1e-3,
            "warmup_epochs": 1,
            "test_split": 0.25,
            "seed": seed,
        }
    )
    metrics = Trainer(config, series(bars, seed), show=False).train_and_evaluate().metrics
    return float(metrics["test"]["model"]["r2_return"])


def main() -> None:
    """Print the figures of each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=8_000)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    logging.getLogger("nextbar").setLevel(logging.ERROR)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for cell in options.cells:
            shares = [measure(cell, options.bars, seed, options.epochs, folder) for seed in range(options.seeds)]
            results[cell] = spread(shares)
            print(cell, [round(share, 4) for share in shares], file=sys.stderr)
    show({"bars": options.bars, "epochs": options.epochs, "r2_return": results, **hardware()})


if __name__ == "__main__":
    main()
