"""What an NVIDIA GPU does with nextbar: laws that must hold there, measurements, one page of them.

    make gpu-acceptance                        installs what it needs, and writes gpu.md
    python bench/gpu.py --minutes 20 --out gpu.md
    python bench/gpu.py --small                small numbers, on any machine: a test of this script

Every part is a process of its own that is ended when the time is up; what a part did not get to, or failed at, stands
in the page. The parts that say whether nextbar can be trusted come first: the exit code is 1 where a test failed, where
they did not come to an end, or where JAX sees no GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from common import SHAPES, hardware
from peers import MISSING, versions

HERE = Path(__file__).resolve().parent
TORCH = ("torch_eager", "torch_compiled", "torch_graphs")
POPULATION = (1, 8, 64)
TESTS_SHARE = 0.4
"""of the time, at most, for the tests"""


@dataclass
class Clock:
    """The time that is left."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        return max(self.seconds - (time.monotonic() - self.began), 0.0)


@dataclass(frozen=True)
class Answer:
    """What a part's process printed, and how it ended; ``trouble`` is empty where it ended well."""

    text: str
    trouble: str = ""


def ask(command: list[str], clock: Clock, share: float = 1.0) -> Answer:
    """Run a part in what is left of the time, or in a share of that."""
    seconds = clock.left * share
    if seconds < 1:
        return Answer("", "no time was left")
    try:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, cwd=HERE.parent, timeout=seconds
        )
    except subprocess.TimeoutExpired as late:
        return Answer((late.stdout or b"").decode(errors="replace"), f"not finished within {seconds:.0f} s")
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return Answer(done.stdout, "" if done.returncode == 0 else (lines or ["no message"])[-1][:300])


def card() -> list[str]:
    """Name, driver and memory of each GPU, as its driver says."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


def tests(clock: Clock, small: bool) -> tuple[bool, list[str]]:
    """The tests that need a GPU, and the laws of compiled code, which hold on every device: did all pass; in words."""
    chosen = ["tests/engine/test_engine.py", "-k", "another_gradient_clip"] if small else []
    command = ["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-m", "gpu or compiled", *chosen]
    answer = ask(command, clock, TESTS_SHARE)
    lines = answer.text.splitlines()
    summary = next((line for line in reversed(lines) if " passed" in line or " failed" in line), "no summary")
    told = f"`pytest -m 'gpu or compiled'`: {summary.strip('= ')}" + (f" ({answer.trouble})" if answer.trouble else "")
    return not answer.trouble, [told, *(f"- {line}" for line in lines if line.startswith(("FAILED", "ERROR")))]


def figures(command: list[str], clock: Clock, rows: Callable[[dict[str, Any]], list[list[str]]]) -> list[list[str]]:
    """The rows of a table that a script's JSON gives; one that says why where it gave none."""
    answer = ask(command, clock)
    try:
        return rows(json.loads(answer.text))
    except ValueError:
        return [[" ".join(command[1:]), answer.trouble or "no figures"]]


def training(clock: Clock, shape: str, precision: str, small: bool) -> list[list[str]]:
    """Windows a second of the epoch, and how many times that is of what bounds it and of the peers."""
    peers = [name for name in TORCH if versions()["torch"] != MISSING]
    size = ["--rounds", "1", "--max-windows", "300"] if small else ["--rounds", "5", "--max-windows", "0"]
    command = ["bench/train.py", "--shapes", shape, "--precision", precision, *size]
    command += ["--bars", "20000", "--peers", ",".join(peers) or "none"]

    def rows(told: dict[str, Any]) -> list[list[str]]:
        (one,) = told["shapes"]
        speed = [shape, precision, f"{one['epoch_windows_per_second']['median']:,.0f}"]
        names = ["epoch / bare_step", "evaluation / epoch", *(f"epoch / {name}" for name in TORCH)]
        return [speed + [_ratio(one["ratios"].get(name)) for name in names]]

    return figures(command, clock, rows)


def population(clock: Clock, shape: str, small: bool) -> list[list[str]]:
    """Windows a second of all members together, and how many times those of one."""
    members = (1, 2) if small else POPULATION
    command = ["bench/scaling.py", "--only", "population", "--shape", shape, "--no-memory"]
    command += ["--values", ",".join(map(str, members)), "--rounds", "1" if small else "3"]
    command += ["--bars", "300"] if small else []

    def rows(told: dict[str, Any]) -> list[list[str]]:
        speeds = [row["train_windows_per_second"]["median"] for row in told["population"]]
        return [
            [shape, f"{row['population']}", f"{speed:,.0f}", f"{speed / speeds[0]:.2f}"]
            for row, speed in zip(told["population"], speeds, strict=True)
        ]

    return figures(command, clock, rows)


def attention(clock: Clock, small: bool) -> list[list[str]]:
    """Milliseconds of attention alone by each implementation, and how far its outputs are from nextbar's."""
    command = ["bench/attention.py", *(["--shapes", "A", "--rounds", "1"] if small else [])]

    def cell(one: dict[str, Any], name: str) -> str:
        if isinstance(one[name], str):
            return str(one[name])
        return f"{one[name]['median']:.3f} ms, {one[f'{name} difference']:.0e}"

    def rows(told: dict[str, Any]) -> list[list[str]]:
        return [[one["shape"], *(cell(one, name) for name in ("einsum", "xla", "cudnn"))] for one in told["attention"]]

    return figures(command, clock, rows)


def _ratio(spread: dict[str, float] | None) -> str:
    return "–" if spread is None else f"{spread['median']:.2f} ({spread['min']:.2f} to {spread['max']:.2f})"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table in Markdown; short rows are filled."""
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join([*cells, *[""] * (len(head) - len(cells))]) + " |"


def page(clock: Clock, small: bool, write: Callable[..., None]) -> bool:
    """Write the page as its parts are done, lines at a time; whether this machine is to be trusted."""
    machine = hardware()
    write("# On a GPU", "", f"{datetime.now(UTC):%Y-%m-%d}, `python bench/gpu.py{' --small' * small}`", "")
    write(*(f"- {line}" for line in card() or ["no NVIDIA GPU: figures are of the device below"]))
    write("- " + ", ".join(f"{name} {value}" for name, value in machine.items()))
    write("- " + ", ".join(f"{name} {_version(name)}" for name in ("nextbar", "orbax-checkpoint", "torch")))
    passed, told = tests(clock, small)
    write("", "## Tests", "", *told, "")
    shapes = ["A"] if small else list(SHAPES)
    precisions = ["fp32"] if small else ["fp32", "bf16"]
    rows = [row for shape in shapes for precision in precisions for row in training(clock, shape, precision, small)]
    head = ["shape", "precision", "windows a second", "epoch / bare step", "evaluation / epoch"]
    write("## One training", "", *table([*head, *(f"epoch / {name}" for name in TORCH)], rows), "")
    rows = [row for shape in shapes for row in population(clock, shape, small)]
    head = ["shape", "members", "windows a second", "times one member"]
    write("## Populations", "", *table(head, rows), "")
    rows = attention(clock, small)
    write("## Attention alone, bfloat16", "", *table(["shape", "einsum", "xla", "cudnn"], rows), "")
    write(f"{clock.seconds - clock.left:.0f} s of {clock.seconds:.0f}. Medians of rounds in turn, least and most.")
    return passed and (small or machine["platform"] == "gpu")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="for everything")
    parser.add_argument("--out", default="gpu.md")
    parser.add_argument("--small", action="store_true", help="small numbers: whether this script works")
    args = parser.parse_args()
    with Path(args.out).open("w") as out:

        def write(*lines: str) -> None:
            for line in lines:
                print(line)
                print(line, file=out, flush=True)

        return 0 if page(Clock(args.minutes * 60), args.small, write) else 1


if __name__ == "__main__":
    sys.exit(main())
