"""From a command to what it is for: the first finished step of ``nextbar train``, the forecasts of ``nextbar predict``.

    python bench/start.py configs/sp500_distribution.yaml
    python bench/start.py CONFIG.yaml --trees . ../earlier --rounds 5

Every round starts each command twice: with an empty cache folder, then with the folder that the first has left. The
first step counts as finished when the first call of the training code comes back. What is forecast with is a run of one
epoch, trained before. Several source trees are measured in turn. Processor seconds are those of all threads.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from common import hardware, show, spread

_TO_FIRST_STEP = """
import os, sys
from nextbar.engine import engine
call = engine.Engine.train_each
engine.Engine.train_each = lambda self, state, epochs, progress: call(self, state, epochs, lambda step: os._exit(0))
from nextbar.cli import main
main()
"""
COMMAND = "from nextbar.cli import main; main()"


class Taken(NamedTuple):
    """What a process took."""

    seconds: float
    processor_seconds: float
    answer: str


def run(tree: Path, cache: str, code: str, *arguments: str) -> Taken:
    """Run code with arguments on the sources in a tree, the start of Python included."""
    environment = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": str(tree.resolve())}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-P", "-c", code, *arguments]  # -P: not the sources where this is called from
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds, processor, done.stdout.strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--rounds", type=int, default=3)
    here = Path(__file__).parents[1]
    parser.add_argument("--trees", type=Path, nargs="+", default=[here], help="source trees; this one")
    args = parser.parse_args()
    taken: dict[tuple[Path, str], list[Taken]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        once = ("num_epochs=1", "final_fit=false", "--quiet")
        runs = {
            tree: run(tree, folder, COMMAND, "train", args.config, f"log_dir={folder}/{number}", *once).answer
            for number, tree in enumerate(args.trees)
        }
        for _ in range(args.rounds):
            for tree in args.trees:
                with tempfile.TemporaryDirectory() as cache:
                    for state in ("cold", "cached"):
                        with tempfile.TemporaryDirectory() as logs:
                            training = ("train", args.config, f"log_dir={logs}", "--quiet")
                            taken[tree, f"first step, {state}"].append(run(tree, cache, _TO_FIRST_STEP, *training))
                        taken[tree, f"predict, {state}"].append(run(tree, cache, COMMAND, "predict", runs[tree]))
    figures = {
        f"{tree}: {what}": {name: spread([getattr(start, name) for start in starts]) for name in Taken._fields[:2]}
        for (tree, what), starts in taken.items()
    }
    show({**figures, **hardware()})


if __name__ == "__main__":
    main()
