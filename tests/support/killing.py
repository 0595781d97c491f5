"""Commands that are killed at random moments and started again, and must then end like those that nobody disturbed."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import yaml
from bar_files import bars_table
from builders import make_config
from refusals import save
from same_folders import differences
from search_processes import SPACE

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""of a kill, drawn evenly"""
ROUND = 8
"""kills of one folder, unless it is done before"""
PATIENCE = 300.0
"""seconds that a command may take"""
STARTING = (
    "nextbar.cli.app", "nextbar.train.seeds", "nextbar.searching", "nextbar.backtesting", "nextbar.inference",
    "nextbar.updating.updater",
)  # fmt: skip
"""imported once, before the commands are forked from there: a kill costs a second instead of four"""


@dataclass(frozen=True)
class Target:
    """A command that may be killed: its words, and the experiment it is about."""

    words: tuple[str, ...]
    fields: dict[str, object] = field(default_factory=dict)
    """of the experiment, beside those of ``prepare``"""
    before: tuple[str, ...] = ()
    """a command that is done first and not disturbed"""


_SEARCH = ("search", "space.yaml", "n_trials=8", "seed=5", "population=1")
TARGETS = {
    "train": Target(("train", "config.yaml")),
    "population": Target(("train", "config.yaml", "--seeds", "3")),
    "ensemble": Target(("train", "config.yaml"), {"seeds": 2}),
    "final": Target(("train", "config.yaml"), {"num_epochs": 10, "final_fit": True}),
    "search-none": Target((*_SEARCH, "pruner=none"), {"num_epochs": 9}),
    "search-median": Target((*_SEARCH, "pruner=median"), {"num_epochs": 9}),
    "search-hyperband": Target((*_SEARCH, "pruner=hyperband"), {"num_epochs": 9}),
    "backtest": Target(
        ("backtest", "config.yaml", "folds=3", "conformal=true"), {"num_epochs": 4, "output_mode": "distribution"}
    ),
    "refit": Target(("refit", "runs/test"), {"num_epochs": 20}, before=("train", "config.yaml")),
    "update": Target(
        ("update", "runs/test", "--refit-every", "1d"),
        {"num_epochs": 40, "final_date": "2020-09-16T00:00:00Z", "horizon": 2, "output_mode": "distribution"},
        before=("train", "config.yaml"),
    ),
}
"""A command that comes to be is a line here and in ``tests/kills.py``."""


@dataclass
class Tally:
    """What was done to a target."""

    kills: Counter[str] = field(default_factory=Counter)
    """by signal; those that came after the end are not among them"""
    in_writes: int = 0
    """kills while something was there under a temporary name"""
    rounds: int = 0
    differences: list[str] = field(default_factory=list)


def prepare(folder: Path, target: Target) -> None:
    """Files of bars, whose closes are a wave so that training goes on to improve, an experiment and a space."""
    bars = bars_table(200)
    bars["close"] = 100 + np.sin(np.arange(200) / 4)
    bars["low"], bars["high"], bars["open"] = bars["close"] - 5, bars["close"] + 5, bars["close"]
    save(folder, bars)
    fields = {"num_epochs": 24, "dropout": 0.1, "learning_rate": 1e-2, **target.fields}
    config = make_config(datapath="bars", tickers="abc", **fields)
    config.save(folder / "config.yaml")
    (folder / "space.yaml").write_text(yaml.safe_dump({"base": config.to_dict(), "search": SPACE}))


class Commands:
    """Starts commands in processes of their own.

    Args:
        log: what they say is appended to it.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(STARTING))

    def start(self, folder: Path, words: Sequence[str]) -> ForkServerProcess:
        """Begin ``nextbar`` with these words in a folder."""
        process = self._context.Process(target=_command, args=(str(folder), str(self.log), list(words)))
        process.start()
        return process

    def finish(self, folder: Path, words: Sequence[str]) -> float:
        """Do a command to its end; returns the seconds that it took."""
        began = time.monotonic()
        process = self.start(folder, words)
        process.join(PATIENCE)
        assert process.exitcode == 0, f"{' '.join(words)}: exit {process.exitcode}\n{self.log.read_text()[-3000:]}"
        return time.monotonic() - began


def _command(folder: str, log: str, words: list[str]) -> None:
    from nextbar.cli import main

    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    sys.argv = ["nextbar", *words]
    main()


def disturb(target: Target, kills: int, folder: Path, seed: int = 0, tell: Callable[[str], None] = print) -> Tally:
    """Kill a target as often as asked, in rounds of ``ROUND``, each of which ends like an undisturbed one, or is told.

    Args:
        target: the command.
        kills: how many.
        folder: an empty one, for all that is made here; rounds that differ are kept in it.
        seed: of moments and signals.
        tell: is called with a line for each round.
    """
    chance, tally = random.Random(seed), Tally()
    commands = Commands(folder / "commands.log")
    template, work, undisturbed = (folder / name for name in ("template", "work", "undisturbed"))
    template.mkdir()
    prepare(template, target)
    template.rename(work)  # all is done at one path, which files name
    if target.before:
        commands.finish(work, target.before)
    shutil.copytree(work, template)
    seconds = commands.finish(work, target.words) / 2  # the next ones need not compile
    work.rename(undisturbed)
    while tally.kills.total() < kills:
        shutil.copytree(template, work)
        _round(commands, target, min(ROUND, kills - tally.kills.total()), work, seconds, chance, tally)
        tally.rounds += 1
        found = list(differences(work, undisturbed))
        tell(f"round {tally.rounds}: {tally.kills.total()} kills, {', '.join(found) or 'no difference'}")
        tally.differences += [f"round {tally.rounds}: {one}" for one in found]
        if found:
            work.rename(folder / f"differs-{tally.rounds}")
        else:
            shutil.rmtree(work)
    text = commands.log.read_text()
    for word in ("Traceback", "Exception ignored"):
        if word in text:
            tally.differences.append(f"{word!r} in {commands.log}")
    return tally


def _round(
    commands: Commands, target: Target, kills: int, work: Path, seconds: float, chance: random.Random, tally: Tally
) -> None:
    """Start a command, kill it, and so on; then let it end."""
    for _ in range(kills):
        kill = chance.choice(SIGNALS)
        left = unfinished(work)
        process = commands.start(work, target.words)
        assert process.pid is not None
        if chance.random() < 0.5:
            process.join(chance.uniform(0, seconds))
        else:
            _wait_for_writes(process, work, left, chance.randint(1, 12))
        if process.exitcode is None:
            in_write = bool(unfinished(work) - left)
            os.kill(process.pid, kill)
            process.join(PATIENCE)
        if process.exitcode == 0:  # it was done before, or as it was killed
            break
        expected = {signal.SIGINT: 130}.get(kill, -kill)
        if process.exitcode != expected:
            tally.differences.append(f"{kill.name} led to exit {process.exitcode}, see {commands.log}")
        tally.kills[kill.name] += 1
        tally.in_writes += in_write
    commands.finish(work, target.words)


def _wait_for_writes(process: ForkServerProcess, work: Path, before: frozenset[Path], writes: int) -> None:
    """Return while something is being written for the n-th time, or when the process has ended."""
    deadline = time.monotonic() + PATIENCE
    while process.exitcode is None and time.monotonic() < deadline:
        now = unfinished(work)
        if now - before:
            writes -= 1
            if writes <= 0:
                return
        before = now
        time.sleep(0.0005)


def unfinished(folder: Path) -> frozenset[Path]:
    """What is there under a temporary name, a checkpoint or a file."""
    found: list[Path] = []
    waiting = [str(folder / "runs")]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:  # gone since
            continue
        for entry in entries:
            if "checkpoint-tmp" in entry.name or entry.name.endswith(".part"):
                found.append(Path(entry.path))
            elif entry.is_dir(follow_symlinks=False) and Path(entry.path).parent.name not in ("last", "best"):
                waiting.append(entry.path)
    return frozenset(found)
