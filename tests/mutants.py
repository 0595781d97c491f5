"""Mutation testing: how many small changes of the code do the tests notice? ``make mutants``.

mutmut makes the mutants, of functions and methods without a decorator, and runs the tests. This script copies the tree
to a temporary folder, so that the one it lies in is not touched, gives each module its own tests (``mutants.yaml``),
draws as many mutants as the time allows, and prints a table and the survivors. Of one seed a longer run draws others
as well.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

HERE = Path(__file__).resolve().parent
NAMES = "import sys; from mutmut.mutation.file_mutation import mutate_file_contents as f; \
[print(n) for n in f(sys.argv[1], open(sys.argv[1]).read()).mutant_names]"
DIFF = "import sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as f; \
[print(f(n, path=sys.argv[1]), end='\\0') for n in sys.argv[2:]]"
CONFIG = """
[tool.mutmut]
source_paths = ["nextbar"]
only_mutate = [{module!r}]
also_copy = ["configs"]
process_isolation = "forkserver"  # JAX must not be at work in a process that forks
forkserver_warmup = "import"  # not "collect": some test files have JAX at work when they are imported
preload_modules_file = "preload.txt"
timeout_constant = 5.0
timeout_multiplier = 4.0
use_git_change_detection = false
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
pytest_add_cli_args_test_selection = {tests!r}
"""
PRELOADED = "pytest _pytest hypothesis.strategies jax.numpy flax.linen optax optuna pandas polars pyarrow.parquet \
scipy.stats sklearn.metrics statsmodels.api arch orbax.checkpoint plotly pydantic narwhals tensorboardX rich \
nextbar.train.trainer nextbar.searching nextbar.backtesting nextbar.inference.forecaster nextbar.inference.evaluator"
SURVIVED, TIMEOUT = {0, 5, 33}, {-24, 24, 36, 152, 255}
"""exit codes as mutmut keeps them: tests passed, or no test reaches the function; the processor's time was up"""
GRACE = 10.0
"""seconds that an interrupted process has to end by itself"""
PACE, WEIGHT = 3.5, 100
"""seconds of one core that a mutant takes, with its share of the runs without one; as many mutants as that guess counts
for beside those measured. The draw is sized by them"""


@dataclass
class Outcome:
    """What became of a module's mutants."""

    module: str
    mutants: int = 0
    count: Counter[str] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)
    """differences, ``note`` first where there is one"""
    problem: str = ""

    def row(self) -> list[str]:
        """Cells of the table."""
        done = self.count["killed"] + self.count["timeout"]
        judged = done + self.count["survived"]
        share = f"{100 * done / judged:.1f}" if judged else "–"
        return [self.module, str(self.mutants), *(str(self.count[name]) for name in COLUMNS), share, self.problem]


COLUMNS = ("drawn", "killed", "timeout", "equivalent", "survived", "not reached")


def main() -> None:
    """Read the arguments, test the modules on as many cores as asked for, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="", help="modules, as data/splits,metrics/*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    settings = yaml.safe_load((HERE / "mutants.yaml").read_text())
    patterns = [part.strip() for part in options.only.split(",") if part.strip()] or ["*"]
    modules = [name for name in settings["tests"] if any(fnmatch.fnmatch(name, part) for part in patterns)]
    if not modules:
        sys.exit(f"no module matches {options.only}; there are {', '.join(settings['tests'])}")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has processes in the background ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    end = time.monotonic() + 60 * options.minutes
    outcomes: list[Outcome] = []
    with TemporaryDirectory(prefix="nextbar-mutants-") as folder:
        session = Session(Path(folder), settings, options.seed, options.cores, end, len(modules))
        pool = ThreadPoolExecutor(options.cores)
        futures = [pool.submit(session.test, module) for module in modules]
        try:
            for future in futures:
                outcomes.append(future.result())
                print(" ".join(outcomes[-1].row()), file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            session.stop()
            pool.shutdown(cancel_futures=True)
            outcomes += [f.result() for f in futures[len(outcomes) :] if f.done() and not f.cancelled()]
    show(outcomes)
    sys.exit(any(outcome.problem for outcome in outcomes))


def show(outcomes: list[Outcome]) -> None:
    """The table in Markdown, and the survivors below."""
    total = Outcome("all", sum(outcome.mutants for outcome in outcomes))
    for outcome in outcomes:
        total.count += outcome.count
    print("\n| module | mutants | " + " | ".join(COLUMNS) + " | killed, % of those not equivalent | |")
    print("|---" + "|--:" * (len(COLUMNS) + 2) + "|---|")
    for outcome in (*outcomes, total):
        print("| " + " | ".join(outcome.row()) + " |")
    for outcome in outcomes:
        for survivor in outcome.survivors:
            print("\n" + survivor)


class Session:
    """Modules tested in copies of the tree until the time is up."""

    def __init__(self, folder: Path, settings: dict, seed: int, cores: int, end: float, modules: int) -> None:
        self.folder, self.settings, self.seed, self.end = folder, settings, seed, end
        self._cores, self._left = cores, modules
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._tested, self._spent = WEIGHT, WEIGHT * PACE
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=HERE.parent, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (HERE.parent / name).is_file():
                target = folder / "tree" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(HERE.parent / name, target)

    def test(self, module: str) -> Outcome:
        """Draw from a module's mutants, as many as its share of the time that is left allows, and test them."""
        with self._lock:
            seconds = min(self._cores * (self.end - time.monotonic()) / self._left, self.end - time.monotonic())
            self._left -= 1
            most = int(seconds * self._tested / self._spent)
        began = time.monotonic()
        outcome = Outcome(module)
        if most < 1 or self._stopped:
            outcome.problem = "no time left"
            return outcome
        tree = shutil.copytree(self.folder / "tree", self.folder / module.replace("/", "-"))
        path = f"nextbar/{module}.py"
        config = CONFIG.format(module=path, tests=[*self.settings["tests"][module].split(), "-m", "not slow"])
        with (tree / "pyproject.toml").open("a") as file:
            file.write(config)
        (tree / "preload.txt").write_text("\n".join(PRELOADED.split()))
        (tree / "mutants").mkdir()  # Python passes over a folder of its path that was not there when it began
        names = self._run(tree, [sys.executable, "-c", NAMES, path]).split()
        prefix = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        outcome.mutants = len(names)
        random.Random(f"{self.seed} {module}").shuffle(names)
        drawn = names[:most]
        said = self._run(tree, [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1",
                                *(f"{prefix}.{name}" for name in drawn)], seconds)  # fmt: skip
        try:
            codes = json.loads((tree / "mutants" / f"{path}.meta").read_text())["exit_code_by_key"]
        except FileNotFoundError:
            codes = {}
        if not any(code is not None for code in codes.values()):
            outcome.problem = said.strip().splitlines()[-1] if said.strip() else "mutmut said nothing"
        with self._lock:
            self._tested += sum(code is not None for code in codes.values())
            self._spent += time.monotonic() - began
        self._count(outcome, tree, path, {f"{prefix}.{name}": codes.get(f"{prefix}.{name}") for name in drawn})
        shutil.rmtree(tree)
        return outcome

    def _count(self, outcome: Outcome, tree: Path, path: str, codes: dict[str, int | None]) -> None:
        outcome.count["drawn"] = len(codes)
        left = [name for name, code in codes.items() if code in SURVIVED]
        outcome.count["not reached"] = sum(code is None for code in codes.values())
        outcome.count["timeout"] = sum(code in TIMEOUT for code in codes.values())
        outcome.count["killed"] = len(codes) - len(left) - outcome.count["not reached"] - outcome.count["timeout"]
        diffs = self._run(tree, [sys.executable, "-c", DIFF, path, *left]).split("\0") if left else []
        for name, diff in zip(left, diffs, strict=False):
            change = "\n".join(line for line in diff.splitlines()[2:] if line[:1] in "+-")
            if any(
                fnmatch.fnmatch(name, accepted["mutant"]) and re.search(accepted["change"], change, re.MULTILINE)
                for accepted in self.settings["equivalent"]
            ):
                outcome.count["equivalent"] += 1
            else:
                outcome.count["survived"] += 1
                note = "  no test reaches it" if codes[name] != 0 else ""
                outcome.survivors.append(f"{name}{note}\n{change}")

    def _run(self, tree: Path, command: list[str], seconds: float | None = None) -> str:
        """What a command says; after so many seconds it is interrupted, and what is done by then counts."""
        environment = os.environ | {
            "PYTHONPATH": str(tree / "mutants"),
            "JAX_COMPILATION_CACHE_DIR": str(self.folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        process = subprocess.Popen(command, cwd=tree, env=environment, text=True, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        with self._lock:
            self._running.add(process)
        try:
            try:
                return process.communicate(timeout=seconds)[0]
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                return process.communicate(timeout=GRACE)[0]
        except subprocess.TimeoutExpired:
            end_group(process)
            return process.communicate()[0]
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        """Interrupt what runs, and what it forked a little later; begin nothing more."""
        self._stopped = True
        for process in tuple(self._running):
            process.send_signal(signal.SIGINT)
        end = time.monotonic() + GRACE
        while self._running and time.monotonic() < end:
            time.sleep(0.1)
        for process in tuple(self._running):
            end_group(process)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and all that it forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
