"""What a search costs beside its trainings: time, memory, compilations.

    python bench/search.py --data DIR --ticker btc_usdt --resolution 4h

Trials are drawn at random from the choices of a typical script (width 128 to 512, 1 to 3 layers, 12 to 48 bars of
context, four normalisations, ...). Everything is measured within the one search: its whole time, the time of its
trainings (``Trainer.train_and_evaluate``, compilation included), and of those the time of their steps
(``Engine.train``). The search's own share is the whole less the trainings. Without ``--data`` the bars are a random
walk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from typing import Any

import jax
from common import hardware, random_bars, show

from nextbar import search
from nextbar.train import engine
from nextbar.train.trainer import Trainer

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
        whole, steps, functions = Trainer.train_and_evaluate, engine.Engine.train, engine._functions

        def train_and_evaluate(trainer: Trainer, overwrite: bool = False) -> Any:
            began = time.perf_counter()
            self.steps.append(0.0)
            try:
                return whole(trainer, overwrite)
            finally:
                self.trainings.append(time.perf_counter() - began)
                self.memory.append(resident())

        def train(self_: Any, *args: Any) -> Any:
            began = time.perf_counter()
            try:
                return steps(self_, *args)
            finally:
                self.steps[-1] += time.perf_counter() - began

        def program(wanted: Any) -> Any:
            self.programs[wanted] += 1
            return functions(wanted)

        Trainer.train_and_evaluate = train_and_evaluate  # type: ignore[method-assign]
        engine.Engine.train = train  # type: ignore[method-assign, assignment]
        engine._functions = program  # type: ignore[assignment]
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, _seconds: float, **facts: Any) -> None:
        if event == COMPILED:
            self.compiled[str(facts.get("fun_name"))] += 1


def resident() -> float:
    """Memory of this process in MB, as the system counts it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of bars")
    parser.add_argument("--ticker", default="walk_0")
    parser.add_argument("--resolution", default="1h")
    parser.add_argument("--since", help="leave out earlier bars, such as 2024-01-01")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    watch = Watch()
    watch.begin()
    with tempfile.TemporaryDirectory() as logs:
        base = {
            "dataset_config": {
                "datapath": args.data or ".",
                "tickers": [args.ticker],
                "resolution": args.resolution,
                "initial_date": args.since,
            },
            "log_dir": logs,
            "experiment_name": "search",
            "num_epochs": args.epochs,
        }
        began = time.perf_counter()
        study = search(
            {"base": base, "search": CHOICES},
            n_trials=args.trials,
            sampler="random",
            seed=args.seed,
            bars=None if args.data else random_bars(1, 3_000),
        )
        seconds = time.perf_counter() - began
        states = Counter(row["status"] for row in study.leaderboard)
    trained = sum(watch.trainings)
    show(
        {
            "trials": dict(states),
            "seconds": round(seconds, 1),
            "trainings_seconds": round(trained, 1),
            "steps_seconds": round(sum(watch.steps), 1),
            "search_over_trainings": round(seconds / trained - 1, 4),
            "resident_mb_after": {
                n: round(watch.memory[n - 1]) for n in (1, 10, args.trials) if n <= len(watch.memory)
            },
            "compilations": sum(watch.compiled.values()),
            "compilations_by_function": dict(watch.compiled.most_common(8)),
            "programs": len(watch.programs),
            "trials_that_could_share_a_program": sum(n for n in watch.programs.values() if n > 1),
            **hardware(),
        }
    )


if __name__ == "__main__":
    main()
