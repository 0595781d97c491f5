"""Leases: one holder at a time, a dead one succeeded, one that was taken for dead stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from buckets import content, failing, lay_out
from fsspec.implementations.memory import MemoryFileSystem

from nextbar.errors import RunBusy
from nextbar.storage import lease as module
from nextbar.storage.bucket import Bucket
from nextbar.storage.lease import Lease, is_held, lease_of, look

ADDRESS = "memory://bucket/runs/first"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signs of life every hundredth of a second, patience of a few."""
    lay_out({})
    monkeypatch.setattr(module, "BEAT", 0.01)
    monkeypatch.setattr(module, "LOOK", 0.02)
    monkeypatch.setattr(module, "LASTS", 0.2)
    yield
    lay_out({})


def names() -> list[str]:
    return sorted(Bucket(lease_of(ADDRESS)).listed())


def test_a_second_process_is_refused_while_the_first_lives_and_may_afterwards(tmp_path: Path) -> None:
    first, second = Lease(ADDRESS, tmp_path / "first"), Lease(ADDRESS, tmp_path / "second")
    first.acquire()
    with first.kept():
        assert is_held(ADDRESS)
        with pytest.raises(RunBusy, match=r"^memory://bucket/runs/first is being trained by another process"):
            second.acquire()
        first.require()
    assert names() == [] and not is_held(ADDRESS)
    second.acquire()
    second.require()


def test_only_one_of_many_that_come_at_once_gets_it(tmp_path: Path) -> None:
    got: list[int] = []

    def come(number: int) -> None:
        lease = Lease(ADDRESS, tmp_path / str(number))
        try:
            lease.acquire()
        except RunBusy:
            return
        got.append(number)
        with lease.kept():
            done.wait(10)

    done = threading.Event()
    threads = [threading.Thread(target=come, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join(0.5)
    assert len(got) == 1
    done.set()
    for thread in threads:
        thread.join()


def test_a_dead_process_is_succeeded_after_its_silence_and_on_its_own_machine_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease(ADDRESS, tmp_path / "note").acquire()  # and never again heard of
    Lease(ADDRESS, tmp_path / "elsewhere").acquire()
    assert names() == ["000002"]

    def wait(*_: Any) -> None:
        raise AssertionError("waits for a process that is known to be dead")

    monkeypatch.setattr(Lease, "_await_silence", wait)
    Lease(ADDRESS, tmp_path / "elsewhere").acquire()
    assert names() == ["000003"]


def test_many_of_a_process_that_died_are_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were looked at before the first wait; a sign of life since then counts, though it came long ago."""
    addresses = [f"{ADDRESS}-{number}" for number in range(3)]
    dead = [Lease(address, tmp_path / "note") for address in addresses]
    for lease in dead:
        lease.acquire()
    slept: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append))
    seen = [look(address) for address in addresses]
    dead[2]._beat()
    for number in (0, 1):
        Lease(addresses[number], tmp_path / "elsewhere", seen[number]).acquire()
        assert sum(slept) == pytest.approx(module.LASTS)
    with pytest.raises(RunBusy, match="is being trained by another process"):
        Lease(addresses[2], tmp_path / "elsewhere", seen[2]).acquire()
    assert look(ADDRESS) is None


def test_who_was_taken_for_dead_stops_and_leaves_the_others_object(tmp_path: Path) -> None:
    first, second = Lease(ADDRESS, tmp_path / "first"), Lease(ADDRESS, tmp_path / "second")
    first.acquire()
    second.acquire()
    for _ in range(2):  # and does not change its mind
        with pytest.raises(RunBusy, match=r"has been taken over by another process.*it stops here"):
            first.require()
    with first.kept():
        pass
    second.require()
    assert names() == ["000002"]


def test_whoever_waits_for_one_that_ends_begins_anew_beside_one_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first gives its number back, and the third gets the same while the second waits for the first."""
    first, second, third = (Lease(ADDRESS, tmp_path / name) for name in ("first", "second", "third"))
    first.acquire()
    usual, holder = Bucket.read, ExitStack()

    def read(bucket: Bucket, name: str) -> bytes | None:
        if threading.current_thread() is waiting and third not in begun:
            begun.append(third)
            with first.kept():
                pass
            found = usual(bucket, name)
            third.acquire()
            holder.enter_context(third.kept())
            return found
        return usual(bucket, name)

    def wait() -> None:
        try:
            second.acquire()
        except RunBusy as busy:
            refusals.append(busy)

    begun: list[Lease] = []
    refusals: list[RunBusy] = []
    waiting = threading.Thread(target=wait)
    monkeypatch.setattr(Bucket, "read", read)
    with holder:
        waiting.start()
        waiting.join()
        third.require()
        assert len(refusals) == 1 and names() == ["000001"]


def test_a_late_sign_of_life_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The successor comes between the look and the sign; it removes the object, which must not come back for good."""
    first, second = Lease(ADDRESS, tmp_path / "first"), Lease(ADDRESS, tmp_path / "second")
    first.acquire()
    usual = Lease.require

    def require(lease: Lease) -> None:
        usual(lease)
        if lease is first and not (tmp_path / "second").exists():
            second.acquire()

    monkeypatch.setattr(Lease, "require", require)
    first._beat()
    assert names() == ["000002"]
    with pytest.raises(RunBusy, match="taken over"):
        first.require()
    second.require()


def test_who_was_taken_for_dead_does_not_take_a_later_holders_object_of_the_same_number(tmp_path: Path) -> None:
    first, later = Lease(ADDRESS, tmp_path / "first"), Lease(ADDRESS, tmp_path / "later")
    first.acquire()
    with first.kept():
        Bucket(lease_of(ADDRESS)).remove(["000001"])
        later.acquire()
    later.require()


def test_a_sign_of_life_that_does_not_arrive_stops_nothing(tmp_path: Path) -> None:
    lease = Lease(ADDRESS, tmp_path / "note")
    lease.acquire()
    with failing():
        lease._beat()
    lease.require()


def test_creating_twice_by_a_repeated_request_counts_as_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that hears no answer asks again, and is told that the object exists."""
    usual = Bucket.create

    def repeated(bucket: Bucket, name: str, data: bytes) -> bool | None:
        usual(bucket, name, data)
        return usual(bucket, name, data)

    monkeypatch.setattr(Bucket, "create", repeated)
    lease = Lease(ADDRESS, tmp_path / "note")
    lease.acquire()
    lease.require()


@pytest.mark.parametrize("knows", ["nothing of it", "and writes all the same"])
def test_storage_that_cannot_keep_processes_apart_is_told(
    knows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual = MemoryFileSystem.pipe_file

    def write(system: MemoryFileSystem, path: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create" and knows == "nothing of it":
            raise NotImplementedError
        usual(system, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", write)
    lease = Lease(ADDRESS, tmp_path / "note")
    lease.acquire()
    lease.require()
    assert "that no other process trains the same run cannot be seen to" in caplog.text


def test_what_strangers_left_among_leases_is_no_lease(tmp_path: Path) -> None:
    lay_out({"/bucket/runs/.first.lease/note.txt": b"x", "/bucket/runs/.first.lease/000007": b"no JSON"})
    lease = Lease(ADDRESS, tmp_path / "note")
    lease.acquire()
    lease.require()
    assert "/bucket/runs/.first.lease/000008" in content()
