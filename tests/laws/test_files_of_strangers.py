"""Files that somebody wrote to do harm: each ends in a sentence, soon, and hides no other."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import make_config
from searches import Pretender, searched
from summaries import make_run
from typer.testing import CliRunner, Result

from nextbar.cli.app import app
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, RunError
from nextbar.runs.listing import best_run, list_runs
from nextbar.searching import Study
from nextbar.searching.space.space import Space

LAUGHS = "a0: &a0 [ha]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
"""nine levels of nine aliases: 81 aliases, 400 million values"""

CONFIGURATIONS = {
    "tag": [f"seed: {text}" for text in (
        "!!float ''", "!!int ''", "!!bool x", "!!timestamp x", "!!set [1]", "!!map [1]", "!!omap [1]", "!!pairs 1",
        "!!binary x", "!!str 1", "!!python/object/apply:os.system [id]", "!!python/name:os.system", "! 1", "!x 1",
    )] + ["%TAG ! tag:yaml.org,2002:\n---\nseed: !int ''"],
    "not valid YAML": [
        "seed: 0x_", "seed: 0b_", "seed: " + "9" * 5000, "seed: =", "<<: 3", "<<: [1]", "? [a]\n: 1", "? {a: 1}\n: 1",
        "seed: *x", 'seed: "\\UFFFFFFFF"', "seed: 1\nseed: 2", "seed: 1\n---\nseed: 2", "%YAML 9.9\n---\nseed: 1",
        "seed: \x1b[31m", "\t" * 1000, "&" * 1000,
    ],
    "nested too deeply": [
        "[" * 3000, "[" * 3000 + "]" * 3000, "{a: " * 3000, "- " * 3000 + "1",
        "\n".join(" " * i + "a:" for i in range(1000)),
    ],
    "more than 100 aliases": ["a: &x 1\nb: [" + ", ".join(["*x"] * 400) + "]"],
    "more than 200,000 values": [
        LAUGHS,
        LAUGHS.replace("[ha]", "{k: 1}").replace(" [", " {<<: [").replace("]\n", "]}\n"),
    ],
    "stands inside the very value": ["seed: &x [*x]", "seed: &x {a: [*x]}"],
    "larger than 1,000,000 bytes": ["#" * 1_000_001],
    "at the top": ["?" * 5000, "-" * 5000, "x" * 100_000],
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "text"),
    [(told, text) for told, texts in CONFIGURATIONS.items() for text in texts],
    ids=lambda part: ascii(part[:20]),
)
def test_a_hostile_configuration_is_refused_in_a_sentence(tmp_path: Path, told: str, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for load in (ExperimentConfig.load, Space.load):
        with pytest.raises(ConfigError) as error:
            load(path)
        assert told in str(error.value) and str(path) in str(error.value) and len(str(error.value)) < 500


def test_a_thousand_unknown_fields_are_a_short_message(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("".join(f"field_{i}: {i}\n" for i in range(1000)) + "x" * 500 + ": 1\n")
    with pytest.raises(ConfigError, match=r"1,005 problems:(.|\n)*and 985 more$") as error:
        ExperimentConfig.load(path)
    assert len(str(error.value)) < 6000


def test_aliases_within_bounds_are_read(tmp_path: Path) -> None:
    config = make_config()
    path = tmp_path / "x.yaml"
    config.save(path)
    text = (
        path.read_text()
        .replace("num_layers: 1\n", "num_layers: &one 1\n")
        .replace("head_layers: 1\n", "head_layers: *one\n")
    )
    assert "*one" in text
    path.write_text(text)
    assert ExperimentConfig.load(path) == config


def _listing(folder: Path) -> Result:
    return CliRunner().invoke(app, ["runs", str(folder)])


@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
@pytest.mark.parametrize(
    "content", [LAUGHS, "[" * 100_000, "", "\0", "!!set [1]", '{"format": 1e999}', None, ...], ids=range(8)
)
def test_a_hostile_run_is_a_line_in_the_list_and_not_its_end(tmp_path: Path, name: str, content: Any) -> None:
    good, bad = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    (bad / "checkpoints").mkdir()
    (bad / name).unlink()
    if content is None:
        os.mkfifo(bad / name)
    elif content is ...:
        (bad / name).symlink_to("/dev/zero")
    else:
        (bad / name).write_text(content)
    assert [(info.path, info.status) for info in list_runs(tmp_path)] == [(good, "finished"), (bad, "damaged")]
    assert best_run(tmp_path) == good
    result = _listing(tmp_path)
    assert result.exit_code == 0 and "damaged" in result.stdout and "finished" in result.stdout


JUNK = [None, 5, -1, "x", "", [], {}, [1], {"a": 1}, True, 1e999, 10**400, [[[]]], "../../.."]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all parts of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _put(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy of a JSON value with ``junk`` at a path."""
    if not path:
        return junk
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _put(value[path[0]], path[1:], junk)
    return changed


def test_whatever_stands_in_a_summary_the_runs_are_listed(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    summary = make_run(tmp_path / "b", refit_of="a", data={"until": "2020-01-01", "series": []}) / "summary.json"
    original = json.loads(summary.read_text())
    junk = itertools.cycle(JUNK)
    for path in list(_paths(original)) * 3:
        summary.write_text(json.dumps(_put(original, path, next(junk))).replace("Infinity", "1e999"))
        result = _listing(tmp_path)
        assert result.exit_code == 0 and "finished" in result.stdout, (path, summary.read_text(), result.exception)


def test_folders_nested_deep_are_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1000):
        os.mkdir("a")
        os.chdir("a")
    monkeypatch.undo()
    run = make_run(tmp_path / "b")
    assert [info.path for info in list_runs(tmp_path)] == [run]
    subprocess.run(["rm", "-r", tmp_path / "a"], check=True)  # too deep for pytest's own


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study whose runs were only pretended."""
    with pytest.MonkeyPatch.context() as patch:
        Pretender(patch)
        return searched(tmp_path_factory.mktemp("study")).path


def test_a_study_names_no_run_outside_its_folder(study: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "elsewhere")
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    journal = (copy / "journal.log").read_text()
    run = Study.load(copy).best.name
    for name in ("../elsewhere", str(tmp_path / "elsewhere"), "..", ""):
        (copy / "journal.log").write_text(journal.replace(json.dumps(run), json.dumps(name)))
        with pytest.raises(RunError, match="should be the name of a folder"):
            _ = Study.load(copy).best


def test_whatever_stands_in_a_journal_is_told_in_a_sentence(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    journal = (copy / "journal.log").read_text().splitlines()
    places = [(i, path) for i, line in enumerate(journal) for path in _paths(json.loads(line)) if len(path) < 3]
    lines = ["[" * 5000, "{}", '{"op_code": 99}', "", "\0"]
    changed = [[*journal[:2], line, *journal[2:]] for line in lines]
    changed += [[json.dumps(_put(json.loads(line), path, JUNK[n % len(JUNK)])) if i == j else line
                 for j, line in enumerate(journal)] for n, (i, path) in enumerate(places)]  # fmt: skip
    for content in changed:
        (copy / "journal.log").write_text("\n".join(content) + "\n")
        try:
            opened = Study.load(copy)
            _ = opened.leaderboard, opened.best
        except (RunError, ConfigError) as error:
            assert len(str(error)) < 1000


@pytest.mark.parametrize("file", ["normalisation.json", "reference.json", "conformal.json", "summary.json"])
def test_figures_that_do_not_fit_together_are_told_in_a_sentence(tmp_path: Path, file: str) -> None:
    with zipfile.ZipFile(Path(__file__).parents[1] / "runs" / "runs_format_1.zip") as archive:
        archive.extractall(tmp_path)
    run = tmp_path / "distribution"
    original = json.loads((run / file).read_text())
    junk = itertools.cycle([[[[]]], "x", 5, []])
    for key in original:
        (run / file).write_text(json.dumps(original | {key: next(junk)}))
        result = CliRunner().invoke(
            app, ["predict", str(run), "--data", str(tmp_path / "bars.csv"), "--out", str(tmp_path / "x.csv")]
        )
        assert result.exit_code in (0, 1) and (result.exit_code == 0 or isinstance(result.exception, SystemExit))
