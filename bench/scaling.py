"""How time and memory grow: with windows, context, batch, tickers.

    python bench/scaling.py                      shape A, one thing varied at a time
    python bench/scaling.py --only seq_len,batch_size --rounds 5

The base is shape A on one ticker of 4,000 bars. For each value of the thing that is varied: windows per second of the
training part of an epoch and of the evaluation of the same windows (medians over the rounds; the values of one thing
run in turn, round by round), and the peak memory of a whole training in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

from common import experiment, hardware, random_bars, show, spread

BARS = 4_000
VARIED: dict[str, tuple[int, ...]] = {
    "bars": (2_000, 4_000, 8_000, 16_000),
    "seq_len": (12, 24, 48, 96),
    "batch_size": (32, 128, 512),
    "tickers": (1, 4, 16),
}


def setting(name: str, value: int) -> dict[str, int]:
    """One thing varied. Several tickers share the bars out, so that there are as many windows."""
    plain = {"bars": BARS, "seq_len": 24, "batch_size": 128, "tickers": 1}
    return plain | {name: value} | ({"bars": BARS // value} if name == "tickers" else {})


def training(at: dict[str, int], log_dir: str) -> tuple[Any, Any]:
    """The experiment of a setting, and its bars."""
    config = experiment("A", at["tickers"], log_dir, batch_size=at["batch_size"]).to_dict()
    config["model_config"]["max_seq_len"] = config["dataset_config"]["seq_len"] = at["seq_len"]
    from nextbar import ExperimentConfig

    return ExperimentConfig.from_dict(config), random_bars(at["tickers"], at["bars"])


def speeds(name: str, rounds: int) -> list[dict[str, Any]]:
    """Windows per second for every value of one thing."""
    from nextbar.data.bars import frame_bars
    from nextbar.data.dataset import build_dataset
    from nextbar.train.engine import Engine

    runs = []
    for value in VARIED[name]:
        config, frame = training(setting(name, value), tempfile.gettempdir())
        bars = frame_bars(frame, "1h", tickers=config.dataset_config.tickers)
        engine = Engine(config, build_dataset(config, bars))
        state, _ = engine.train(engine.start(None), 1)
        rows = engine.dataset.origins["training"]
        engine.evaluate(state.params, rows)
        runs.append({"value": value, "engine": engine, "state": state, "rows": rows, "train": [], "evaluate": []})
    for round_ in range(rounds):
        for run in runs:
            engine = run["engine"]
            began = time.perf_counter()
            run["state"], _ = engine.train(run["state"], round_ + 2)
            run["train"].append(engine.n_windows / (time.perf_counter() - began))
            began = time.perf_counter()
            engine.evaluate(run["state"].params, run["rows"])
            run["evaluate"].append(engine.n_windows / (time.perf_counter() - began))
    return [
        {
            name: run["value"],
            "windows": run["engine"].n_windows,
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
    from nextbar import Trainer

    with tempfile.TemporaryDirectory() as folder:
        config, frame = training(setting(name, value), folder)
        Trainer(config, bars=frame, show=False).train_and_evaluate()
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


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
