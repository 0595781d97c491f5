"""Local copies: the same objects give the same folder, other ones another, and none is ever changed."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from buckets import failing, lay_out, on_machine

from nextbar.errors import Unreachable
from nextbar.folders import is_claimed
from nextbar.storage.address import named
from nextbar.storage.bucket import Bucket
from nextbar.storage.copies import DAY, KEPT, _time, copied

ADDRESS = "memory://bucket/runs"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    on_machine(monkeypatch, tmp_path)
    lay_out({"/bucket/runs/a": b"1", "/bucket/runs/b/c": b"2"})
    yield
    lay_out({})


def copy(*names: str, held: tuple[str, ...] = ()) -> Path:
    bucket = Bucket(ADDRESS)
    return copied(bucket, bucket.listed(), names, held)


def test_the_same_objects_are_fetched_once(tmp_path: Path) -> None:
    first = copy("a", "b/c")
    assert (first / "b" / "c").read_bytes() == b"2" and named(first) == ADDRESS
    with failing(lambda path: path.endswith("/a")):
        assert copy("b/c", "a") == first
    assert copy("a") != first and not (copy("a") / "b").exists()
    assert not list((tmp_path / "copies").glob(".*"))


def test_a_changed_object_is_another_copy_and_the_one_before_stays() -> None:
    first = copy("a")
    Bucket(ADDRESS).write("a", b"3")
    second = copy("a")
    assert (first / "a").read_bytes() == b"1" and (second / "a").read_bytes() == b"3"


def test_of_older_copies_only_a_few_are_kept(tmp_path: Path) -> None:
    first = copy("b/c")
    for number in range(KEPT + 2):
        Bucket(ADDRESS).write("a", b"%d" % number)
        copy("a")
        assert copy("b/c") == first, "one that is asked for stays"
    assert len(list((tmp_path / "copies").iterdir())) == KEPT


def test_half_a_copy_is_none(tmp_path: Path) -> None:
    with failing(lambda path: path.endswith("/c")), pytest.raises(Unreachable):
        copy("a", "b/c")
    assert list((tmp_path / "copies").iterdir()) == []


def test_half_a_copy_of_a_killed_process_is_removed_after_a_day(tmp_path: Path) -> None:
    key = copy("a").relative_to(tmp_path / "copies").parts[0].partition("-")[0]
    halves = [tmp_path / "copies" / f".{key}-{name}" for name in ("old", "new")]
    for half, age in zip(halves, (DAY + 60, DAY - 60), strict=True):
        half.mkdir()
        os.utime(half, (time.time() - age,) * 2)
    copy("b/c")
    assert [half.exists() for half in halves] == [False, True]


def test_copies_that_another_process_removes_meanwhile_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, usual = copy("a"), os.utime

    def utime(path: Path) -> None:
        shutil.rmtree(path)
        usual(path)

    monkeypatch.setattr(os, "utime", utime)
    assert copy("a") == first and (first / "a").read_bytes() == b"1"
    assert _time(tmp_path / "gone") == math.inf


def test_a_copy_knows_that_somebody_was_writing() -> None:
    lay_out({"/bucket/runs/one/a": b"1", "/bucket/runs/two/a": b"1"})
    folder = copy("one/a", "two/a", held=("two",))
    assert not is_claimed(folder / "one") and is_claimed(folder / "two")
