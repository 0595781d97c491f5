"""What a search costs beside its trainings: time, memory, compilations; and what training side by side saves.

    python bench/search.py --data DIR --ticker btc_usdt --resolution 4h
    python bench/search.py --sizes 1,64 --trials 64         the same 64 trials one after another, and as a population

Trials are drawn at random from the choices of a typical script (width 128 to 512, 1 to 3 layers, 12 to 48 bars of
context, four normalisations, ...). Everything is measured within the one search: its whole time, the time of its
trainings (``train_population``, compilation included), and of those the time of their steps
(``Engine.train_each``). The search's own share is the whole less the trainings. Without ``--data`` the bars are a
random walk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Any

import jax
from common import experiment, hardware, random_bars, show, spread

from nextbar import search
from nextbar.engine import engine
from nextbar.searching import trial_runner as trial

COMPILED = "/jax/core/compile/backend_compile_duration"

CHOICES: dict[str, Any] = {
    "model_config.d_model": [128, 256, 512],
    "model_config.num_layers": [1, 2, 3],
    "model_config.head_layers": [1, 2, 3],
    "model_config.n_heads": [1, 2, 4],
    "model_config.dim_feedforward": "[2, 4] * d_model",
    "model_config.dropout": [0.0, 0.05, 0.1],
    "model_config.max_seq_len": "seq_len",
    "model_config.fe_blocks": [1, 2],
    "model_config.use_time2vec": [False, True],
    "model_config.use_resblocks_in_head": [False, True],
    "model_config.use_resblocks_in_fe": [False, True],
    "model_config.average_encoder_output": [False, True],
    "model_config.norm_encoder_prev": [False, True],
    "dataset_config.norm_mode": ["global_minmax", "global_meanstd", "window_meanstd", "window_minmax"],
    "dataset_config.seq_len": [12, 24, 36, 48],
    "learning_rate": [1e-4, 1e-5],
    "lr_mode": ["linear", "cosine"],
    "warmup_epochs": [5, 10, 20],
    "batch_size": [64, 128],
}

TRACED: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "weight_decay": [0.0, 1e-4, 1e-2],
    "lr_mode": ["linear", "cosine", "constant"],
    "dataset_config.norm_mode": ["window_minmax", "window_meanstd", "global_meanstd"],
    "seed": {"low": 0, "high": 1000},
}
"""what differs between members of a population"""


class Watch:
    """Notes what the trainings of a search take, and what they compile."""

    def __init__(self) -> None:
        self.trainings: list[float] = []
        self.steps: list[float] = []
        self.memory: list[float] = []
        self.programs: Counter[Any] = Counter()
        self.compiled: Counter[str] = Counter()

    def begin(self) -> None:
        """Look on from now."""
        whole, steps, functions = trial.train_population, engine.Engine.train_each, engine.functions_of

        def train_population(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            self.steps.append(0.0)
            try:
                return whole(*args, **kwargs)
            finally:
                self.trainings.append(time.perf_counter() - began)
                self.memory.append(resident())

        def train(self_: Any, *args: Any) -> Any:
            began = time.perf_counter()
            try:
                return steps(self_, *args)
            finally:
                self.steps[-1] += time.perf_counter() - began

        def program(wanted: Any, members: int | None = None) -> Any:
            self.programs[wanted] += members or 1
            return functions(wanted, members)

        trial.train_population = train_population
        engine.Engine.train_each = train  # type: ignore[method-assign, assignment]
        engine.functions_of = program
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, _seconds: float, **facts: Any) -> None:
        if event == COMPILED:
            self.compiled[str(facts.get("fun_name"))] += 1


def resident() -> float:
    """Memory of this process in MB, as the system counts it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def mixed(args: argparse.Namespace) -> dict[str, Any]:
    """A search over architectures: what it costs beside its trainings."""
    watch = Watch()
    watch.begin()
    with tempfile.TemporaryDirectory() as logs:
        data = {"datapath": args.data or ".", "tickers": [args.ticker], "resolution": args.resolution,
                "initial_date": args.since}  # fmt: skip
        base = {"dataset_config": data, "log_dir": logs, "experiment_name": "search", "num_epochs": args.epochs}
        bars = None if args.data else random_bars(1, args.bars)
        began = time.perf_counter()
        study = search({"base": base, "search": CHOICES}, args.trials, sampler="random", seed=args.seed, bars=bars)
        seconds = time.perf_counter() - began
        states = Counter(row["status"] for row in study.leaderboard)
    trained = sum(watch.trainings)
    return {
        "trials": dict(states),
        "seconds": round(seconds, 1),
        "trainings_seconds": round(trained, 1),
        "steps_seconds": round(sum(watch.steps), 1),
        "search_over_trainings": round(seconds / trained - 1, 4),
        "resident_mb_after": {n: round(mb) for n, mb in enumerate(watch.memory, 1) if n in (1, 10, args.trials)},
        "compilations": sum(watch.compiled.values()),
        "compilations_by_function": dict(watch.compiled.most_common(8)),
        "programs": len(watch.programs),
        "trials_that_could_share_a_program": sum(n for n in watch.programs.values() if n > 1),
    }


def side_by_side(args: argparse.Namespace) -> dict[str, Any]:
    """The same trials of one shape in populations of each size, in turn, each in a process with a cache of its own."""
    taken: dict[int, list[float]] = {size: [] for size in args.sizes}
    for _ in range(args.rounds):
        for size in args.sizes:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, __file__, "--one", str(size), "--trials", str(args.trials)]
                command += ["--bars", str(args.bars), "--epochs", str(args.epochs), "--shape", args.shape]
                environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": folder}
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
                taken[size].append(float(done.stdout))
    first = args.sizes[0]
    return {
        "shape": args.shape,
        "trials": args.trials,
        "seconds": {size: spread(seconds) for size, seconds in taken.items()},
        f"over_{first}": {
            size: spread([s / f for s, f in zip(seconds, taken[first], strict=True)]) for size, seconds in taken.items()
        },
    }


def one(args: argparse.Namespace) -> None:
    """A search over what one program takes as arguments; prints its seconds, compilations included."""
    with tempfile.TemporaryDirectory() as logs:
        base = experiment(args.shape, 1, logs, num_epochs=args.epochs).to_dict()
        began = time.perf_counter()
        search({"base": base, "search": TRACED}, args.trials, sampler="random", population=args.one,
               bars=random_bars(1, args.bars), show=False)  # fmt: skip
        print(time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of bars")
    parser.add_argument("--ticker", default="walk_0")
    parser.add_argument("--resolution", default="1h")
    parser.add_argument("--since", help="leave out earlier bars, such as 2024-01-01")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bars", type=int, default=3_000, help="of the random walk")
    parser.add_argument(
        "--sizes", type=lambda text: [int(n) for n in text.split(",")], help="populations, such as 1,64"
    )
    parser.add_argument("--shape", default="A", choices="ABC", help="with --sizes")
    parser.add_argument("--rounds", type=int, default=1, help="with --sizes")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return one(args)
    show({**(side_by_side(args) if args.sizes else mixed(args)), **hardware()})


if __name__ == "__main__":
    main()
