"""Tutorial, quick start and how-to pages, done as they say: every command and every program, in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doc_pages import QUICKSTART, ROOT, pieces
from forked_commands import forked_commands

HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
TUTORIAL = ROOT / "docs" / "tutorial.md"
MINUTES = 5

Follow = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def follow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follow]:
    """Does what a page says in a folder."""
    with forked_commands(tmp_path_factory.mktemp("bin")) as commands:
        yield lambda page, folder: _follow(page, folder, commands)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, follow: Follow) -> Path:
    """Where somebody stands who has just done the quick start."""
    path = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "configs", path / "configs")
    follow(QUICKSTART, path)
    return path


def _follow(page: Path, folder: Path, commands: Path) -> None:
    """Block by block; what one block of shell sets is there in the next."""
    script, program, environment, path = [], "program", dict(os.environ), [commands]
    if "ETTh1.csv" in page.read_text():  # is arithmetic: three times as long without the compiler's optimizations
        program, path = "python", []
        for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
            environment.pop(name, None)
    for i, (language, text) in enumerate(pieces(page)):
        if language == "yaml":
            (folder / ("space.yaml" if text.startswith("base:") else "experiment.yaml")).write_text(text)
        elif language == "python":
            (folder / f"{page.stem}_{i}.py").write_text(text)
            script.append(f"{program} {page.stem}_{i}.py")
        elif language == "sh":
            script.append(text)
    environment["PATH"] = os.pathsep.join(map(str, [*path, Path(sys.executable).parent, os.environ["PATH"]]))
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
    )
    assert done.returncode == 0, f"{page.name}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.slow
def test_the_quick_start_leads_to_a_report(folder: Path) -> None:
    assert list(folder.glob("runs/first/*/report.html"))


@pytest.mark.slow
def test_the_tutorial_ends_with_a_daily_job(follow: Follow, tmp_path: Path) -> None:
    follow(TUTORIAL, tmp_path)
    (log,) = (tmp_path / "runs" / "spx").glob("forecasts-*.jsonl")
    lines = log.read_text().splitlines()
    assert [sum(f'"{kind}"' in line for line in lines) for kind in ("forecast", "score")] == [4, 3]  # one is waiting
    assert (tmp_path / "forecast.csv").read_text().splitlines()[1].startswith("spx,2018-12-31T00:00:00Z,1,")


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_a_how_to_page_does_what_it_says(
    page: Path, folder: Path, follow: Follow, request: pytest.FixtureRequest
) -> None:
    if "calendar=XNYS" in page.read_text():
        pytest.importorskip("exchange_calendars", reason="needs exchange_calendars: pip install exchange_calendars")
    if "ETTh1.csv" in page.read_text():
        shutil.copy(request.getfixturevalue("shared_data") / "benchmark" / "ETTh1.csv", folder)
    follow(page, folder)
