"""Other libraries training at the same shape, each in a process of its own that waits while it is not asked.

In one process with nextbar PyTorch has slowed small shapes by a third. What is not installed is left out: nextbar needs
none of them.

    python bench/peers.py torch_eager A --rounds 3      one peer alone
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from common import TICKERS, experiment

PEERS = {
    "torch_eager": "torch",
    "torch_compiled": "torch",
    "torch_graphs": "torch",
    "neuralforecast": "neuralforecast",
    "darts": "darts",
}
"""the package each needs"""

COMPILING = ("torch_compiled", "torch_graphs")
"""peers that take minutes to start, so that they run only where they are named"""

MISSING = "not installed"


def versions() -> dict[str, str]:
    """The version of each package that is installed, ``MISSING`` of the others."""
    found = {}
    for package in PEERS.values():
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = MISSING
    return found


def chosen(named: str | None) -> list[str]:
    """The peers of ``--peers``; None: those installed but for ``COMPILING``."""
    found = versions()
    if named is None:
        return [name for name, package in PEERS.items() if found[package] != MISSING and name not in COMPILING]
    wanted = [name for name in named.split(",") if name != "none"]
    for name in wanted:
        if name not in PEERS:
            raise SystemExit(f"--peers: no {name!r}; there are {', '.join(PEERS)}, or none")
        if found[PEERS[name]] == MISSING:
            raise SystemExit(f"--peers: {name} needs {PEERS[name]}; pip install it beside nextbar")
    return wanted


class Peer:
    """A peer in its process; calling it trains one epoch and says how many windows a second."""

    def __init__(self, name: str, shape: str, bars: int, precision: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, shape, "--bars", str(bars), "--precision", precision],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},  # it only cuts windows; the accelerator is another's
        )
        self._name = name

    def __call__(self) -> float:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self._name} ended; its error is above")
        return float(answer)

    def close(self) -> None:
        self._process.communicate()


def epoch_of(name: str, shape: str, bars: int, precision: str) -> Callable[[], float]:
    """The function that trains an epoch of a peer on ``TICKERS`` random walks of so many bars."""
    if name.startswith("torch"):
        from torch_peer import torch_epoch, windows_of

        config = experiment(shape, TICKERS, tempfile.gettempdir(), precision=precision)
        return torch_epoch(config, windows_of(config, bars), way=name.removeprefix("torch_"))
    from library_peers import darts_epoch, neuralforecast_epoch

    return (darts_epoch if name == "darts" else neuralforecast_epoch)(shape, bars, precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(PEERS))
    parser.add_argument("shape")
    parser.add_argument("--bars", type=int, default=1_700, help="of each ticker")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--rounds", type=int, help="without it: one for each line of the standard input")
    args = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries speak, too
    epoch = epoch_of(args.name, args.shape, args.bars, args.precision)
    rounds: Any = sys.stdin if args.rounds is None else range(args.rounds)
    for _ in rounds:
        print(epoch(), file=answers, flush=True)


if __name__ == "__main__":
    main()
