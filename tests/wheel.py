"""Does the wheel work where the sources are not? ``make wheel``.

Builds the source archive, and the wheel from it, in a temporary folder; looks whether they hold what they should and
nothing else; installs the wheel in a fresh virtual environment, and goes there from sample bars to a forecast and a
page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ASSETS = {
    "display/assets": "colours.css",
    "report/assets": "charts.js explorer.js page.html report.css",
}
"""files of the package that are no Python, beside the recipes and the mark that it is typed"""
TINY = (
    "num_epochs=1", "seeds=1", "final_fit=False", "model_config.d_model=8", "model_config.n_heads=2",
    "model_config.dim_feedforward=8", "model_config.num_layers=1", "dataset_config.tickers=[spx]", "log_dir=runs",
)  # fmt: skip
"""what makes an experiment one of seconds"""


def package_files() -> set[str]:
    """What the wheel holds of the package, by the sources."""
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nextbar").rglob("*.py")}
    assets = {f"nextbar/{folder}/{name}" for folder, names in ASSETS.items() for name in names.split()}
    recipes = {f"nextbar/recipes/{path.name}" for path in (ROOT / "configs" / "recipes").glob("*.yaml")}
    return code | assets | recipes | {"nextbar/py.typed"}


def require_equal(what: str, found: Iterable[str], wanted: Iterable[str]) -> None:
    """Ends with a sentence where there is less or more than there should be."""
    found, wanted = set(found), set(wanted)
    if lacking := sorted(wanted - found):
        sys.exit(f"{what} lacks {', '.join(lacking)}")
    if strange := sorted(found - wanted):
        sys.exit(f"{what} holds {', '.join(strange)}, which should not be there")
    print(f"{what}: {len(found)} files, as there should be", flush=True)


def check_wheel(wheel: Path) -> None:
    """The package, its licence and the records of a wheel."""
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    records = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    with zipfile.ZipFile(wheel) as archive:
        require_equal(wheel.name, archive.namelist(), package_files() | records)


def check_source(source: Path) -> None:
    """All that is under version control, but for continuous integration; and a file about the package."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    wanted = {name for name in tracked if not name.startswith(".ci/")} | {"PKG-INFO"}
    with tarfile.open(source) as archive:
        require_equal(source.name, (m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()), wanted)


class Venv:
    """A fresh virtual environment, whose programs see nothing of these sources.

    Args:
        folder: where it is made.
        work: where its programs run.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        self.programs, self.work = folder / ("Scripts" if os.name == "nt" else "bin"), work
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(self, program: str, *arguments: str | Path) -> str:
        """Runs a program, and gives its output; ends where it fails."""
        print(" ", program, *arguments, flush=True)
        command = [self.programs / program, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.work, env=self.environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{program} ended with exit code {done.returncode}")
        return done.stdout


def use(venv: Venv, recipe: str) -> None:
    """From sample bars to a forecast and a page."""
    place = Path(venv.run("python", "-c", "import nextbar; print(nextbar.__file__)").strip())
    if ROOT in place.parents:
        sys.exit(f"nextbar was imported from {place}, should come from the wheel")
    venv.run("nextbar", "--help")
    venv.run("nextbar", "data", "sample", "data")
    venv.run("nextbar", "recipe", recipe, "--data", "data", "--out", "experiment.yaml")
    run = venv.run("nextbar", "train", "experiment.yaml", *TINY).split()[-1]
    if "close-lo-80" not in venv.run("nextbar", "predict", run, "--data", "data"):
        sys.exit("nextbar predict printed no interval")
    venv.run("nextbar", "report", run)
    if b"<style" not in (venv.work / run / "report.html").read_bytes():
        sys.exit("the report has no style")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constraints", type=Path, required=True, help="versions to install beside the wheel")
    parser.add_argument("--recipe", default="index_1d", help="experiment that is trained, made small")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="nextbar-wheel-") as folder:
        built, work = Path(folder) / "built", Path(folder) / "work"
        work.mkdir()
        builder = Venv(Path(folder) / "builder", work)
        builder.run("python", "-m", "pip", "install", "--quiet", "build")
        builder.run("python", "-m", "build", "--outdir", built, ROOT)
        (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
        check_wheel(wheel)
        check_source(source)
        clean = Venv(Path(folder) / "clean", work)
        constraints = given.constraints.resolve()
        clean.run("python", "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel)
        use(clean, given.recipe)
    print("the wheel works without the sources")


if __name__ == "__main__":
    main()
