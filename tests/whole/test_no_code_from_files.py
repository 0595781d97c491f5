"""Nobody gets in through a file: nothing in the package runs, unpickles or imports what a file says; no page does."""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
import sqlite3
import sys
import zipfile
from pathlib import Path

import pytest
from doc_pages import ROOT
from page_text import Text
from searches import Pretender, searched
from summaries import make_run

from nextbar.config.yaml_file import read_yaml, write_yaml
from nextbar.errors import NextbarError
from nextbar.folders import is_claimed, lock_of
from nextbar.report import write_report
from nextbar.report.write import _best_page
from nextbar.runs.listing import list_runs
from nextbar.runs.metrics_csv import MetricsCsv, read_metrics
from nextbar.runs.records import read_losses
from nextbar.searching.space.expression import Expression
from nextbar.searching.study import Study

SOURCES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "nextbar").rglob("*.py"))}

FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "os.system", "os.popen", "yaml.unsafe_load",
                   "yaml.full_load", "yaml.load_all", "pd.read_pickle", "pd.eval", "pandas.read_pickle", "np.loadtxt",
                   "np.fromregex", "numpy.load", "jnp.load", "pydoc.locate", "runpy.run_path"}  # fmt: skip
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "runpy",
                     "pty", "commands", "ctypes.util", "xml", "lxml", "jsonpickle", "torch"}  # fmt: skip
ALLOWED = {
    (
        "import_module",
        "config/choices.py",
    ): "names that choices in the code register, looked up by the configuration's value",
    ("import_module", "__init__.py"): "public names, imported when first used",
    ("import_module", "bars/samples.py"): "a sample that comes with a dependency, by a name among those of SAMPLES",
    ("subprocess", "searching/team.py"): "workers of a search: this interpreter and module, a task file and numbers",
}
"""(what, module): why what stands in a file cannot change what is run"""


def _calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _imports(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_the_package_calls_nothing_that_runs_what_it_reads() -> None:
    found = []
    for path, tree in SOURCES.items():
        name = path.relative_to(ROOT / "nextbar").as_posix()
        for call, node in _calls(tree):
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if call in FORBIDDEN_CALLS and not (call == "compile" and name.startswith("engine")):
                found.append((name, call))
            if call.endswith("import_module") and ("import_module", name) not in ALLOWED:
                found.append((name, call))
            if (
                call in ("np.load", "np.savez", "np.savez_compressed", "np.save")
                and keywords.get("allow_pickle") != "False"
            ):
                found.append((name, call))
            if call == "yaml.load" and keywords.get("Loader") != "_Loader":
                found.append((name, call))
            if keywords.get("shell") == "True":
                found.append((name, "shell"))
        modules = {module.split(".")[0] for module in _imports(tree)}
        found += [(name, module) for module in modules & FORBIDDEN_MODULES]
        if "subprocess" in modules and ("subprocess", name) not in ALLOWED:
            found.append((name, "subprocess"))
    assert not found


def test_the_check_of_the_package_sees_what_it_looks_for() -> None:
    tree = ast.parse("import pickle\nfrom os import path\neval(x)\nyaml.load(f, Loader=yaml.Loader)\nnp.load(p)")
    assert {"eval", "yaml.load", "np.load"} <= {call for call, _ in _calls(tree)} and "pickle" in _imports(tree)
    for (what, module), _ in ALLOWED.items():
        tree = SOURCES[ROOT / "nextbar" / module]
        assert what in _imports(tree) or any(call.endswith(what) for call, _ in _calls(tree)), "no longer needed"


def test_no_storage_that_unpickles_is_opened() -> None:
    """Optuna unpickles snapshots of journals in Redis, and states of its CMA-ES sampler: neither is used."""
    from optuna.storages.journal import JournalFileBackend
    from optuna.storages.journal._base import BaseJournalSnapshot

    assert not issubclass(JournalFileBackend, BaseJournalSnapshot)
    named = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    assert not named & {"JournalRedisBackend", "CmaEsSampler"}


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    import numpy as np

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "owned",)

    np.savez(tmp_path / "validation_losses.npz", time=np.array([Bomb()], object))
    with pytest.raises(NextbarError, match="cannot be read"):
        read_losses(tmp_path)
    assert not (tmp_path / "owned").exists()


CODE = [
    "__import__('os').system('id')",
    "open('/etc/passwd')",
    "().__class__.__bases__",
    "[x for x in [1]]",
    "lambda: 1",
    "d_model.__class__.__mro__[1]",
    "f'{d_model}'",
    "(x := 1)",
    "d_model if 1 else 2",
    "d_model[0]",
    "9**9**9",
    "1 << 999999999",
    "'a' * 99",
    "d_model @ 2",
    "not 1",
    "1 < 2",
    "...",
    "*a",
    "await a",
    "yield",
    "{1: 2}",
    "{1}",
    "b'x'",
    "1j",
    "True",
    "None",
]


@pytest.mark.parametrize("text", CODE)
def test_an_expression_is_no_code(text: str) -> None:
    with pytest.raises(NextbarError) as error:
        Expression.parse(text).value(lambda name: {"d_model": 8}[name])
    assert len(str(error.value)) < 500


def test_a_lock_that_leads_elsewhere_leaves_what_it_leads_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("all of it")
    run = make_run(tmp_path / "runs" / "a", status="running")
    lock_of(run).symlink_to(precious)
    assert is_claimed(run) and [info.status for info in list_runs(tmp_path / "runs")] == ["running"]
    assert precious.read_text() == "all of it"


def test_epochs_are_not_appended_to_what_a_link_leads_to(tmp_path: Path) -> None:
    MetricsCsv(tmp_path, 1).append(1, 10, {"loss": 1.0})
    precious = (tmp_path / "metrics.csv").rename(tmp_path / "precious")
    before = precious.read_bytes()
    (tmp_path / "metrics.csv").symlink_to(precious)
    MetricsCsv(tmp_path, 2).append(2, 20, {"loss": 0.5})
    assert precious.read_bytes() == before and len(read_metrics(tmp_path)) == 2


PAYLOAD = "\"'></script><img src=x onerror=alert(1)><script>alert(2)</script>${title}&lt;"


def _hostile(value: object) -> object:
    """A JSON value with the payload at the end of each text and in each name of a list of names."""
    if isinstance(value, dict):
        return {key: _hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    return value + PAYLOAD if isinstance(value, str) else value


def _harmless(page: str) -> None:
    document = Text(page)
    assert "img" not in document.tags and document.tags.count("script") == 3
    assert "<img src=x" not in page.replace("\\u003c", "")


def test_a_report_shows_what_a_summary_says_and_runs_nothing_of_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(ROOT / "tests" / "runs" / "runs_format_1.zip") as archive:
        archive.extractall(tmp_path)
    run = (tmp_path / "distribution").rename(tmp_path / "d<img src=x onerror=alert(3)>")
    summary = json.loads((run / "summary.json").read_text())
    hostile = _hostile(summary)
    assert isinstance(hostile, dict)
    (run / "summary.json").write_text(json.dumps(hostile | {"status": "finished"}))
    page = write_report(run, tmp_path / "page.html", data=tmp_path / "bars.csv").read_text()
    _harmless(page)
    assert "onerror=alert(1)" in Text(page).said


def test_a_studys_page_runs_nothing_of_its_journal(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Pretender(patch)
        study = searched(tmp_path).path
    run = Study.load(study).best.name
    wicked = "javascript:alert(1)"
    (study / run).rename(study / wicked)
    journal = study / "journal.log"
    text = journal.read_text().replace(json.dumps(run), json.dumps(wicked))
    for name in ('"strongest":"', '"verdict":"', '"message":"', '"reason":"', '"host":"', '"study_name":"'):
        text = text.replace(name, name + json.dumps(PAYLOAD)[1:-1])
    journal.write_text(text)
    described = study / "study.yaml"
    description = read_yaml(described)
    write_yaml(described, {**description, "study_name": PAYLOAD + description["study_name"]})
    page = write_report(study).read_text()
    _harmless(page)
    assert Text(page).said.count("onerror=alert(1)") > 4


def test_a_study_that_names_a_database_changes_none(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Pretender(patch)
        study = searched(tmp_path).path
    described = study / "study.yaml"
    other = tmp_path / "other.db"
    for exists in (False, True):
        if exists:
            with contextlib.closing(sqlite3.connect(other)) as connection:
                connection.execute("create table precious (x)")
        before = other.read_bytes() if exists else None
        write_yaml(described, {**read_yaml(described), "storage": f"sqlite:///{other}"})
        with pytest.raises(NextbarError, match="no such"):
            Study.load(study)
        assert (other.read_bytes() if other.exists() else None) == before


def test_an_address_in_a_page_is_a_path_whatever_a_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "javascript:alert(1)"
    monkeypatch.setattr("nextbar.report.write.write_report", lambda *_, **__: folder / "report.html")
    address, _ = _best_page(folder, target=tmp_path / "page.html", bars=None, data=None)
    assert address == "javascript%3Aalert%281%29/report.html"


def test_opening_folders_of_strangers_imports_nothing_that_unpickles(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    before = set(sys.modules)
    assert len(list_runs(tmp_path)) == 2
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in FORBIDDEN_MODULES}
