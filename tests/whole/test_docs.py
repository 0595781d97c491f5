"""What README, docs and configs say is so."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from configuration_tables import CONFIGURATION, TABLES, tables
from doc_pages import FENCE, QUICKSTART, ROOT, blocks

from nextbar.cli.app import app
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError
from nextbar.searching.space.contradictions import require_possible
from nextbar.searching.space.space import Space

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PLACEHOLDERS = {"FILE.yaml", "CONFIG.yaml"}
SPACES = sorted((ROOT / "configs" / "search").glob("*.yaml"))


def commands() -> Iterator[tuple[str, list[str], bool]]:
    """(where, arguments, whole) of each nextbar command; one in a sentence may leave arguments out."""
    for page in PAGES:
        for line in (line for block in blocks(page, "sh") for line in block.splitlines()):
            if text := _nextbar(line):
                yield page.name, shlex.split(text, comments=True), True
        for text in re.findall(r"`(nextbar [^`]+)`", FENCE.sub("", page.read_text())):
            yield page.name, shlex.split(text), False
    for path in [*CONFIGS, *SPACES]:
        for text in re.findall(r"^# (?:Command)? +(nextbar .*?)(?:  .*)?$", path.read_text(), re.MULTILINE):
            yield path.name, shlex.split(text), True


def _nextbar(line: str) -> str:
    """The nextbar command in a line of shell, also inside $( )."""
    found = re.search(r"(?:^|\$\()(nextbar [^)]*)", line)
    return found[1] if found else ""


def test_there_is_a_page_for_everything() -> None:
    commands = {"data", "seeds", "train", "predict", "evaluate", "refit", "backtest", "report", "runs", "search"}
    assert {"README", "quickstart", "configuration", "metrics", "persistence"} | commands <= {
        page.stem for page in PAGES
    }
    assert len(CONFIGS) >= 3


def test_the_tables_of_the_configuration_are_current() -> None:
    found = TABLES.search(CONFIGURATION.read_text())
    assert found and found[0] == tables(), "run: python tests/support/configuration_tables.py"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_loads_and_names_its_own_runs(path: Path, tmp_path: Path) -> None:
    config = ExperimentConfig.load(path)
    assert config.experiment_name == path.stem
    config.save(tmp_path / "again.yaml")
    assert ExperimentConfig.load(tmp_path / "again.yaml") == config
    for word in ("Command", "Cost", "Expect"):
        assert re.search(rf"^# {word} ", path.read_text(), re.MULTILINE), f"{path.name}: no {word}"


def test_yaml_on_a_page_is_a_whole_file(tmp_path: Path) -> None:
    """``make slow`` writes it down and goes on with it; a part of one is a block of text."""
    found = [text for page in PAGES for text in blocks(page, "yaml")]
    assert len(found) >= 2
    for text in found:
        path = tmp_path / "written.yaml"
        path.write_text(text)
        if text.startswith("base:"):
            require_possible(Space.load(path))
        else:
            ExperimentConfig.load(path)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_holds_experiments(path: Path) -> None:
    assert require_possible(Space.load(path)).experiment_name == f"search_{path.stem.partition('_')[0]}"
    for word in ("Command", "Cost", "Expect"):
        assert re.search(rf"^# {word} ", path.read_text(), re.MULTILINE), f"{path.name}: no {word}"


@pytest.mark.parametrize(("where", "arguments", "whole"), list(commands()))
def test_a_command_is_understood(where: str, arguments: list[str], whole: bool, tmp_path: Path) -> None:
    program, *rest = arguments
    command: Any = typer.main.get_command(app)
    context = command.make_context(program, list(rest), resilient_parsing=not whole)
    while rest and hasattr(command, "resolve_command") and not rest[0].startswith("-"):
        name, command = rest[0], command.get_command(context, rest[0])
        assert command is not None, f"{where}: no command {name}"
        rest = rest[1:]
        context = command.make_context(name, list(rest), parent=context, resilient_parsing=not whole)
    config = context.params.get("config")
    if config is not None and str(config) not in PLACEHOLDERS:
        (tmp_path / "experiment.yaml").write_text(blocks(QUICKSTART, "yaml")[0])
        folder = tmp_path if str(config) == "experiment.yaml" else ROOT
        ExperimentConfig.load(folder / config, context.params["overrides"] or [])


def test_a_command_that_is_wrong_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no-such-option"):
        test_a_command_is_understood("here", ["nextbar", "train", "FILE.yaml", "--no-such-option"], True, tmp_path)
    with pytest.raises(AssertionError, match="here: no command tarin"):
        test_a_command_is_understood("here", ["nextbar", "tarin", "FILE.yaml"], False, tmp_path)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        test_a_command_is_understood("here", ["nextbar", "train", "configs/none.yaml"], True, tmp_path)
    assert {where for where, _, _ in commands()} >= {path.name for path in CONFIGS} | {
        "README.md",
        "train.md",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_compiles_and_links_lead_somewhere(page: Path) -> None:
    for text in blocks(page, "python"):
        compile(text, page.name, "exec")
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", FENCE.sub("", page.read_text())):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.fixture(scope="module")
def first_example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], str]]:
    """Names and output of README's first Python block, run in a folder of its own."""
    names: dict[str, Any] = {"__name__": "example"}
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.chdir(tmp_path_factory.mktemp("readme"))
        if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
            patch.setenv("JAX_COMPILATION_CACHE_DIR", "")  # the user's own cache stays as it is
        exec(compile(blocks(ROOT / "README.md", "python")[0], "README.md", "exec"), names)
        yield names, out.getvalue()


def test_the_first_example_runs_and_claims_nothing(first_example: tuple[dict[str, Any], str]) -> None:
    names, out = first_example
    assert names["result"].status == "finished"
    assert not out.startswith("Beats")
    assert "close-hi-95" in out


def test_the_run_folder_is_as_the_page_says(first_example: tuple[dict[str, Any], str]) -> None:
    said = (ROOT / "docs" / "how-to" / "run-folder.md").read_text()
    cells = {word for row in re.findall(r"^\|(.*?)\|", said, re.MULTILINE) for word in re.findall(r"`(.*?)`", row)}
    result = first_example[0]["result"]
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert set(summary) <= cells
    assert set(summary["metrics"]["test"]) <= cells
    here = {path.name.partition(".out")[0] for path in result.run_dir.iterdir()}
    assert {name.rstrip("…").partition("/")[0] for name in cells & _files(cells)} == here | {"report.html"}


def _files(cells: set[str]) -> set[str]:
    return {name for name in cells if "." in name or "/" in name or "…" in name} - {"summary.json:"}


@pytest.mark.parametrize(
    "mode",
    [
        {"output_mode": "mean"},
        {"output_mode": "distribution"},
        {"output_mode": "discrete_grid", "edges": (-1.0, 0.0, 1.0)},
    ],
    ids=lambda mode: mode["output_mode"],
)
def test_every_metric_is_explained(mode: dict[str, Any]) -> None:
    import numpy as np

    from nextbar.metrics.reference import fit_reference
    from nextbar.metrics.scorer import Scorer
    from nextbar.metrics.task import Task
    from nextbar.types import Outcomes

    task = Task(**mode)
    close = np.array([1.0, 1.1, 1.0, 1.2])
    span = Outcomes(np.zeros(3, int), ("a",), np.arange(3), close[:-1], close[1:, None])
    scorer = Scorer(span, fit_reference(span, [close], task), task)
    page = (ROOT / "docs" / "metrics.md").read_text()
    missing = [name for name in scorer.baseline.mean.pooled if f"`{name}`" not in page]
    assert set(missing) <= {"coverage_80", "coverage_90"}  # between the two that are named
