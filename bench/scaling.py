"""How time and memory grow: with windows, context, batch, tickers, population.

    python bench/scaling.py                      shape A, one thing varied at a time
    python bench/scaling.py --only seq_len,batch_size --rounds 5
    python bench/scaling.py --only population --values 1,8,64 --shape B --no-memory

The base is shape A, or another, on one ticker of 4,000 bars. For each value of the thing that is varied: windows per
second of the training part of an epoch and of the evaluation of the same windows (medians over the rounds; the values
of one thing run in turn, round by round), those of all members of a population together; and the peak memory of a whole
training in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from common import SHAPES, dataset_of, experiment, hardware, peak_mb, random_bars, show, spread

from nextbar import ExperimentConfig, train_population

BARS = 4_000
VARIED: dict[str, tuple[int, ...]] = {
    "bars": (2_000, 4_000, 8_000, 16_000),
    "seq_len": (12, 24, 48, 96),
    "batch_size": (32, 128, 512),
    "tickers": (1, 4, 16),
    "population": (1, 2, 4, 8),
}


def setting(name: str, value: int, shape: str, bars: int) -> dict[str, Any]:
    """One thing varied. Several tickers share the bars out, so that there are as many windows."""
    sizes = {key: SHAPES[shape][key] for key in ("seq_len", "batch_size")}
    plain = {"shape": shape, "bars": bars, **sizes, "tickers": 1, "population": 1}
    return plain | {name: value} | ({"bars": bars // value} if name == "tickers" else {})


def experiments(at: dict[str, Any], log_dir: str) -> list[ExperimentConfig]:
    """The members of a setting's population, which differ in their seeds."""
    fields = experiment(at["shape"], at["tickers"], log_dir, batch_size=at["batch_size"]).to_dict()
    fields["model_config"]["max_seq_len"] = fields["dataset_config"]["seq_len"] = at["seq_len"]
    return [ExperimentConfig.from_dict(fields | {"seed": seed}) for seed in range(at["population"])]


def speeds(name: str, values: Sequence[int], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Windows per second for every value of one thing."""
    from nextbar.engine.engine import Engine

    runs = []
    for value in values:
        at = setting(name, value, args.shape, args.bars)
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
    for round_ in range(1 + args.rounds):
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


def peak(name: str, value: int, args: argparse.Namespace) -> float:
    """Peak memory in MB of a whole training, in a process of its own."""
    base = ["--shape", args.shape, "--bars", str(args.bars)]
    command = [sys.executable, __file__, "--memory-of", name, str(value), *base]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def train_only(name: str, value: int, args: argparse.Namespace) -> None:
    """Train one epoch; print the peak memory of this process in MB."""
    at = setting(name, value, args.shape, args.bars)
    with tempfile.TemporaryDirectory() as folder:
        train_population(experiments(at, folder), random_bars(at["tickers"], at["bars"]), show=False)
    print(round(peak_mb()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(VARIED), help="what to vary")
    parser.add_argument("--values", help="instead of those it has, of the one thing to vary; e.g. 1,8,64")
    parser.add_argument("--shape", choices=list(SHAPES), default="A")
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="speeds alone")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        return train_only(args.memory_of[0], int(args.memory_of[1]), args)
    names = args.only.split(",")
    if args.values and len(names) > 1:
        raise SystemExit("--values: for one thing to vary; say which with --only")
    found: dict[str, Any] = {}
    for name in names:
        if name not in VARIED:
            raise SystemExit(f"--only: no {name!r}; there are {', '.join(VARIED)}")
        values = [int(value) for value in args.values.split(",")] if args.values else VARIED[name]
        found[name] = speeds(name, values, args)
        for row in [] if args.no_memory else found[name]:
            row["peak_mb"] = peak(name, row[name], args)
        print(json.dumps({name: found[name]}), file=sys.stderr)
    show({**found, **hardware()})


if __name__ == "__main__":
    main()
