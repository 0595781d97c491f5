"""Objects under an address: as they were written, whoever else is in the bucket, and every failure a sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import content, failing, lay_out, on_machine
from fsspec.implementations.memory import MemoryFileSystem

from nextbar.errors import RunError, Unreachable
from nextbar.storage.bucket import Bucket, require_writable


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    lay_out({})
    yield
    lay_out({})


def test_what_is_written_is_listed_read_and_removed(tmp_path: Path) -> None:
    bucket = Bucket("memory://bucket/runs")
    assert bucket.listed() == {} and bucket.read("a") is None and bucket.modified("a") is None
    bucket.write("a", b"1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"22")
    bucket.send(tmp_path, ["b/c"])
    lay_out({"/bucket/runs/a": b"1", "/bucket/runs/b/c": b"22", "/bucket/runs2/d": b"4", "/bucket/e": b"5"})
    assert {name: found.size for name, found in bucket.listed().items()} == {"a": 1, "b/c": 2}
    assert bucket.read("b/c") == b"22" and bucket.modified("a") is not None
    bucket.fetch(tmp_path / "copy", ["a", "b/c"])
    assert (tmp_path / "copy" / "b" / "c").read_bytes() == b"22"
    bucket.remove(["a", "not there"])
    assert list(bucket.listed()) == ["b/c"]


@pytest.mark.parametrize("name", ["test[1]", "test*", "test?"])
def test_names_are_no_patterns(name: str, tmp_path: Path) -> None:
    neighbours = {"/bucket/test1/a": b"1", "/bucket/test1/other": b"2"}
    lay_out(neighbours)
    bucket = Bucket(f"memory://bucket/{name}")
    bucket.remove(["a", "test[1]"])
    assert bucket.listed() == {}
    (tmp_path / "a").write_bytes(b"3")
    bucket.send(tmp_path, ["a"])
    bucket.fetch(tmp_path / "copy", ["a"])
    assert (tmp_path / "copy" / "a").read_bytes() == b"3" and list(bucket.listed()) == ["a"]
    bucket.remove(["a"])
    assert {path: file.getvalue() for path, file in content().items()} == neighbours


def test_a_removal_that_fails_is_told_though_others_succeed() -> None:
    bucket = Bucket("memory://bucket/runs")
    for name in ("a", "b", "c"):
        bucket.write(name, b"")
    with failing(lambda path: path.endswith("/a")), pytest.raises(Unreachable, match="Connection refused"):
        bucket.remove(["a", "b", "c"])
    assert "a" in bucket.listed()


def test_a_listing_tells_that_an_namewas_written_anew() -> None:
    bucket = Bucket("memory://bucket/runs")
    bucket.write("a", b"1")
    before = bucket.listed()
    assert bucket.listed() == before
    bucket.write("a", b"2")
    assert bucket.listed() != before


def test_only_one_creates_an_object() -> None:
    bucket = Bucket("memory://bucket/runs")
    assert bucket.create("a", b"1") is True
    assert bucket.create("a", b"2") is False
    assert bucket.read("a") == b"1"


def test_names_that_would_leave_the_folder_are_passed_over() -> None:
    lay_out({"/bucket/runs/../../etc/passwd": b"", "/bucket/runs/a\\b": b"", "/bucket/runs/fine": b""})
    assert list(Bucket("memory://bucket/runs").listed()) == ["fine"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("listed", ()), ("read", ("a",)), ("write", ("a", b"")), ("create", ("a", b"")), ("remove", (["a"],))],
)
def test_storage_that_does_not_answer_is_a_sentence(method: str, arguments: tuple[Any, ...]) -> None:
    bucket = Bucket("memory://bucket/runs")
    bucket.write("a", b"1")
    with (
        failing(),
        pytest.raises(Unreachable, match=r"^cannot reach memory://bucket/runs: Connection refused\. See to"),
    ):
        getattr(bucket, method)(*arguments)


@pytest.mark.parametrize("forbidden", ["pipe_file", "cat_file", "find", "rm_file"])
def test_what_storage_does_not_allow_is_told_at_once(
    forbidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some may read and not write, or list and not remove: whoever may all leaves nothing there by asking."""
    on_machine(monkeypatch, tmp_path)
    require_writable("memory://bucket/runs")
    require_writable(tmp_path / "not there")
    assert content() == {}

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(MemoryFileSystem, forbidden, refuse)
    with pytest.raises(Unreachable, match=r"^cannot reach memory://bucket/runs: Forbidden\. See to"):
        require_writable("memory://bucket/runs")


def test_a_storage_without_creation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **options: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    assert Bucket("memory://bucket/runs").create("a", b"1") is None


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_library_that_is_missing_is_named_with_what_installs_it(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)  # what was imported before
    with pytest.raises(RunError, match=rf"pip install 'nextbar\[{scheme}\]'"):
        Bucket(f"{scheme}://bucket/runs")


@pytest.mark.parametrize("scheme", ["nothing", "ftp", "github", "webhdfs", "dir", "zip", "https", "simplecache"])
def test_a_scheme_that_is_unknown_or_of_no_object_storage_is_refused(scheme: str) -> None:
    with pytest.raises(RunError, match=r"should be a folder on a disk, or an address of object storage.*s3://, gs://"):
        Bucket(f"{scheme}://bucket/runs")


def test_a_library_that_finds_no_credentials_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unknown(MemoryFileSystem):
        cachable = False

        def __init__(self, **options: Any) -> None:
            raise OSError("no credentials")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Unknown)
    with pytest.raises(Unreachable, match=r"^cannot reach s3://bucket/runs: no credentials\. See to"):
        Bucket("s3://bucket/runs")


def test_importing_nextbar_and_its_commands_loads_no_file_system() -> None:
    code = "import sys, nextbar, nextbar.cli.app, nextbar.runs.copies; print([m for m in sys.modules if 'fsspec' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
