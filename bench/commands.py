"""Whole commands without a compilation cache: a training with its final fit, and a backtest of five folds.

    python bench/commands.py configs/sp500_distribution.yaml --trees ../earlier .
    python bench/commands.py CONFIG.yaml num_epochs=3 --rounds 5

Each runs in a process of its own with an empty cache folder, source trees in turn. Processor seconds are those of all
threads; ``last / first`` are the ratios of the last tree to the first, round by round.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from common import hardware, show, spread
from start import COMMAND, Taken, run

COMMANDS = {"train": ("final_fit=true",), "backtest": ("folds=5", "baselines=false")}
"""fields of each"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("fields", nargs="*", metavar="NAME=VALUE", help="fields of the experiment to change")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trees", type=Path, nargs="+", default=[Path(__file__).parents[1]], help="this one")
    args = parser.parse_args()
    taken: dict[tuple[str, Path], list[Taken]] = defaultdict(list)
    for _ in range(args.rounds):
        for command, fields in COMMANDS.items():
            for tree in args.trees:
                with tempfile.TemporaryDirectory() as folder:
                    words = (command, args.config, *fields, *args.fields, f"log_dir={folder}/runs", "--quiet")
                    taken[command, tree].append(run(tree, f"{folder}/cache", COMMAND, *words))
    figures: dict[str, object] = {}
    for command in COMMANDS:
        for tree in args.trees:
            for name in Taken._fields[:2]:
                figures[f"{tree}: {command}, {name}"] = spread([getattr(one, name) for one in taken[command, tree]])
        pairs = zip(taken[command, args.trees[0]], taken[command, args.trees[-1]], strict=True)
        ratios = [last.processor_seconds / first.processor_seconds for first, last in pairs]
        figures[f"{command}, last / first, processor"] = spread(ratios)
    show({**figures, **hardware()})


if __name__ == "__main__":
    main()
