"""How time and memory grow: with windows, context, batch, tickers, population.

    python bench/scaling.py                      shape A, one thing varied at a time
    python bench/scaling.py --only seq_len,batch_size --rounds 5

The base is shape A on one ticker of 4,000 bars. For each value of the thing that is varied: windows per second of the
training part of an epoch and of the evaluation of the same windows (medians over the rounds; the values of one thing
run in turn, round by round), those of all members of a population together; and the peak memory of a whole training in
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from common import dataset_of, experiment, hardware, peak_mb, random_bars, show, spread

from nextbar import ExperimentConfig, train_population

BARS = 4_000
VARIED: dict[str, tuple[int, ...]] = {
    "bars": (2_000, 4_000, 8_000, 16_000),
    "seq_len": (12, 24, 48, 96),
    "batch_size": (32, 128, 512),
    "tickers": (1, 4, 16),
    "population": (1, 2, 4, 8),
}


def setting(name: str, value: int) -> dict[str, int]:
    """One thing varied. Several tickers share the bars out, so that there are as many windows."""
    plain = {"bars": BARS, "seq_len": 24, "batch_size": 128, "tickers": 1, "population": 1}
    return plain | {name: value} | ({"bars": BARS // value} if name == "tickers" else {})


def experiments(at: dict[str, int], log_dir: str) -> list[ExperimentConfig]:
    """The members of a setting's population, which differ in their seeds."""
    fields = experiment("A", at["tickers"], log_dir, batch_size=at["batch_size"]).to_dict()
    fields["model_config"]["max_seq_len"] = fields["dataset_config"]["seq_len"] = at["seq_len"]
    return [ExperimentConfig.from_dict(fields | {"seed": seed}) for seed in range(at["population"])]


def speeds(name: str, rounds: int) -> list[dict[str, Any]]:
    """Windows per second for every value of one thing."""
    from nextbar.engine.engine import Engine

    runs = []
    for value in VARIED[name]:
        at = setting(name, value)
        configs = experiments(at, tempfile.gettempdir())
        engine = Engine(configs, dataset_of(configs[0], at["bars"]))
        run = {
            "value": value,
            "engine": engine,
            "windows": engine.n_windows * len(configs),
            "train": [],
            "evaluate": [],
        }
        run["state"] = engine.join([engine.start(None, member) for member in range(len(configs))])
        runs.append(run)
    for round_ in range(1 + rounds):
        for run in runs:
            engine, members = run["engine"], len(run["engine"].configs)
            began = time.perf_counter()
            run["state"], _ = engine.train_each(run["state"], [round_ + 1] * members)
            trained = time.perf_counter()
            engine.evaluate_each(run["state"].params, engine.dataset.origins["training"])
            if round_:  # the first compiles
                run["train"].append(run["windows"] / (trained - began))
                run["evaluate"].append(run["windows"] / (time.perf_counter() - trained))
    return [
        {
            name: run["value"],
            "windows": run["windows"],
            "train_windows_per_second": spread(run["train"]),
            "evaluation_windows_per_second": spread(run["evaluate"]),
        }
        for run in runs
    ]


def peak(name: str, value: int) -> float:
    """Peak memory in MB of a whole training, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name, str(value)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def train_only(name: str, value: int) -> None:
    """Train one epoch; print the peak memory of this process in MB."""
    at = setting(name, value)
    with tempfile.TemporaryDirectory() as folder:
        train_population(experiments(at, folder), random_bars(at["tickers"], at["bars"]), show=False)
    print(round(peak_mb()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(VARIED), help="what to vary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        return train_only(args.memory_of[0], int(args.memory_of[1]))
    found: dict[str, Any] = {}
    for name in args.only.split(","):
        if name not in VARIED:
            raise SystemExit(f"--only: no {name!r}; there are {', '.join(VARIED)}")
        found[name] = speeds(name, args.rounds)
        for row in found[name]:
            row["peak_mb"] = peak(name, row[name])
        print(json.dumps({name: found[name]}), file=sys.stderr)
    show({**found, **hardware()})


if __name__ == "__main__":
    main()
