"""The hash of the code that runs: of every byte of its sources, and none where the sources may be others."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

import nextbar
from nextbar.machine import own_code
from nextbar.machine.own_code import code_hash


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A copy of a package, as it was when the process began."""
    folder = tmp_path / "copy"
    shutil.copytree(Path(nextbar.__file__).parent / "machine", folder, ignore=shutil.ignore_patterns("__pycache__"))
    begin_now(monkeypatch)
    return sorted(folder.glob("*.py"))


def begin_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(own_code, "IMPORTED_AT", time.time() + 1)
    own_code._hash.cache_clear()


def test_one_changed_byte_is_other_code(sources: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_hash(sources, ["numpy"])
    assert before is not None and code_hash(sources, ["numpy"]) == before != code_hash(sources[1:], ["numpy"])
    content = bytearray(sources[3].read_bytes())
    content[len(content) // 2] ^= 1
    sources[3].write_bytes(content)
    begin_now(monkeypatch)
    assert code_hash(sources, ["numpy"]) not in (before, None)


def test_another_version_of_a_library_is_other_code(sources: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_hash(sources, ["numpy"])
    monkeypatch.setattr(own_code, "version", lambda name: "0")
    begin_now(monkeypatch)
    assert code_hash(sources, ["numpy"]) not in (before, None)


@pytest.mark.parametrize("age", [-10, 10**6])
def test_no_code_is_known_while_a_source_is_newer_than_the_process(
    sources: list[Path], monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    """Also where the new one brought an earlier date with it, as from an archive."""
    monkeypatch.setattr(own_code, "IMPORTED_AT", time.time() - 0.1)
    sources[3].write_bytes(sources[3].read_bytes() + b"#")
    os.utime(sources[3], (time.time() - age,) * 2)
    assert code_hash(sources, ["numpy"]) is None


def test_no_code_is_known_without_sources(sources: list[Path]) -> None:
    assert code_hash([], ["numpy"]) is None
    sources[0].unlink()
    assert code_hash(sources, ["numpy"]) is None


def test_the_process_began_before_its_tests() -> None:
    assert 0 < nextbar.IMPORTED_AT < time.time()
