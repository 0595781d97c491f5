"""What checksums cost: a checkpoint written without and with them, in turn, and read without and with a check."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from common import hardware, show, spread

from nextbar.runs import checkpoint_store
from nextbar.runs.checkpoint_store import CheckpointStore

ARRAYS = 24


def seconds(act: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(megabytes: int, rounds: int) -> dict[str, Any]:
    """Seconds of each, and the ratios with to without in each round; the first round is not counted."""
    rng = np.random.default_rng(0)
    length = megabytes * 1_000_000 // 4 // ARRAYS
    state = {"params": {f"layer_{i}": rng.standard_normal(length).astype(np.float32) for i in range(ARRAYS)}}
    record = {"validation_loss": 0.1, "notes": {}}
    store = CheckpointStore()
    taken: dict[str, list[float]] = {name: [] for name in ("save_without", "save", "load_without", "check")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1"
        for _ in range(rounds + 1):
            with patch.object(checkpoint_store, "list_files", lambda folder: None):
                taken["save_without"].append(seconds(lambda: store.write(path, state, record)))
            taken["save"].append(seconds(lambda: store.write(path, state, record)))
            taken["check"].append(seconds(lambda: store.require_whole(path)))
            taken["load_without"].append(seconds(lambda: store.read_params(path)))
    store.close()
    counted = {name: np.array(values[1:]) for name, values in taken.items()}
    ratios = {
        "save_ratio": counted["save"] / counted["save_without"],
        "load_ratio": 1 + counted["check"] / counted["load_without"],
    }
    return {"megabytes": megabytes} | {name: spread(list(values)) for name, values in (counted | ratios).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    show({"checksums": [measure(size, args.rounds) for size in args.megabytes], **hardware()})


if __name__ == "__main__":
    main()
