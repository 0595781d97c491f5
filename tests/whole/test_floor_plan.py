"""The floor plan: no circles, every module on the map, every class name once, tests where their module is."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from doc_pages import ROOT

PACKAGE = ROOT / "nextbar"
TESTS = ROOT / "tests"
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")}
SOURCES = {name: ast.parse((PACKAGE / f"{name}.py").read_text()) for name in sorted(MODULES)}
NO_PACKAGE = {"laws", "support", "whole"}
"""folders of tests that belong to no package"""


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("nextbar", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    TopologicalSorter(imports).prepare()  # raises CycleError, which names a circle


def test_the_map_of_the_modules_is_the_tree() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (block,) = re.findall(r"^## Modules\n.*?^```text\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    listed, folder = [], ""
    for line in block.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0]
        if not line.startswith(" "):
            folder = "" if names == "nextbar/" else names
            continue
        listed += [folder + name for name in names.split(", ")]
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name in MODULES if not name.endswith("__init__")} - {"__main__"}


def test_the_page_on_platforms_names_modules_that_exist() -> None:
    named = set(re.findall(r"`([\w/]+)\.py`", (ROOT / "docs" / "platforms.md").read_text()))
    known = MODULES | {name.rpartition("/")[2] for name in MODULES}
    assert len(named) > 5 and named <= known, named - known


def test_no_two_classes_have_one_name() -> None:
    names = Counter(node.name for tree in SOURCES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_says_in_a_sentence_what_it_is() -> None:
    first = {name: (ast.get_docstring(tree) or "").partition("\n")[0] for name, tree in SOURCES.items()}
    assert [name for name, line in first.items() if not line.endswith((".", "?", ":")) and name != "__main__"] == []


def test_tests_lie_where_their_module_does() -> None:
    """``tests/<package>/test_<module>.py``, or with an aspect behind it; or named after the package, as a whole."""
    astray = []
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        if folder.parts[:1] and folder.parts[0] in NO_PACKAGE:
            continue
        homes = [file.stem for file in (PACKAGE / folder).glob("*.py")] + [Path(*folder.parts).name or "public"]
        name = path.stem.removeprefix("test_")
        if not any(name == home or name.startswith(f"{home}_") for home in homes):
            astray.append(path.relative_to(TESTS).as_posix())
    assert astray == []
