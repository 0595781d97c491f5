"""Seconds from ``nextbar train`` to the first finished step, cold and with a filled compilation cache.

    python bench/start.py configs/sp500_distribution.yaml

Every round starts two processes in turn: one with an empty cache folder, then one with the folder the first has left.
The first step counts as finished when the first call of the training code comes back.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import hardware, show, spread

_PROBE = """
import sys, time
began = float(sys.argv[1])
from nextbar.train import engine
call = engine.Engine.train_each
def train(self, state, epochs, progress=lambda step: None):
    def first(step):
        print(time.time() - began, flush=True)
        import os; os._exit(0)
    return call(self, state, epochs, first)
engine.Engine.train_each = train
sys.argv = ["nextbar", "train", sys.argv[2], "log_dir=" + sys.argv[3], "--quiet"]
from nextbar.cli import main
main()
"""


def first_step(config: str, cache: str) -> float:
    """Seconds until the first call of the training code has come back, the start of Python included."""
    with tempfile.TemporaryDirectory() as logs:
        command = [sys.executable, "-c", _PROBE, repr(time.time()), config, logs]
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cold, warm = [], []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(first_step(str(args.config), cache))
            warm.append(first_step(str(args.config), cache))
    show({"cold_seconds": spread(cold), "cached_seconds": spread(warm), **hardware()})


if __name__ == "__main__":
    main()
