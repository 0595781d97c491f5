"""Does nextbar leak? Many epochs of one training, many trainings of one process, many long series.

    python bench/endurance.py epochs --epochs 10000
    python bench/endurance.py trainings --trainings 500
    python bench/endurance.py series --tickers 500 --bars 20000

The first two look at the process (resident memory, open descriptors, threads) and at the folder (files, bytes) after
each tenth, and compare the end with the first tenth, by which all that is kept is there. The third gives the most
memory held after each part.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import hardware, peak_mb, random_bars, show

from nextbar import ExperimentConfig, Forecaster, Trainer

TENTHS = 10


def small(folder: str, tickers: int, **changes: Any) -> ExperimentConfig:
    """A training of a few milliseconds an epoch."""
    model = {"d_model": 8, "num_layers": 1, "n_heads": 2, "dim_feedforward": 16, "max_seq_len": 6}
    data = {"datapath": ".", "tickers": [f"walk_{i}" for i in range(tickers)], "resolution": "1h", "seq_len": 6}
    run = {"log_dir": folder, "experiment_name": "endurance", "batch_size": 64, "learning_rate": 1e-3}
    return ExperimentConfig.from_dict({"model_config": model, "dataset_config": data, **run, **changes})


def look(folder: Path) -> dict[str, float]:
    """What this process and the folder hold now."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    files = size = 0
    for inner, _, names in os.walk(folder):  # one by one: a list of all of them would itself be what grows
        files += len(names)
        size += sum(os.stat(os.path.join(inner, name)).st_size for name in names)
    return {
        "resident_mb": resident / 2**20,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "files": files,
        "folder_mb": size / 2**20,
    }


class Tenths:
    """Looks after each tenth of the rounds, and how long each round took.

    Args:
        rounds: how many there will be.
        folder: where they write.
    """

    def __init__(self, rounds: int, folder: Path) -> None:
        self._each, self._folder = max(1, rounds // TENTHS), folder
        self.looks: list[dict[str, float]] = []
        self._seconds: list[float] = []
        self._began = time.perf_counter()

    def round(self) -> None:
        """A round has ended."""
        self._seconds.append(time.perf_counter() - self._began)
        if len(self._seconds) % self._each == 0:
            self.looks.append(look(self._folder) | {"median_seconds": statistics.median(self._seconds[-self._each :])})
            print(len(self._seconds), self.looks[-1], file=sys.stderr, flush=True)
        self._began = time.perf_counter()

    def figures(self) -> dict[str, Any]:
        """All looks, and the end against the first tenth."""
        first, last = self.looks[0], self.looks[-1]
        return {
            "rounds": len(self._seconds),
            "growth_percent": {name: 100 * (last[name] / first[name] - 1) for name in first if first[name]},
            "tenths": self.looks,
        }


def epochs(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One training of many epochs."""
    from nextbar.train.training import Training

    tenths = Tenths(options.epochs, folder)
    commit: Callable[..., None] = Training.commit

    def counted(training: Training, *rest: Any) -> None:
        commit(training, *rest)
        tenths.round()

    Training.commit = counted  # type: ignore[method-assign]
    config = small(str(folder), 1, num_epochs=options.epochs, early_stopper=0)
    Trainer(config, random_bars(1, 300), show=False).train_and_evaluate()
    return tenths.figures()


def trainings(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Many trainings one after the other, of several shapes in turn, as a plain search script does them."""
    tenths, bars = Tenths(options.trainings, folder), random_bars(1, 300)
    for i in range(options.trainings):
        config = small(str(folder), 1, num_epochs=2, seed=i)
        model = {**config.to_dict()["model_config"], "d_model": (8, 16)[i % 2], "num_layers": (1, 2)[i // 2 % 2]}
        config = ExperimentConfig.from_dict({**config.to_dict(), "model_config": model})
        Trainer(config, bars, show=False).train_and_evaluate()
        tenths.round()
    return tenths.figures()


def series(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Many long series, from files: loaded, trained an epoch, and forecast."""
    from nextbar.bars.series import series_of

    data = folder / "bars" / "1h"
    data.mkdir(parents=True)
    for i in range(options.tickers):
        frame = random_bars(1, options.bars, seed=i)
        frame.drop(columns="ticker").to_parquet(data / f"walk_{i}_1h.parquet", index=False)
    parts: dict[str, dict[str, float]] = {"files written": {"seconds": 0.0, "peak_mb": peak_mb()}}

    def done(name: str, began: float) -> None:
        parts[name] = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}
        print(name, parts[name], file=sys.stderr, flush=True)

    config = small(str(folder), options.tickers, num_epochs=1, batch_size=4096)
    plain = config.to_dict()
    config = ExperimentConfig.from_dict(
        {**plain, "dataset_config": {**plain["dataset_config"], "datapath": str(folder / "bars")}}
    )
    began = time.perf_counter()
    loaded = series_of(config)
    done("loaded", began)
    count = sum(len(one.time_N) for one in loaded)
    began = time.perf_counter()
    run = Trainer(config, loaded, show=False).train_and_evaluate().run_dir
    done("trained", began)
    began = time.perf_counter()
    forecasts = Forecaster.load(run).predict(loaded)
    done("next bars predicted", began)
    return {"bars": count, "forecasts": len(forecasts), "parts": parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("epochs", "trainings", "series"))
    parser.add_argument("--epochs", type=int, default=10_000)
    parser.add_argument("--trainings", type=int, default=500)
    parser.add_argument("--tickers", type=int, default=500)
    parser.add_argument("--bars", type=int, default=20_000)
    options = parser.parse_args()
    measure = {"epochs": epochs, "trainings": trainings, "series": series}[options.what]
    with tempfile.TemporaryDirectory(prefix="nextbar-endurance-") as folder:
        show({"measured": options.what, **measure(options, Path(folder)), "hardware": hardware()})


if __name__ == "__main__":
    main()
