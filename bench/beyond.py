"""What it costs that bars stay on the host: an epoch and an evaluation beside those with all bars on the device.

    python bench/beyond.py                       shapes A and B, 7 rounds
    python bench/beyond.py --shapes A --rounds 3 --max-windows 1280

Both train on the same windows, drawn from all bars of three tickers, in turn, each round beginning with the other one.
Calls are as long with excerpts as without. After the rounds both have the same parameters, bit by bit. Seconds of the
clock, and of all cores together, which tell more where other work goes on beside.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from typing import Any

from common import TICKERS, dataset_of, experiment, hardware, show, spread

BARS = 75_000


def measure(shape: str, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of both, their ratios, and how much a call gets."""
    import jax
    import numpy as np

    from nextbar.engine.devices import SINGLE_DEVICE
    from nextbar.engine.engine import Engine
    from nextbar.engine.tapes import AT_ONCE, Excerpts, tape_bytes

    config = experiment(shape, TICKERS, tempfile.gettempdir())
    dataset = dataset_of(config, args.bars)
    rows = np.random.default_rng(0).choice(dataset.origins["training"], args.max_windows, replace=False)
    dataset = replace(dataset, origins=dataset.origins | {"training": rows})
    whole = Engine(config, dataset)
    tape, spec = dataset.tape(), whole.program.spec
    room = Excerpts(tape, SINGLE_DEVICE, spec, 0)
    a_call = room.size(max(whole.program.steps_a_call * config.batch_size, 64 * whole.program.evaluation_batch))
    beyond = Engine(config, dataset, replace(room, most=AT_ONCE * a_call))
    engines = {"device": whole, "host": beyond}
    assert whole.program.steps_a_call == beyond.program.steps_a_call
    states = {name: engine.start(None) for name, engine in engines.items()}

    def epoch(name: str, number: int) -> None:
        states[name], _ = engines[name].train(states[name], number)

    def evaluation(name: str, _: int) -> None:
        engines[name].evaluate(states[name].params, rows)

    runs = {"epoch": epoch, "evaluation": evaluation}
    clocks = {"": time.perf_counter, ", all cores": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {
        what + clock: {name: [] for name in engines} for what in runs for clock in clocks
    }
    for number in range(1 + args.rounds):  # the first one compiles
        for what, run in runs.items():
            for name in list(engines)[:: 1 if number % 2 else -1]:
                began = [read() for read in clocks.values()]
                run(name, number)
                for (clock, read), before in zip(clocks.items(), began, strict=True):
                    if number:
                        seconds[what + clock][name].append(read() - before)
    params = [jax.device_get(states[name].params) for name in engines]
    began = time.perf_counter()
    tape_of_call, *_ = next(beyond.calls(beyond.orders([1])))
    jax.block_until_ready(tape_of_call)
    return {
        "shape": shape,
        "windows": len(rows),
        "steps_a_call": beyond.program.steps_a_call,
        "tape_mb": tape_bytes(tape) / 1e6,
        "call_mb": tape_bytes(tape_of_call) / 1e6,
        "cut_seconds": time.perf_counter() - began,
        "same_parameters": all(map(np.array_equal, *map(jax.tree.leaves, params))),
        **{what: {name: spread(values) for name, values in of.items()} for what, of in seconds.items()},
        "ratios": {
            f"{what}, host / device": spread([h / d for h, d in zip(of["host"], of["device"], strict=True)])
            for what, of in seconds.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="A,B")
    parser.add_argument("--bars", type=int, default=BARS, help="bars of each of the three tickers")
    parser.add_argument("--max-windows", type=int, default=2_560, help="windows of an epoch")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    show({"shapes": [measure(shape, args) for shape in args.shapes.split(",")], **hardware()})


if __name__ == "__main__":
    main()
