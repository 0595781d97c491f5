"""Kills training, search, backtest, refit and update at random moments, starts them again, and compares with others.

    make kills KILLS=training=100,search=30,backtest=10,refit=10,update=10

SIGKILL, SIGTERM and Ctrl-C come at random times, and while something is being written, which is seen from what appears
in the folder under a temporary name. Ends with a line for each target; exit code 1 where something differed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # before JAX is imported: what was compiled once serves all processes
    _compiled = tempfile.TemporaryDirectory(prefix="nextbar-kills-xla-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

from killing import TARGETS, disturb

GROUPS = {
    "training": ("train", "population", "ensemble", "final"),
    "search": ("search-none", "search-median", "search-hyperband"),
    "backtest": ("backtest",),
    "refit": ("refit",),
    "update": ("update",),
}


def shares(text: str) -> dict[str, int]:
    """Kills of each target, from ``search=30,train=10``: those of a group are divided among its targets."""
    kills: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        targets = GROUPS.get(name, (name,))
        for i, target in enumerate(targets):
            kills[target] = int(number) // len(targets) + (i < int(number) % len(targets))
    if unknown := kills.keys() - TARGETS.keys():
        raise SystemExit(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join([*GROUPS, *TARGETS])}")
    return kills


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", default="training=100,search=30,backtest=10,refit=10,update=10", type=shares)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    differ = False
    for name, number in options.kills.items():
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix=f"nextbar-kills-{name}-"))
        tally = disturb(TARGETS[name], number, folder, options.seed, partial(print, name, flush=True))
        signals = ", ".join(f"{count} {signal}" for signal, count in sorted(tally.kills.items()))
        end = "no difference" if not tally.differences else f"{len(tally.differences)} differences, kept in {folder}"
        print(
            f"{name}: {tally.kills.total()} kills ({signals}; {tally.in_writes} while something was written) in "
            f"{tally.rounds} rounds, {time.monotonic() - began:.0f} s: {end}",
            *tally.differences, sep="\n  ", flush=True,
        )  # fmt: skip
        differ |= bool(tally.differences)
    return int(differ)


if __name__ == "__main__":
    raise SystemExit(main())
