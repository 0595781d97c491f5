"""Windows per second of training: the compiled epoch, what bounds it, and PyTorch beside it.

    python bench/train.py                              shapes A and B, 5 rounds on 5,120 windows each; minutes
    python bench/train.py --shapes A,B,C --max-windows 0    all windows of three tickers of 75,000 bars; hours on a CPU
    python bench/train.py --peers torch_eager,darts    beside these of the peers (peers.py); default: those installed
    python bench/train.py --memory                     peak memory with 225,000 and with 2,000 windows

In every round run in turn: the bare step (forward, backward, AdamW on one batch that stays on the device), the training
part of an epoch, the evaluation of the same windows, and an epoch of the same encoder in PyTorch where it is installed
(``peers.py`` says how it differs). Ratios are taken round by round. ``limit.py`` counts the matrix products a step
needs, the last block's savings taken off, and measures how fast this machine multiplies.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

from common import TICKERS, dataset_of, experiment, hardware, peak_mb, random_bars, show, spread
from limit import limits, step_products
from peers import PEERS, Peer, chosen, versions

BARS = 75_000
FEW = 2_000
BARE_WINDOWS = 2_560


def measure(shape: str, args: argparse.Namespace) -> dict[str, Any]:
    """Windows per second of everything, and their ratios."""
    import jax
    import numpy as np

    from nextbar.data.windows import gather
    from nextbar.engine.engine import Engine
    from nextbar.engine.epoch import train_step

    config = experiment(shape, TICKERS, tempfile.gettempdir(), precision=args.precision)
    bars = _bars_of_each(args.max_windows, config.dataset_config.seq_len, args.bars)
    dataset = dataset_of(config, bars)
    engine = Engine(config, dataset)
    program, hyper = engine.program, engine.hyper
    cut = jax.jit(partial(gather, spec=program.spec))

    def windows(n: int) -> Any:
        rows = dataset.origins["training"][:n].astype(np.int32)
        return cut(engine.tape, rows, np.ones(n, np.float32), hyper.norm_mode)

    batch = windows(config.batch_size)
    step = jax.jit(partial(train_step, program), donate_argnums=0)
    learning_rate = jax.device_put(np.float32(1e-4))
    states = {"bare": engine.start(None), "epoch": engine.start(None)}

    def bare(steps: int = max(2, min(BARE_WINDOWS, engine.n_windows) // config.batch_size)) -> float:
        state = states["bare"]
        jax.block_until_ready(state)
        began = time.perf_counter()
        for _ in range(steps):
            state, *made = step(state, batch, hyper, learning_rate)
        states["bare"] = jax.block_until_ready((state, made))[0]
        return steps * config.batch_size / (time.perf_counter() - began)

    def epoch() -> float:
        began = time.perf_counter()
        states["epoch"], _ = engine.train(states["epoch"], 1)
        return engine.n_windows / (time.perf_counter() - began)

    def evaluation() -> float:
        began = time.perf_counter()
        engine.evaluate(states["epoch"].params, dataset.origins["training"])
        return engine.n_windows / (time.perf_counter() - began)

    bounds = limits(config, program.spec, config.batch_size)
    runs = {"bare_step": bare, "epoch": epoch, "evaluation": evaluation, **bounds}
    peers = {name: Peer(name, shape, bars, args.precision) for name in args.peers}
    runs |= peers
    for run in runs.values():  # compiles, and brings memory in
        run()
    speed: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            speed[name].append(run())
    for peer in peers.values():
        peer.close()
    result = {"shape": shape, "precision": args.precision, "windows": engine.n_windows}
    result |= {f"{name}_windows_per_second": spread(values) for name, values in speed.items()}
    others = [name for name in runs if name not in ("epoch", "evaluation")]
    result["ratios"] = {f"epoch / {name}": _ratio(speed["epoch"], speed[name]) for name in others}
    result["ratios"]["evaluation / epoch"] = _ratio(speed["evaluation"], speed["epoch"])
    result["step_gflop"] = sum(p.flops for p in step_products(config, program.spec, config.batch_size)) / 1e9
    return result


def _ratio(over: list[float], under: list[float]) -> dict[str, float]:
    return spread([a / b for a, b in zip(over, under, strict=True)])


def _bars_of_each(max_windows: int, seq_len: int, bars: int) -> int:
    """Bars of one ticker such that training has about so many windows; 0: all."""
    return min(bars, round(max_windows / TICKERS / 0.98) + seq_len) if max_windows else bars


def peak(shape: str, bars: int, windows: int) -> float:
    """Peak memory in MB of a whole training of one epoch, in a process of its own."""
    command = [sys.executable, __file__, "--shapes", shape, "--bars", str(bars), "--train-only", str(windows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def train_only(shape: str, bars: int, windows: int) -> None:
    """Train one epoch on about so many windows; print the peak memory of this process in MB."""
    from nextbar import Trainer

    with tempfile.TemporaryDirectory() as folder:
        config = experiment(shape, TICKERS, folder)
        each = _bars_of_each(windows, config.dataset_config.seq_len, bars)
        Trainer(config, bars=random_bars(TICKERS, each), show=False).train_and_evaluate()
    print(peak_mb())


def memory(shape: str, bars: int) -> dict[str, Any]:
    many, few = (peak(shape, bars, n) for n in (TICKERS * bars, FEW))
    return {"shape": shape, "peak_mb_many": many, "peak_mb_few": few, "difference_mb": many - few}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", help="A,B,C; default A,B, and A with --memory")
    parser.add_argument("--bars", type=int, default=BARS, help="bars of each of the three tickers")
    parser.add_argument("--max-windows", type=int, default=5_120, help="windows of an epoch; 0: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument(
        "--peers", help=f"some of {','.join(PEERS)}, or none; default: the installed but those that compile"
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--train-only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    shapes = (args.shapes or ("A" if args.memory or args.train_only else "A,B")).split(",")
    args.peers = chosen(args.peers)
    if args.train_only:
        train_only(shapes[0], args.bars, args.train_only)
    elif args.memory:
        show({"memory": [memory(shape, args.bars) for shape in shapes], **hardware()})
    else:
        shown = [measure(shape, args) for shape in shapes]
        show({"shapes": shown, "peers": versions(), **hardware()})


if __name__ == "__main__":
    main()
