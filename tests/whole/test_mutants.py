"""What `make mutants` is told: every module that computes figures, tests that exist, a reason for each exception."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = yaml.safe_load((ROOT / "tests" / "mutants.yaml").read_text())
MORE = {
    "engine/epoch",
    "engine/optimizer",
    "engine/order",
    "engine/permutation",
    "searching/ledger",
    "searching/trials",
}


def test_every_module_that_computes_figures_has_its_tests() -> None:
    modules = {
        path.relative_to(ROOT / "nextbar").with_suffix("").as_posix()
        for folder in ("bars", "data", "metrics", "positions", "baselines")
        for path in (ROOT / "nextbar" / folder).rglob("*.py")
        if re.search(r"^ *def ", path.read_text(), re.MULTILINE)
    }
    assert SETTINGS["tests"].keys() == modules | MORE
    for module, tests in SETTINGS["tests"].items():
        assert [name for name in tests.split() if not (ROOT / name).is_file()] == [], module


def test_what_is_accepted_has_a_reason() -> None:
    for accepted in SETTINGS["equivalent"]:
        assert accepted.keys() == {"mutant", "change", "reason"} and len(accepted["reason"]) > 20
        assert not re.search(accepted["change"], ""), "a pattern that fits everything accepts everything"
