"""The fuzzer: sound bytes are no finding, and a fault that is planted is one."""

from __future__ import annotations

import sys
from importlib import util
from types import ModuleType

import pytest
from doc_pages import ROOT


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = util.spec_from_file_location("fuzz", ROOT / "tests" / "fuzz.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["fuzz"] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_target_takes_its_first_bytes(fuzz: ModuleType) -> None:
    for name, (_, seeds) in fuzz.TARGETS.items():
        fuzz.check(name, seeds()[0], seconds=60)


def test_a_fault_is_found_and_its_bytes_are_kept(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> None:
        if b"!!" in data:
            raise KeyError("planted")

    monkeypatch.setitem(fuzz.TARGETS, "planted", (fails, lambda: [b"a"]))
    tried, found = fuzz.fuzz("planted", minutes=1, seconds=60, first=0)
    assert found and tried > 0 and b"!!" in (fuzz.FOLDER / "planted.finding").read_bytes()
