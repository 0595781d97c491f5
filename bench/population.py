"""A population against its members one after another: seconds of whole trainings, compilation and run folders included.

    python bench/population.py                          both shapes, P = 1, 2, 4, 8, one round
    python bench/population.py --shape A --members 1 2 --rounds 3
    python bench/population.py --epochs 20 --bars 2000

Each measurement is a process of its own with an empty compilation cache. For one after another it trains the members
with ``Trainer``, so that all but the first find the program compiled; ``steady`` is the time of an epoch of all
members without the first epochs, which compile. The members are seeds of one experiment, with checkpoints, metrics
and all.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

from common import SHAPES, experiment, hardware, random_bars, show, spread

SHAPES["small"] = {
    "seq_len": 24,
    "d_model": 32,
    "num_layers": 1,
    "n_heads": 4,
    "dim_feedforward": 64,
    "batch_size": 64,
}

WAYS = ("together", "one after another")


def measure(way: str, shape: str, members: int, epochs: int, bars: int) -> None:
    """Train so many seeds; print the seconds as JSON."""
    from nextbar.train import loop
    from nextbar.train.population import train_population
    from nextbar.train.trainer import Trainer

    logging.getLogger("nextbar").setLevel(logging.ERROR)
    frame = random_bars(1, bars)
    spent: list[float] = []
    run_epoch = loop.run_epoch

    def timed(*args: Any) -> None:
        began = time.perf_counter()
        run_epoch(*args)
        spent.append(time.perf_counter() - began)

    loop.run_epoch = timed
    with tempfile.TemporaryDirectory() as folder:
        config = experiment(
            shape, 1, folder, num_epochs=epochs, save_weights=True, test_split=0.15, validation_split=0.1
        )
        configs = [replace(config, seed=seed) for seed in range(members)]
        began = time.perf_counter()
        if way == "together":
            train_population(configs, frame, show=False)
        else:
            for one in configs:
                Trainer(one, frame, show=False).train_and_evaluate()
        total = time.perf_counter() - began
    per_epoch = len(spent) // epochs  # trainings of epochs measured
    steady = sum(sum(spent[i * epochs + 1 : (i + 1) * epochs]) for i in range(per_epoch)) / (epochs - 1)
    print(json.dumps({"seconds": total, "steady_epoch_seconds": steady}))


def in_turn(shape: str, members: int, epochs: int, bars: int, rounds: int) -> dict[str, Any]:
    """Both ways in turn, each in a process of its own."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            with tempfile.TemporaryDirectory() as cache:
                command = [sys.executable, __file__, "--one", way, shape, str(members), str(epochs), str(bars)]
                environment = os.environ | {"XDG_CACHE_HOME": cache}
                environment.pop("JAX_COMPILATION_CACHE_DIR", None)
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise SystemExit(done.stderr)
            found[way].append(json.loads(done.stdout))
    together, apart = (found[way] for way in WAYS)
    result: dict[str, Any] = {"members": members}
    for name in ("seconds", "steady_epoch_seconds"):
        result[name] = {way.replace(" ", "_"): spread([one[name] for one in found[way]]) for way in WAYS}
        result[name]["speedup"] = spread([b[name] / a[name] for a, b in zip(together, apart, strict=True)])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", default=["small", "A"], choices=list(SHAPES))
    parser.add_argument("--members", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--bars", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        way, shape, *numbers = args.one
        measure(way, shape, *map(int, numbers))
        return
    figures = {
        shape: [in_turn(shape, members, args.epochs, args.bars, args.rounds) for members in args.members]
        for shape in args.shape
    }
    show({"bars": args.bars, "epochs": args.epochs, **figures, **hardware()})


if __name__ == "__main__":
    main()
