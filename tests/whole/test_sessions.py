"""Sessions of tests: each has all of its tests, and begins with what takes longest."""

from __future__ import annotations

import re

from sessions import LONGEST, MARKERS, TESTS


def test_the_longest_files_are_there_once() -> None:
    assert len(LONGEST) == len(set(LONGEST)) > 10
    assert [path for path in LONGEST if not path.is_file()] == []


def test_a_marker_is_written_in_the_file_of_its_tests() -> None:
    """Where one is asked for, no other files are imported."""
    given = re.compile(rf"mark\.({'|'.join(MARKERS)})\b")
    elsewhere = [path for path in TESTS.rglob("*.py") if not path.name.startswith("test_")]
    assert len(elsewhere) > 30
    assert [path.name for path in elsewhere if given.search(path.read_text())] == []
