"""Many bars: how fast files become checked bars, and what `data check` and a training hold of them in memory.

    python bench/many_bars.py --tickers 4 --bars 2000000
    python bench/many_bars.py --tickers 1000 --bars 20000 --parts read,check

Files of one-minute bars are made up first, with sessions (every third ticker each: around the clock, 23 hours on five
days in Chicago, 6.5 hours in New York), days off, and holes; or taken from ``--data``. Each part runs in processes of
its own, reading with nextbar and with pyarrow alone in turn.

- ``read``: bars a second from Parquet and CSV to checked ``Bars``, of pyarrow's own reader to NumPy columns, and of a
  second start, which maps what the first one kept
- ``check``: seconds and most memory of ``nextbar data check`` of all tickers; ``first``: of the first alone
- ``prepare``: most memory of the host from files to what a device is given, beside the bytes of that; by a first start
  and by a second one, which finds the series kept
- ``train``: the same up to the first steps of a training, whose device is here, and seconds until then
- ``stages``: processor time of each stage until then

Memory is what the process alone holds (anonymous pages): mapped files can be dropped at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from common import hardware, show, spread

from nextbar.bars.zone import local_time

MINUTE, DAY = 60, 86_400
END = int(np.datetime64("2026-11-01", "s").astype(np.int64))
HOURS = (("UTC", 0, 1440, 7), ("America/Chicago", -7 * 60, 16 * 60, 5), ("America/New_York", 9 * 60 + 30, 16 * 60, 5))
"""zone, first and last minute of a session by the local clock, sessions a week"""
DAYS_OFF = 9
"""a year, at random"""
HOLES, LONGEST = 40, 300
"""stretches of bars that are missing of a million, and the most bars of one"""


class Memory:
    """The most memory that this process holds alone beside what it held at first, in bytes; seen 50 times a second."""

    def __init__(self) -> None:
        self._before = self._most = self._now()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def most(self) -> int:
        return max(self._most, self._now()) - self._before

    def _watch(self) -> None:
        while True:
            self._most = max(self._most, self._now())
            time.sleep(0.02)

    @staticmethod
    def _now() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def times_of(kind: int, bars: int, rng: np.random.Generator) -> np.ndarray:
    """Opening times of the last bars before ``END``, seconds since the epoch."""
    zone, begin, end, days = HOURS[kind]
    span = int(bars * 1.1 * 1440 * 7 / ((end - begin) * days)) + 20_000
    time_N = END - MINUTE * np.arange(span, 0, -1)
    local_N = local_time(time_N, zone)
    day_N = (local_N - begin * MINUTE) // DAY
    minute_N = (local_N - begin * MINUTE) % DAY // MINUTE
    open_N = (minute_N < end - begin) & ((day_N + 3) % 7 < days)
    if days < 7:
        off = rng.choice(np.arange(day_N[0], day_N[-1] + 1), int((day_N[-1] - day_N[0]) * DAYS_OFF / 365))
        open_N &= ~np.isin(day_N, off)
    time_N = time_N[open_N]
    kept_N = np.ones(len(time_N), bool)
    for first in rng.integers(0, len(time_N), int(HOLES * len(time_N) / 1e6)):
        kept_N[first : first + rng.integers(1, LONGEST)] = False
    return time_N[kept_N][-bars:]


def table_of(ticker: int, bars: int) -> pa.Table:
    """One ticker's bars: a random walk in cents whose variance follows the hour."""
    rng = np.random.default_rng(ticker)
    time_N = times_of(ticker % len(HOURS), bars, rng)
    size_N = 4e-4 * (1 + 0.5 * np.sin(2 * np.pi * (time_N % DAY) / DAY))
    log_N = np.cumsum(rng.standard_normal(len(time_N)) * size_N)
    close_N = 300 * np.exp(log_N - np.linspace(0, log_N[-1], len(log_N)))
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    wick_2N = np.abs(rng.standard_normal((2, len(time_N)))) * size_N
    columns = {
        "open": open_N,
        "high": np.maximum(open_N, close_N) * (1 + wick_2N[0]),
        "low": np.minimum(open_N, close_N) * (1 - wick_2N[1]),
        "close": close_N,
    }
    cents = {name: np.round(value_N, 2) for name, value_N in columns.items()}
    volume_N = np.round(np.exp(rng.standard_normal(len(time_N)) + 6))
    return pa.table({"date": pa.array(time_N, pa.timestamp("s", "UTC")), **cents, "volume": volume_N})


def make(folder: Path, tickers: int, bars: int, formats: list[str]) -> None:
    """Write the bars of all tickers, a folder for each format."""
    for name in formats:
        (folder / name / "1m").mkdir(parents=True, exist_ok=True)
    for i in range(tickers):
        table = table_of(i, bars)
        for name in formats:
            path = folder / name / "1m" / f"t{i:04d}_1m.{name}"
            if name == "parquet":
                pyarrow.parquet.write_table(table, path)
            else:
                pyarrow.csv.write_csv(table, path)
        print(f"made {i + 1} of {tickers}", end="\r", file=sys.stderr, flush=True)


def experiment(data: Path, log_dir: str) -> Any:
    """A small model on all tickers, an epoch of which is never ended here."""
    from nextbar import ExperimentConfig

    tickers = sorted(path.name.split("_")[0] for path in (data / "1m").iterdir())
    return ExperimentConfig.from_dict(
        {
            "model_config": {"d_model": 8, "num_layers": 1, "n_heads": 2, "dim_feedforward": 16, "max_seq_len": 24},
            "dataset_config": {"datapath": str(data), "tickers": tickers, "resolution": "1m", "seq_len": 24},
            "log_dir": log_dir,
            "experiment_name": "many_bars",
            "batch_size": 4096,
            "num_epochs": 1,
            "save_weights": False,
        }
    )


def read(data: Path, rounds: int) -> dict[str, Any]:
    """Bars a second to ``Bars``, and of pyarrow alone."""
    from nextbar.bars.bars import load_bars

    paths = sorted((data / "1m").iterdir())
    tickers = [path.name.split("_")[0] for path in paths]
    bars = 0
    kept = tempfile.TemporaryDirectory(prefix="nextbar-many-bars-")

    def alone() -> None:
        for path in paths:
            table = (pyarrow.parquet.read_table if path.suffix == ".parquet" else pyarrow.csv.read_csv)(path)
            for column in table.columns:
                column.to_numpy()

    def ours() -> None:
        nonlocal bars
        bars = sum(map(len, load_bars(data, tickers, ["1m"])))

    def again() -> None:
        load_bars(data, tickers, ["1m"], log_dir=kept.name)

    runs = {"pyarrow": alone, "nextbar": ours, "second start": again}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    with kept:
        again()
        for _ in range(rounds):
            for name, run in runs.items():
                began, used = time.perf_counter(), time.process_time()
                run()
                seconds[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - used)
    ratios = [ours / alone for ours, alone in zip(seconds["nextbar"], seconds["pyarrow"], strict=True)]
    return {
        "bars": bars,
        "bars a second": {name: spread([bars / s for s in taken]) for name, taken in seconds.items()},
        "bars a second of a processor": {name: spread([bars / s for s in taken]) for name, taken in processor.items()},
        "nextbar's seconds over pyarrow's": spread(ratios),
    }


def check(data: Path, rounds: int) -> dict[str, Any]:
    """Seconds and most memory of taking the inventory."""
    from nextbar.bars.inventory import take_inventory

    memory, began = Memory(), time.perf_counter()
    holdings = take_inventory(data)
    return {
        "seconds": time.perf_counter() - began,
        "most_mb": memory.most / 2**20,
        "bars": sum(holding.rows or 0 for holding in holdings),
        "holes": sum(holding.holes or 0 for holding in holdings),
        "problems": sum(len(holding.problems) for holding in holdings),
    }


def first(data: Path, rounds: int) -> dict[str, Any]:
    """``check`` of the first ticker alone."""
    return check(sorted((data / "1m").iterdir())[0], rounds)


def prepare(data: Path, rounds: int) -> dict[str, Any]:
    """Memory from files to the arrays for a device."""
    import jax

    from nextbar.bars.series import series_of
    from nextbar.data.dataset import build_dataset
    from nextbar.machine.compilation import bound_arenas

    with tempfile.TemporaryDirectory(prefix="nextbar-many-bars-") as folder:
        config = experiment(data, folder)
        bound_arenas()  # as a training does
        memory, began, used = Memory(), time.perf_counter(), time.process_time()
        dataset = build_dataset(config, series_of(config))
        tape = dataset.tape()
        seconds = {"seconds": time.perf_counter() - began, "of the processor": time.process_time() - used}
    bars = sum(map(len, dataset.bars))
    device = sum(array.nbytes for array in jax.tree.leaves(tape))
    figures = {"bytes a bar": memory.most / bars, "of the device": device / bars, "ratio": memory.most / device}
    return {"bars": bars, **seconds, **figures}


def twice(part: str) -> Callable[[Path, int], dict[str, Any]]:
    """A part by a first start, which keeps the series, and by a second one."""

    def starts(data: Path, rounds: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="nextbar-many-bars-") as folder:
            os.environ["NEXTBAR_KEPT_BARS"] = folder
            return {f"{name} start": in_process(part, data, rounds) for name in ("first", "second")}

    return starts


def train(data: Path, rounds: int) -> dict[str, Any]:
    """Memory and seconds until the first call of compiled steps is done; the process ends there."""
    import jax

    from nextbar import Trainer
    from nextbar.engine.engine import Engine

    marks: dict[str, float] = {}
    memory, began, used = Memory(), time.perf_counter(), time.process_time()

    class Enough(Exception):
        """The first call is done."""

    def once(self: Any, state: Any, epochs: Any, progress: Any = None) -> Any:
        jax.block_until_ready(self.functions.train(state, *next(self.calls(self.orders(epochs)))))
        raise Enough

    Engine.train_each = once  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="nextbar-many-bars-") as folder:
        trainer = Trainer(experiment(data, folder), show=False)
        try:
            trainer.train_and_evaluate()
        except Enough:
            marks = {"seconds": time.perf_counter() - began, "of the processor": time.process_time() - used}
    device = sum(array.nbytes for array in jax.live_arrays())
    return {**marks, "most_mb": memory.most / 2**20, "device_mb": device / 2**20}


def stages(data: Path, rounds: int) -> dict[str, Any]:
    """Nanoseconds of the processor a bar of each stage of a start; ``build_dataset`` holds the three before it."""
    import jax

    from nextbar.bars.series import series_of
    from nextbar.data import dataset as datasets
    from nextbar.engine.engine import Engine
    from nextbar.machine.compilation import bound_arenas
    from nextbar.train.scored_spans import ScoredSpans

    used: dict[str, float] = {}

    def stage(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.process_time()
            made = jax.block_until_ready(work(*arguments))
            used[name] = time.process_time() - began
            return made

        return timed

    for name in ("training_calendars", "fit_series", "fit_spreads"):
        setattr(datasets, name, stage(name, getattr(datasets, name)))
    bound_arenas()  # as a training does
    with tempfile.TemporaryDirectory(prefix="nextbar-many-bars-") as folder:
        config = experiment(data, folder)
        series = stage("read", series_of)(config)
        dataset = stage("build_dataset", datasets.build_dataset)(config, series)
        stage("digests, description", lambda: (dataset.fingerprint, dataset.records, dataset.describe()))()
        engine = stage("tape on the device", Engine)(config, dataset)
        stage("what baselines learn from", ScoredSpans)(config, dataset)
        stage("the first call's windows", lambda: next(engine.calls(engine.orders([1]))))()
    bars = sum(map(len, series))
    return {"bars": bars, **{name: 1e9 * seconds / bars for name, seconds in used.items()}}


PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "read": read,
    "check": check,
    "first": first,
    "prepare": twice("prepare_once"),
    "prepare_once": prepare,
    "train": twice("train_once"),
    "train_once": train,
    "stages": twice("stages_once"),
    "stages_once": stages,
}


def in_process(part: str, data: Path, rounds: int) -> dict[str, Any]:
    """The figures of a part in a process of its own."""
    command = [sys.executable, __file__, "--one", part, "--data", str(data), "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickers", type=int, default=4)
    parser.add_argument("--bars", type=int, default=2_000_000, help="of each ticker")
    parser.add_argument("--parts", default="read,check,first,prepare,train,stages")
    parser.add_argument("--formats", default="parquet,csv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder with a folder for each format; made there if need be")
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        show(PARTS[options.one](options.data, options.rounds))
        return
    formats = options.formats.split(",")
    with tempfile.TemporaryDirectory(prefix="nextbar-many-bars-") as temporary:
        folder = options.data or Path(temporary)
        make(folder, options.tickers, options.bars, [name for name in formats if not (folder / name).is_dir()])
        figures = {
            part: {name: in_process(part, folder / name, options.rounds) for name in formats}
            for part in options.parts.split(",")
        }
        show({"tickers": options.tickers, "bars": options.bars, **figures, "hardware": hardware()})


if __name__ == "__main__":
    main()
