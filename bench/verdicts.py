"""How often a verdict says "by more than luck" on markets where nothing can be learnt, and on markets where it can.

    python bench/verdicts.py

On markets of the first kind no network can know more than forecasts that cost nothing, so 5 in 100 verdicts may claim a
victory; a network is trained on each for a few epochs, from a random seed. By kind of market and output mode:

- ``walk``: a random walk with normal steps
- ``garch``: GARCH(1,1), v = 0.05 + 0.20 r^2 + 0.75 v, normal
- ``garch_diurnal``: the same times a factor of the hour
- ``planted``: r = s abs(z), whose sign s stays with probability 0.7 (S3)

``claims`` counts verdicts over every forecast that costs nothing, ``strongest alone`` those that the test against the
forecast chosen on validation alone would have given. The last column counts which forecast was the hardest to beat.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import show

from nextbar import ExperimentConfig
from nextbar.bars.bars import frame_bars
from nextbar.data.dataset import build_dataset
from nextbar.logger import get_logger
from nextbar.machine.compilation import enable_cache
from nextbar.runs.folder import RunFolder
from nextbar.train.cohort import Cohort
from nextbar.train.loop import run_epoch
from nextbar.train.training import Training

BARS = 1_500
SUB_STEPS = 20
NOTHING = ("walk", "garch", "garch_diurnal")
MODES: dict[str, dict[str, Any]] = {
    "mean": {"output_mode": "mean"},
    "normal": {"output_mode": "distribution"},
    "student_t": {"output_mode": "distribution", "tail": "student_t"},
    "constant start": {"output_mode": "distribution", "start": "constant"},
}
"""Output modes with tails and starts; a distribution begins at a range HAR unless told otherwise."""
PLANTED = ("mean", "normal")
LEARNING: dict[str, Any] = {"features": "returns", "learning_rate": 3e-3}
"""What a network is given on planted markets, where it has to learn."""


class Silent:
    """Takes the place of the files that a training writes."""

    def epoch(self, *facts: Any) -> None: ...


def returns(kind: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log returns in percent and their conditional standard deviations, (n,) each."""
    if kind == "planted":
        sign_N = np.cumprod(np.where(rng.random(n) < 0.7, 1, -1))
        return sign_N * np.abs(rng.standard_normal(n)), np.ones(n)
    if kind == "walk":
        return rng.standard_normal(n), np.ones(n)
    std_N, variance, z_N = np.empty(n), 1.0, rng.standard_normal(n)
    for t in range(n):
        std_N[t] = np.sqrt(variance)
        variance = 0.05 + variance * (0.20 * z_N[t] ** 2 + 0.75)
    if kind == "garch_diurnal":
        factor_N = np.exp(0.6 * np.cos(2 * np.pi * (np.arange(n) % 24 - 14) / 24))
        std_N *= factor_N / np.sqrt(np.mean(factor_N[:24] ** 2))
    return std_N * z_N, std_N


def market(kind: str, n: int, seed: int) -> pd.DataFrame:
    """Hourly bars whose highs and lows are those of a Brownian bridge that ends at the close."""
    rng = np.random.default_rng(seed)
    return_N, std_N = returns(kind, n, rng)
    path = np.cumsum(rng.standard_normal((n, SUB_STEPS)) * (std_N / np.sqrt(SUB_STEPS))[:, None], axis=1)
    path += np.arange(1, SUB_STEPS + 1) / SUB_STEPS * (return_N - path[:, -1])[:, None]
    close_N = 100 * np.exp(np.cumsum(return_N) / 100)
    open_N = close_N * np.exp(-return_N / 100)
    price = open_N[:, None] * np.exp(np.concatenate([np.zeros((n, 1)), path], axis=1) / 100)
    price[:, 0], price[:, -1] = open_N, close_N
    date = pd.date_range("2015-01-01", periods=n, freq="h", tz="UTC")
    prices = {"open": open_N, "high": price.max(axis=1), "low": price.min(axis=1), "close": close_N}
    return pd.DataFrame({"ticker": "made_up", "date": date, **prices})


def trained(frame: pd.DataFrame, seed: int, epochs: int, folder: str, **fields: Any) -> dict[str, Any]:
    """Report of the test span of a tiny network."""
    config = ExperimentConfig.from_dict(
        {
            "experiment_name": "verdicts", "log_dir": folder, "seed": seed, "num_epochs": epochs, "batch_size": 64,
            "learning_rate": fields.get("learning_rate", 1e-2), "save_weights": False, "early_stopper": 0,
            "model_config": {"d_model": 16, "num_layers": 1, "n_heads": 1, "dim_feedforward": 32, "dropout": 0.0,
                             **{k: fields[k] for k in ("tail", "start") if k in fields}},
            "dataset_config": {"tickers": ["made_up"], "resolution": "1h", "seq_len": 8, "horizon": 1,
                               "features": fields.get("features", "ohlc"), "datapath": "none", "calendar": "24/7",
                               "target": "log_return",
                               "output_mode": fields["output_mode"]},
        }
    )  # fmt: skip
    dataset = build_dataset(config, frame_bars(frame, "1h"))
    run = RunFolder(replace(config, log_dir=str(Path(folder) / "runs")), "0" * 64)  # is never made
    cohort = Cohort([Training(run, len(dataset.origins["training"]))], dataset)
    (training,) = cohort.trainings
    training.tracker = Silent()  # type: ignore[assignment]
    while not training.complete and training.diverged is None:
        run_epoch(cohort)
    (report,) = cohort.reports([training])
    return report.metrics["test"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--markets", type=int, default=1_000, help="with nothing to learn")
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--planted-epochs", type=int, default=40)
    parser.add_argument("--planted-bars", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    get_logger().setLevel(logging.ERROR)
    enable_cache()
    cells = [(kind, mode) for kind in NOTHING for mode in MODES]
    work = [(*cells[i % len(cells)], i) for i in range(chosen.markets)]
    work += [("planted", PLANTED[i % 2], chosen.markets + i) for i in range(chosen.planted)]
    claims, alone, hardest, counts = Counter[Any](), Counter[Any](), Counter[Any](), Counter[Any]()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind, mode, i in work:
            n, epochs = chosen.bars, chosen.epochs
            if kind == "planted":
                n, epochs = chosen.planted_bars, chosen.planted_epochs
            seed = chosen.seed * 1_000_003 + i
            fields = MODES[mode] | (LEARNING if kind == "planted" else {})
            report = trained(market(kind, n, seed), seed, epochs, folder, **fields)
            cell, test = (kind, mode), report["diebold_mariano"]
            counts[cell] += 1
            claims[cell] += report["verdict"].startswith("Beats")
            alone[cell] += bool(test and test["statistic"] > 0 and test["p_value"] < 0.05)
            if report.get("tested"):
                hardest[cell, report["tested"]["hardest"]] += 1
            if sum(counts.values()) % 50 == 0:
                told = {f"{k} {m}": f"{claims[k, m]}/{alone[k, m]}/{n}" for (k, m), n in counts.items()}
                print(f"{sum(counts.values())} of {len(work)}, {time.perf_counter() - began:.0f} s: {told}", flush=True)
    rows = []
    for cell, number in counts.items():
        worst = Counter({name: k for (of, name), k in hardest.items() if of == cell}).most_common(3)
        names = ", ".join(f"{name} {k}" for name, k in worst)
        rows.append([*cell, number, *(f"{100 * count[cell] / number:.1f}" for count in (claims, alone)), names])
    nothing = sum(n for (kind, _), n in counts.items() if kind != "planted")
    planted = sum(counts.values()) - nothing
    for name, total, kinds in (("nothing to learn", nothing, NOTHING), ("planted", planted, ("planted",))):
        if total:
            both = (sum(k for (kind, _), k in count.items() if kind in kinds) for count in (claims, alone))
            rows.append([name, "all", total, *(f"{100 * k / total:.1f}" for k in both), ""])
    head = ["market", "mode", "markets", "claims, %", "strongest alone, %", "hardest to beat"]
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(map(str, row))} |")
    seconds = time.perf_counter() - began
    show({"seconds": round(seconds), "bars": chosen.bars, "epochs": chosen.epochs})


if __name__ == "__main__":
    main()
