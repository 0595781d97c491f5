"""The compiled epoch against the bare training step, and what many windows cost in memory.

    python bench/epoch.py                    shape A, three tickers of 75,000 bars, 3 rounds
    python bench/epoch.py --shape B --rounds 5
    python bench/epoch.py --memory           peak memory with 225,000 and with 2,000 windows

In every round the bare step (forward, backward, AdamW on one batch that stays on the device) and the training part of
an epoch run in turn; the ratio is taken round by round.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

from common import experiment, hardware, random_bars, show, spread

TICKERS, BARS = 3, 75_000
FEW = 2_000


def speed(shape: str, bars: int, rounds: int, precision: str) -> dict[str, Any]:
    """Windows per second of the epoch and of the bare step."""
    import jax
    import numpy as np

    from nextbar.data.bars import frame_bars
    from nextbar.data.dataset import build_dataset
    from nextbar.data.windows import gather
    from nextbar.train.engine import Engine
    from nextbar.train.epoch import train_step

    config = experiment(shape, TICKERS, tempfile.gettempdir(), precision=precision)
    dataset = build_dataset(config, frame_bars(random_bars(TICKERS, bars), "1h", tickers=config.dataset_config.tickers))
    engine = Engine(config, dataset)
    program, hyper, steps = engine.program, engine.hyper, engine.steps_per_epoch
    rows = jax.device_put(dataset.origins["training"][: config.batch_size].astype(np.int32))
    weight = jax.device_put(np.ones(config.batch_size, np.float32))
    batch = jax.jit(partial(gather, spec=program.spec))(engine.tape, rows, weight, hyper.norm_mode)
    bare = jax.jit(partial(train_step, program), donate_argnums=0)
    rate = jax.device_put(np.float32(1e-4))
    bare_state, state = engine.start(None), engine.start(None)
    for _ in range(3):
        bare_state, *made = bare(bare_state, batch, hyper, rate)
    state, _ = engine.train(state, 1)

    bare_steps = min(steps, 50 * program.steps_a_call)
    bare_speed, epoch_speed = [], []
    for round_ in range(rounds):
        jax.block_until_ready(bare_state)
        began = time.perf_counter()
        for _ in range(bare_steps):
            bare_state, *made = bare(bare_state, batch, hyper, rate)
        jax.block_until_ready((bare_state, made))
        bare_speed.append(bare_steps * config.batch_size / (time.perf_counter() - began))
        began = time.perf_counter()
        state, _ = engine.train(state, round_ + 2)
        epoch_speed.append(engine.n_windows / (time.perf_counter() - began))
    return {
        "shape": shape,
        "precision": precision,
        "windows": engine.n_windows,
        "steps_a_call": program.steps_a_call,
        "bare_step_windows_per_second": spread(bare_speed),
        "epoch_windows_per_second": spread(epoch_speed),
        "ratio": spread([e / b for e, b in zip(epoch_speed, bare_speed, strict=True)]),
    }


def peak(shape: str, bars: int, windows: int) -> float:
    """Peak memory in MB of a whole training of one epoch, in a process of its own."""
    command = [sys.executable, __file__, "--shape", shape, "--bars", str(bars), "--train-only", str(windows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def train_only(shape: str, bars: int, windows: int) -> None:
    """Train one epoch on about so many windows; print the peak memory of this process in MB."""
    from nextbar import Trainer

    each = min(bars, round(windows / TICKERS / 0.98) + 30)
    with tempfile.TemporaryDirectory() as folder:
        config = experiment(shape, TICKERS, folder)
        Trainer(config, bars=random_bars(TICKERS, each), show=False).train_and_evaluate()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="A", choices="ABC")
    parser.add_argument("--bars", type=int, default=BARS, help="bars of each of the three tickers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--train-only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train_only:
        train_only(args.shape, args.bars, args.train_only)
    elif args.memory:
        many, few = (peak(args.shape, args.bars, n) for n in (TICKERS * args.bars, FEW))
        show(
            {
                "shape": args.shape,
                "peak_mb_many": many,
                "peak_mb_few": few,
                "difference_mb": many - few,
                **hardware(),
            }
        )
    else:
        show({**speed(args.shape, args.bars, args.rounds, args.precision), **hardware()})


if __name__ == "__main__":
    main()
